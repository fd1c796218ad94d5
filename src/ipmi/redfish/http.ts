/**
 * Redfish over HTTP (DSP0266): a session with a token, reads that are repeated, writes with the resource's ETag, tasks
 * that are waited for. What travels is handed to a port, so that nothing here opens a connection.
 *
 * Known deviations are answered here and not by the callers: BMCs without a session service (then Basic), tokens that
 * expire (one new login), ETags that are refused (412, 428: weak as strong, then `*`, then none), 503 while starting.
 */
import { AppError } from '../../errors.ts';
import { limit } from '../../limits.ts';
import type { Timers } from '../ports.ts';
import { sleep } from '../sleep.ts';
import { type Json, linkAt, listAt, textAt } from './json.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Absolute, on the BMC that the port was made for. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** @throws AppError BMC_UNREACHABLE, BMC_TIMEOUT, BMC_PROTOCOL */
export type HttpPort = (request: HttpRequest) => Promise<HttpResponse>;

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly json: Json;
}

export interface Resource {
  readonly json: Json;
  readonly etag: string;
}

const SERVICE_ROOT = '/redfish/v1/';
const HEADERS = {
  accept: 'application/json',
  'odata-version': '4.0',
  // Compression makes strong ETags weak on some BMCs.
  'accept-encoding': 'identity',
};

export class RedfishHttp {
  private readonly port: HttpPort;
  private readonly timers: Timers;
  private readonly credentials: Credentials;
  private authorization: Readonly<Record<string, string>> | undefined;
  private session = '';

  constructor(port: HttpPort, timers: Timers, credentials: Credentials) {
    this.port = port;
    this.timers = timers;
    this.credentials = credentials;
  }

  /** The service root, which needs no login; `undefined` when there is no Redfish here. */
  static async root(port: HttpPort): Promise<Json | undefined> {
    const { status, body } = await port({ method: 'GET', path: SERVICE_ROOT, headers: HEADERS });
    const json = status === 200 ? parse(body) : undefined;
    return textAt(json, 'RedfishVersion') === '' ? undefined : json;
  }

  /** @throws AppError BMC_PASSWORD, BMC_BUSY, BMC_REFUSED and what the port throws */
  async get(path: string): Promise<Resource> {
    const { json, headers } = await this.repeated(path);
    return { json, etag: headers.etag ?? textAt(json, '@odata.etag') };
  }

  /** Every member of a collection, over all its pages. */
  async members(path: string): Promise<readonly string[]> {
    const members: string[] = [];
    const seen = new Set<string>();
    for (let page = path; page !== '' && !seen.has(page); ) {
      seen.add(page);
      const { json } = await this.get(page);
      members.push(...listAt(json, 'Members').map((member) => linkAt(member)));
      if (members.length >= limit('redfishMembersMax')) break;
      page = textAt(json, 'Members@odata.nextLink');
    }
    return members.filter((member) => member !== '').slice(0, limit('redfishMembersMax'));
  }

  async post(path: string, body: Json): Promise<void> {
    await this.finished(await this.checked('POST', path, JSON.stringify(body)));
  }

