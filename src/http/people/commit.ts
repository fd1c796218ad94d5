/**
 * The one way to write: a change, its event and, where the request carried an Idempotency-Key, the answer, in one
 * transaction. A repeated request is given the kept answer and changes nothing.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import type { Idempotency, IdempotencyKey, KeptAnswer } from '../../inventory/idempotency.ts';
import { principalOf } from './authenticate.ts';
import type { PeopleContext } from './context.ts';

export interface Answer {
  readonly status?: number;
  readonly body?: unknown;
  /** The version of what the answer shows. */
  readonly version?: number;
}

/** @param run makes the change, inside the transaction; what it throws undoes everything. */
export async function commit(
  { inventory, durably }: PeopleContext,
  { request, reply }: { request: FastifyRequest; reply: FastifyReply },
  run: () => Answer,
): Promise<FastifyReply> {
  const { idempotency } = inventory.serverdb;
  const key = keyOf(request, idempotency);
  const early = key && idempotency.find(key);
  if (early) return replay(reply, early);
  const { kept, ...answer } = await durably(() => {
    // Looked for again: an equal request may have been carried out while this one waited.
    const there = key && idempotency.find(key);
    if (there) return { ...there, kept: true };
    const { status = 200, body, version } = run();
    const text = body === undefined ? '' : JSON.stringify(body);
    const etag = version === undefined ? '' : etagOf(version);
    if (key) idempotency.keep(key, { status, body: text, etag });
    return { status, body: text, etag, kept: false };
  });
  if (kept) return replay(reply, answer);
  if (answer.etag !== '') reply.header('etag', answer.etag);
  return sendText(reply, answer.status, answer.body);
}

function replay(reply: FastifyReply, { status, body, etag }: KeptAnswer): FastifyReply {
  if (etag !== '') reply.header('etag', etag);
  return sendText(reply.header('idempotency-replayed', 'true'), status, body);
}

/**
 * For calls that are more than one transaction (bulk, import): the key is taken before the first, and the answer kept after
 * the last one. Two equal requests at once are one call; one that broke off says so from then on.
 *
 * @param rehearsal nothing is changed, and no answer kept
 */
export async function commitInParts(
  { inventory, durably }: PeopleContext,
  { request, reply, rehearsal = false }: Parted,
  run: () => Answer | Promise<Answer>,
): Promise<FastifyReply> {
  const { idempotency } = inventory.serverdb;
  const key = rehearsal ? undefined : keyOf(request, idempotency);
  const kept = key && (await durably(() => idempotency.take(key)));
  if (kept) return replay(reply, kept);
  try {
    const { status = 200, body } = await run();
    const text = body === undefined ? '' : JSON.stringify(body);
    if (key) await durably(() => idempotency.keep(key, { status, body: text, etag: '' }));
    return sendText(reply, status, text);
  } catch (error) {
    // What is wrong with the request itself is found before anything is changed.
    const untouched = error instanceof AppError && error.httpStatus < 500;
    if (key) await durably(() => (untouched ? idempotency.release(key) : idempotency.cutOff(key)));
    throw error;
  }
}

interface Parted {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly rehearsal?: boolean;
}

function sendText(reply: FastifyReply, status: number, text: string): FastifyReply {
  if (text === '') return reply.code(status === 200 ? 204 : status).send();
  // Text passes Fastify's serializer by.
  return reply
    .code(status)
    .type('application/json; charset=utf-8')
    .serializer((payload) => payload as string)
    .send(text);
}

const KEY = /^[\x21-\x7e]{1,128}$/;

function keyOf(request: FastifyRequest, idempotency: Idempotency): IdempotencyKey | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key !== 'string' || !KEY.test(key)) {
    throw new AppError('REQUEST_INVALID', {
      detail: 'An Idempotency-Key is 1 to 128 printable characters without spaces.',
    });
  }
  const body = JSON.stringify(request.body ?? null);
  const digest = idempotency.digestOf(`${request.method} ${request.url} ${body}`);
  return { who: principalOf(request).id, key, digest };
}

export function etagOf(version: number): string {
  return `"${version}"`;
}

/**
 * The version that the client has read, from If-Match (RFC 9110 section 13.1.1).
 * @returns undefined for `*`. @throws AppError VERSION_NEEDED when a header is needed and missing
 */
export function versionRead(request: FastifyRequest, needed = true): number | undefined {
  const header = request.headers['if-match'];
  if (header === undefined) {
    if (needed) throw new AppError('VERSION_NEEDED');
    return undefined;
  }
  if (header.trim() === '*') return undefined;
  const match = /^"(\d{1,15})"$/.exec(header.trim());
  if (!match) throw new AppError('REQUEST_INVALID', { detail: 'If-Match is one ETag, or *.' });
  return Number(match[1]);
}
