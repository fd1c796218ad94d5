/**
 * Calls of the API from the page: the session's cookie goes along by itself, the proof against forged requests is added to
 * whatever writes, and whatever goes wrong comes back as one kind of error with the stable code of the problem document.
 */
import { signal } from '@preact/signals';

/** The session's proof that this page is asking; it lives in memory alone. */
export const csrf = signal('');
/** The appliance wants to know who is asking. */
export const signInNeeded = signal(false);

export class Problem extends Error {
  /** As docs/errors.md lists them, or OFFLINE when nothing was heard at all. */
  readonly code: string;
  readonly status: number;
  readonly more: Readonly<Record<string, unknown>>;

  constructor(status: number, document: Readonly<Record<string, unknown>>) {
    const { title = `HTTP ${status}`, detail = '', code = `HTTP_${status}` } = document;
    super([title, detail].filter(Boolean).join(' '));
    this.code = String(code);
    this.status = status;
    this.more = document;
  }
}

export interface CallOptions {
  readonly body?: unknown;
  /** If-Match: the version that was read. */
  readonly version?: number | '*';
  readonly signal?: AbortSignal | undefined;
}

export interface Answer<Body> {
  readonly body: Body;
  readonly version: number | undefined;
}

/** @param path below /api/v1/ @throws Problem */
export async function call<Body>(
  method: string,
  path: string,
  { body, version, signal: abort }: CallOptions = {},
): Promise<Answer<Body>> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (version !== undefined) headers['if-match'] = version === '*' ? '*' : `"${version}"`;
  if (method !== 'GET' && csrf.peek() !== '') headers['x-csrf-token'] = csrf.peek();
  const answer = await fetch(`/api/v1/${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(abort === undefined ? {} : { signal: abort }),
  }).catch((cause: Error) => {
    if (abort?.aborted) throw cause;
    throw new Problem(0, { code: 'OFFLINE', title: 'The appliance does not answer.' });
  });
  if (!answer.ok) throw await problemOf(answer);
  const etag = /^"(\d+)"$/.exec(answer.headers.get('etag') ?? '')?.[1];
  return {
    body: (answer.status === 204 ? undefined : await answer.json()) as Body,
    version: etag === undefined ? undefined : Number(etag),
  };
}

export async function read<Body>(path: string, abort?: AbortSignal): Promise<Body> {
  return (await call<Body>('GET', path, { signal: abort })).body;
}

export const post = <Body>(path: string, body: unknown = {}) => call<Body>('POST', path, { body });

async function problemOf(answer: Response): Promise<Problem> {
  const document = await answer.json().catch(() => ({}));
  const problem = new Problem(answer.status, document as Record<string, unknown>);
  if (problem.code === 'UNAUTHENTICATED') signInNeeded.value = true;
  return problem;
}
