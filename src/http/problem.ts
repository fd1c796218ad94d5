/**
 * Errors as RFC 9457 problem documents with a stable code. The client hears the code, the sentence from the error list
 * and the request id; the cause chain goes to the log, once.
 */
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError, ERRORS, type ErrorCode } from '../errors.ts';
import { keepMethods } from './methods.ts';

export interface ProblemDetails {
  readonly detail?: string | undefined;
  /** JSON pointer to the part of the request that failed. */
  readonly path?: string | undefined;
  /** Extension members (RFC 9457 section 3.2). */
  readonly more?: Readonly<Record<string, string | number>> | undefined;
}

export function sendProblem(
  reply: FastifyReply,
  code: ErrorCode,
  { detail, path, more }: ProblemDetails = {},
): FastifyReply {
  const { httpStatus, message } = ERRORS[code];
  const body = {
    ...more,
    type: 'about:blank',
    title: message,
    status: httpStatus,
    code,
    ...(detail === undefined ? {} : { detail }),
    ...(path === undefined ? {} : { path }),
    requestId: reply.request.id,
  };
  return reply
    .code(httpStatus)
    .type('application/problem+json')
    .serializer((payload) => payload as string)
    .send(JSON.stringify(body));
}

/** What SQLite says when it is not our fault, as the error that a person can act upon. Only a copy of another appliance's is read-only. */
const STORAGE: Readonly<Record<string, ErrorCode>> = {
  SQLITE_FULL: 'STORAGE_FULL',
  SQLITE_IOERR_WRITE: 'STORAGE_FULL',
  SQLITE_CORRUPT: 'DATABASE_CORRUPT',
  SQLITE_CORRUPT_VTAB: 'DATABASE_CORRUPT',
  SQLITE_NOTADB: 'DATABASE_CORRUPT',
  SQLITE_READONLY: 'NOT_ACTIVE',
};

/**
 * Maps every thrown error and every unknown route of an app to a problem document. To be called before routes are added.
 * @param pageFor what a browser is shown instead at an address where there is nothing, if this is one
 * @param onProblem told of each
 */
export function installProblems(
  app: FastifyInstance,
  pageFor: (request: FastifyRequest) => string | undefined = () => undefined,
  onProblem: (code: ErrorCode) => void = () => undefined,
): void {
  const answer = (reply: FastifyReply, code: ErrorCode, details?: ProblemDetails) => {
    onProblem(code);
    return sendProblem(reply, code, details);
  };
  const methodsOf = keepMethods(app);
  app.setErrorHandler((error: FastifyError, request, reply) => {
    if (error instanceof AppError) {
      if (error.httpStatus >= 500) request.log.error({ err: error }, error.message);
      const { detail, path, more } = error;
      return answer(reply, error.code, { detail, path, more });
    }
    const storage = STORAGE[error.code];
    if (storage) {
      request.log.error({ err: error }, ERRORS[storage].message);
      return answer(reply, storage);
    }
    if (error.validation) {
      const [first] = error.validation;
      const at = first?.instancePath === '/' ? '' : (first?.instancePath ?? '');
      const where = `${at}${unknownKey(first?.params)}`;
      return answer(reply, 'REQUEST_INVALID', {
        detail: first?.message ?? error.message,
        path: where === '' ? '/' : where,
      });
    }
    if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return answer(reply, tooLarge(request.url));
    if (error.statusCode !== undefined && error.statusCode < 500) {
      return answer(reply, 'REQUEST_INVALID', { detail: error.message });
    }
    request.log.error({ err: error }, 'request failed');
    return answer(reply, 'INTERNAL');
  });
  app.setNotFoundHandler((request, reply) => {
    const methods = methodsOf(request.url.split('?', 1)[0] ?? '');
    if (methods.length > 0 && !methods.includes(request.method)) {
      reply.header('allow', methods.join(', '));
      return answer(reply, 'METHOD_NOT_ALLOWED');
    }
    const page = pageFor(request);
    if (page === undefined) return answer(reply, 'NOT_FOUND');
    return reply.code(404).type('text/html; charset=utf-8').send(page);
  });
}

function tooLarge(url: string): ErrorCode {
  return url.startsWith('/recon/') ? 'REPORT_TOO_LARGE' : 'BODY_TOO_LARGE';
}

/** The first key that no schema knows, as the last part of the pointer. */
function unknownKey(params: unknown): string {
  const { keys } = (params ?? {}) as { keys?: readonly string[] };
  return keys?.[0] === undefined ? '' : `/${keys[0].slice(0, 64)}`;
}
