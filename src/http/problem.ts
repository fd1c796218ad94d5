/**
 * Errors as RFC 9457 problem documents with a stable code. The client hears the code, the sentence from the error list
 * and the request id; the cause chain goes to the log, once.
 */
import type { FastifyError, FastifyInstance, FastifyReply } from 'fastify';
import { AppError, ERRORS, type ErrorCode } from '../errors.ts';

export interface ProblemDetails {
  readonly detail?: string | undefined;
  /** JSON pointer to the part of the request that failed. */
  readonly path?: string | undefined;
}

export function sendProblem(
  reply: FastifyReply,
  code: ErrorCode,
  { detail, path }: ProblemDetails = {},
): FastifyReply {
  const { httpStatus, message } = ERRORS[code];
  return reply
    .code(httpStatus)
    .type('application/problem+json')
    .send({
      type: 'about:blank',
      title: message,
      status: httpStatus,
      code,
      ...(detail === undefined ? {} : { detail }),
      ...(path === undefined ? {} : { path }),
      requestId: reply.request.id,
    });
}

/** Maps every thrown error and every unknown route of an app to a problem document. */
export function installProblems(app: FastifyInstance): void {
  app.setErrorHandler((error: FastifyError, request, reply) => {
    if (error instanceof AppError) {
      if (error.httpStatus >= 500) request.log.error({ err: error }, error.message);
      return sendProblem(reply, error.code, { detail: error.detail, path: error.path });
    }
    if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return sendProblem(reply, 'REPORT_TOO_LARGE');
    if (error.statusCode !== undefined && error.statusCode < 500) {
      return sendProblem(reply, 'REQUEST_INVALID', { detail: error.message });
    }
    request.log.error({ err: error }, 'request failed');
    return sendProblem(reply, 'INTERNAL');
  });
  app.setNotFoundHandler((_request, reply) => sendProblem(reply, 'NOT_FOUND'));
}
