/**
 * The API's client: typed by what the daemon itself says about its calls (operations.generated.ts). The command line uses
 * it, and so can any program; it needs nothing but fetch.
 */
import type { Operations } from './operations.generated.ts';

export type OperationName = keyof Operations;

/** Parts of a call that hold nothing may be left out. */
type Part<Name extends string, Value> = Value extends undefined
  ? { readonly [Key in Name]?: undefined }
  : object extends Value
    ? { readonly [Key in Name]?: Value }
    : { readonly [Key in Name]: Value };

/** A conditional type, because of one that is looked up by name the compiler would unite every path with every body. */
export type CallInput<Name extends OperationName> = Name extends OperationName
  ? Part<'path', Operations[Name]['path']> &
      Part<'query', Operations[Name]['query']> &
      Part<'body', Operations[Name]['body']> & {
        /** If-Match: the version that was read; '*' for whatever is there. */
        readonly version?: number | '*';
        readonly idempotencyKey?: string;
      }
  : never;

export interface CallAnswer<Name extends OperationName> {
  readonly body: Operations[Name]['answer'];
  /** The version of what the answer shows, where it has one. */
  readonly version: number | undefined;
}

/** The calls below one path, and the client that knows these alone: all at once are more than the compiler unites. */
export type CallsBelow<Path extends string> = Extract<OperationName, `${string} /${Path}${string}`>;

export interface ApiClient<Names extends OperationName = OperationName> {
  /** @throws ApiProblem with the code of the problem document */
  call<Name extends Names>(
    name: Name,
    ...input: object extends CallInput<Name> ? [CallInput<Name>?] : [CallInput<Name>]
  ): Promise<CallAnswer<Name>>;
}

/** What the appliance answered instead: the stable code, and the members of its problem document. */
export class ApiProblem extends Error {
  readonly code: string;
  readonly status: number;
  readonly more: Readonly<Record<string, unknown>>;

  constructor(status: number, document: Readonly<Record<string, unknown>>) {
    const { title, detail, code, path } = document;
    const where = typeof path === 'string' ? ` (${path})` : '';
    super(`${title ?? `HTTP ${status}`}${detail ? ` ${detail}` : ''}${where}`);
    this.name = 'ApiProblem';
    this.code = String(code ?? `HTTP_${status}`);
    this.status = status;
    this.more = document;
  }
}

export interface ClientOptions {
  /** Where the people's listener is, as in `http://reveille.example:8081`. */
  readonly url: string;
  readonly token?: string | undefined;
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 60_000;

export function createApiClient({ url, token, timeoutMs = TIMEOUT_MS }: ClientOptions): ApiClient {
  // The types of all calls at once are more than the compiler unites; each call is checked where it is made.
  const client = {
    async call(name: string, input: LooseInput = {}) {
      const { path, query, body, version, idempotencyKey } = input;
      const [method = 'GET', template = '/'] = name.split(' ');
      const target = `${url.replace(/\/+$/, '')}/api/v1${fill(template, path)}${search(query)}`;
      const request = {
        method,
        signal: AbortSignal.timeout(timeoutMs),
        headers: {
          accept: 'application/json',
          ...(token ? { authorization: `Bearer ${token}` } : {}),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(version === undefined ? {} : { 'if-match': version === '*' ? '*' : `"${version}"` }),
          ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      };
      const repeatable = method === 'GET' || idempotencyKey !== undefined;
      return read(await reach(target, request, repeatable));
    },
  };
  return client as unknown as ApiClient;
}

interface LooseInput {
  readonly path?: Readonly<Record<string, unknown>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
  readonly version?: number | '*';
  readonly idempotencyKey?: string;
}

function fill(template: string, path: Readonly<Record<string, unknown>> = {}): string {
  return template.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(String(path[name] ?? '')));
}

function search(query: Readonly<Record<string, unknown>> = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text === '' ? '' : `?${text}`;
}

/** The connection was closed before anything of an answer had come. */
const CLOSED: readonly unknown[] = ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'];

/**
 * A connection that was kept may be closed in the moment in which it is used again (RFC 9112 section 9.3.1): the call is made once more
 * on another one, where that does nothing twice.
 *
 * @param repeatable what is sent can be sent from its start once more, too
 * @throws ApiProblem UNREACHABLE
 */
export async function reach(
  target: string,
  request: RequestInit,
  repeatable: boolean,
): Promise<Response> {
  try {
    return await fetch(target, request);
  } catch (error) {
    const { message, cause } = error as Error;
    const code = cause instanceof Error && 'code' in cause && cause.code;
    if (repeatable && CLOSED.includes(code)) return reach(target, request, false);
    const why = cause instanceof Error ? cause.message : message;
    const title = 'The appliance cannot be reached.';
    throw new ApiProblem(0, {
      title,
      detail: `(${new URL(target).origin}: ${why})`,
      code: 'UNREACHABLE',
    });
  }
}

async function read(answer: Response): Promise<{ body: unknown; version: number | undefined }> {
  const text = await answer.text();
  const isJson = answer.headers.get('content-type')?.includes('json') === true;
  const body = text === '' ? undefined : isJson ? JSON.parse(text) : text;
  if (!answer.ok)
    throw new ApiProblem(answer.status, isJson ? body : { detail: text.slice(0, 200) });
  const etag = /^"(\d+)"$/.exec(answer.headers.get('etag') ?? '');
  return { body, version: etag ? Number(etag[1]) : undefined };
}