  /** Changes a resource that was just read. */
  async patch(path: string, body: Json, etag: string): Promise<void> {
    const text = JSON.stringify(body);
    let answer = await this.send('PATCH', path, text, ifMatch(etag));
    for (const other of [etag.replace(/^W\//, ''), '*', '']) {
      if (answer.status !== 412 && answer.status !== 428) break;
      answer = await this.send('PATCH', path, text, ifMatch(other));
    }
    await this.finished(check(answer, `PATCH ${path}`));
  }

  /** Ends the session at the BMC, which has few of them. Never fails. */
  async close(): Promise<void> {
    const { session } = this;
    this.session = '';
    if (session) await this.send('DELETE', session).catch(() => undefined);
    this.authorization = undefined;
  }

  private async repeated(path: string): Promise<Answer> {
    for (let tries = 1; ; tries++) {
      const answer = await this.send('GET', path);
      if (answer.status < 500 || tries >= limit('redfishTriesMax')) {
        return check(answer, `GET ${path}`);
      }
      await sleep(this.timers, limit('redfishPauseMs'));
    }
  }

  private async checked(method: 'POST', path: string, body: string): Promise<Answer> {
    return check(await this.send(method, path, body), `${method} ${path}`);
  }

  private async send(
    method: HttpRequest['method'],
    path: string,
    body?: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    for (let logins = 0; ; logins++) {
      this.authorization ??= await this.login();
      const content = body === undefined ? {} : { 'content-type': 'application/json' };
      const all = { ...HEADERS, ...this.authorization, ...content, ...headers };
      const request = { method, path: samePlace(path), headers: all };
      const response = await this.port(body === undefined ? request : { ...request, body });
      // A token lives for some minutes; a second 401 means what it says.
      if (response.status !== 401 || logins > 0 || method === 'DELETE') {
        return { ...response, json: parse(response.body) ?? null };
      }
      this.authorization = undefined;
    }
  }

  private async login(): Promise<Readonly<Record<string, string>>> {
    const { user, password } = this.credentials;
    const root = await RedfishHttp.root(this.port);
    const path = linkAt(root, 'Links', 'Sessions') || `${SERVICE_ROOT}SessionService/Sessions`;
    const body = JSON.stringify({ UserName: user, Password: password });
    const headers = { ...HEADERS, 'content-type': 'application/json' };
    const response = await this.port({ method: 'POST', path: samePlace(path), headers, body });
    const token = response.headers['x-auth-token'];
    if (response.status >= 200 && response.status < 300 && token) {
      this.session = samePlace(response.headers.location ?? '');
      return { 'x-auth-token': token };
    }
    if (response.status === 401 || response.status === 403) {
      throw new AppError('BMC_PASSWORD', { detail: 'Redfish refused the login.' });
    }
    if (response.status === 503) throw new AppError('BMC_BUSY', { detail: 'Redfish login: 503.' });
    const basic = Buffer.from(`${user}:${password}`).toString('base64');
    return { authorization: `Basic ${basic}` };
  }

  /** 202 is a task: it is asked until it is over. */
  private async finished(answer: Answer): Promise<void> {
    const task = samePlace(answer.headers.location ?? textAt(answer.json, '@odata.id'));
    if (answer.status !== 202 || task === '') return;
    const untilMs = this.timers.nowMs() + limit('redfishTaskMs');
    for (;;) {
      const { status, json } = await this.send('GET', task);
      const state = textAt(json, 'TaskState');
      // Some BMCs delete a task that is over as soon as it is read.
      if (status === 404 || state === 'Completed' || (status === 200 && state === '')) return;
      if (['Exception', 'Killed', 'Cancelled'].includes(state)) {
        throw new AppError('BMC_REFUSED', { detail: `The task ended as ${state}.` });
      }
      if (this.timers.nowMs() >= untilMs) {
        throw new AppError('BMC_TIMEOUT', { detail: 'The task does not come to an end.' });
      }
      await sleep(this.timers, limit('redfishPauseMs'));
    }
  }
}

/** Links may be whole URLs; only their path is used, so that nobody is sent elsewhere with our token. */
function samePlace(link: string): string {
  return link.replace(/^https?:\/\/[^/]*/i, '');
}

function ifMatch(etag: string): Readonly<Record<string, string>> {
  return etag === '' ? {} : { 'if-match': etag };
}

function parse(body: string): Json | undefined {
  try {
    return JSON.parse(body) as Json;
  } catch {
    return undefined;
  }
}

function check(answer: Answer, what: string): Answer {
  const { status, json } = answer;
  if (status >= 200 && status < 300) {
    if (what.startsWith('GET') && json === null) {
      throw new AppError('BMC_PROTOCOL', { detail: `${what}: the answer is not JSON.` });
    }
    return answer;
  }
  throw new RedfishError(what, status, messageOf(json));
}

/** A request that the BMC answered with a status of 400 or more. */
export class RedfishError extends AppError {
  readonly status: number;

  constructor(what: string, status: number, message: string) {
    const code =
      status === 401
        ? 'BMC_PASSWORD'
        : status === 403
          ? 'BMC_PRIVILEGE'
          : status === 503
            ? 'BMC_BUSY'
            : 'BMC_REFUSED';
    super(code, { detail: `${what}: ${status}${message ? ` ${message}` : ''}.` });
    this.status = status;
  }
}

/** The first extended message (DSP0266 section 8.6), else the general one. */
function messageOf(json: Json): string {
  const [first] = listAt(json, 'error', '@Message.ExtendedInfo');
  const text = textAt(first, 'Message') || textAt(json, 'error', 'message');
  return text.slice(0, 200).replace(/\.$/, '');
}
