/**
 * A simulated Redfish service over real HTTPS, with knobs. Resources and ids follow DMTF's rack-mount mockup
 * (DSP2043, "public-rackmount1": system 437XR1138R2, chassis 1U, manager BMC); behind it is the same machine port as
 * behind the simulated IPMI BMC.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { FakeMachine } from './fake-bmc-state.ts';
import { createTree, MANAGER, SYSTEM, type Tree } from './fake-redfish-tree.ts';

export interface RedfishKnobs {
  /** Has no session service: the login is answered with 404, and Basic is accepted. */
  noSessions: boolean;
  /** Requests that a token is good for. */
  tokenUses: number;
  /** Reads that are answered with 503 first. */
  unavailable: number;
  /** Wants If-Match with the current ETag (428 without, 412 with another). */
  strictEtags: boolean;
  /** Refuses BootSourceOverrideMode, as HP DL160 Gen10 does. */
  refusesMode: boolean;
  /** Answers boot changes with 200 and forgets them. */
  forgetsBoot: boolean;
  /** Answers resets with 202 and a task of this many reads. */
  taskReads: number;
  /** Reads of the system until a reset shows. */
  powerLag: number;
  /** Answers "already in that state" with 409 instead of doing nothing. */
  conflicts: boolean;
  /** Accounts are slots that are written over, as with Dell: none can be added. */
  accountSlots: boolean;
  /** Carries out this many resets and breaks the connection instead of answering. */
  losesResets: number;
}

export interface FakeRedfish {
  readonly port: number;
  readonly knobs: RedfishKnobs;
  readonly tree: Tree;
  /** Sessions that were opened and not deleted. */
  sessions(): number;
  /** Method and path of each request, in order. */
  readonly requests: string[];
  close(): Promise<void>;
}

export interface FakeRedfishOptions {
  readonly machine: FakeMachine;
  readonly key: string;
  readonly cert: string;
  readonly user?: string;
  readonly password?: string;
  /** More machines behind the same BMC. */
  readonly otherSystems?: readonly string[];
  /** `legacy`: Thermal and Power instead of the Sensors collection. */
  readonly sensors?: 'new' | 'legacy';
}

interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly body: Record<string, unknown>;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

const ACCOUNTS = '/redfish/v1/AccountService/Accounts';
const SESSIONS = '/redfish/v1/SessionService/Sessions';

export async function startFakeRedfish(options: FakeRedfishOptions): Promise<FakeRedfish> {
  const service = new Service(options);
  const server = createServer({ key: options.key, cert: options.cert }, (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const text = Buffer.concat(parts).toString('utf8');
      const body = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>;
      const path = (request.url ?? '/').replace(/(.)\/$/, '$1');
      service.answer({ method: request.method ?? 'GET', path, body, request, response });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    knobs: service.knobs,
    tree: service.tree,
    requests: service.requests,
    sessions: () => service.tokens.size,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

class Service {
  readonly knobs: RedfishKnobs = {
    ...{ noSessions: false, tokenUses: 1000, unavailable: 0, strictEtags: false },
    ...{ refusesMode: false, forgetsBoot: false, taskReads: 0, powerLag: 0, conflicts: false },
    ...{ accountSlots: false, losesResets: 0 },
  };
  readonly requests: string[] = [];
  /** Token -> session id and uses that are left. */
  readonly tokens = new Map<string, { readonly id: string; uses: number }>();
  readonly tree: Tree;
  private readonly options: FakeRedfishOptions;
  private lastSession = 0;
  private etag = 1;
  private taskReads = 0;
  private lag = 0;
  private starts = 0;
  private shownPower: boolean;

  constructor(options: FakeRedfishOptions) {
    this.options = options;
    this.shownPower = options.machine.powerOn();
    this.tree = createTree(options.sensors ?? 'new', options.otherSystems ?? []);
  }

  answer(exchange: Exchange) {
    const { method, path, response } = exchange;
    this.requests.push(`${method} ${path}`);
    if (path === '/redfish/v1') return this.send(response, 200, this.tree.get(path));
    if (method === 'POST' && path === SESSIONS) return this.login(exchange);
    if (!this.authorised(exchange.request)) return this.fail(response, 401, 'No valid session');
    if (method === 'GET') return this.read(exchange);
    if (method === 'DELETE' && path.startsWith(SESSIONS)) return this.logout(exchange);
    if (method === 'PATCH' && path === SYSTEM) return this.patch(exchange);
    if (method === 'PATCH' && path.startsWith(MANAGER)) return this.patchManager(exchange);
    if (method === 'POST' && path === `${SYSTEM}/Actions/ComputerSystem.Reset`) {
      return this.reset(exchange);
    }
    if (path.startsWith(ACCOUNTS)) return this.account(exchange);
    this.fail(response, 405, 'Not allowed');
  }

  /** A POST to the collection where it takes one, and a PATCH of one that is there. */
  private account({ method, path, body, response }: Exchange) {
    if (method === 'POST' && path === ACCOUNTS && !this.knobs.accountSlots) {
      const id = `${ACCOUNTS}/${this.tree.get(ACCOUNTS)?.['Members@odata.count']}`;
      this.tree.set(id, { '@odata.id': id, ...body });
      const members = [...this.tree.keys()].filter((key) => key.startsWith(`${ACCOUNTS}/`));
      this.tree.set(ACCOUNTS, {
        Members: members.map((key) => ({ '@odata.id': key })),
        'Members@odata.count': members.length,
      });
      return this.send(response, 201, {});
    }
    const account = method === 'PATCH' ? this.tree.get(path) : undefined;
    if (!account) return this.fail(response, 405, 'Not allowed');
    Object.assign(account, body);
    this.send(response, 200, account);
  }

  private login({ body, response }: Exchange) {
    const { user = 'admin', password = 'secret' } = this.options;
    if (this.knobs.noSessions) return this.fail(response, 404, 'Not found');
    const own = [...this.tree].some(
      ([path, account]) =>
        path.startsWith(`${ACCOUNTS}/`) &&
        account.Enabled === true &&
        account.UserName === body.UserName &&
        account.Password === body.Password,
    );
    const factory = body.UserName === user && body.Password === password;
    const closed = this.tree.get(`${ACCOUNTS}/1`)?.Enabled === false;
    if (!own && (!factory || closed)) {
      return this.fail(response, 401, 'Wrong user name or password');
    }
    this.lastSession += 1;
    const [id, token] = [`${this.lastSession}`, `token-${this.lastSession}`];
    this.tokens.set(token, { id, uses: this.knobs.tokenUses });
    response.setHeader('X-Auth-Token', token);
    response.setHeader('Location', `https://elsewhere.example${SESSIONS}/${id}`);
    this.send(response, 201, { Id: id });
  }

  private authorised(request: IncomingMessage): boolean {
    const { user = 'admin', password = 'secret' } = this.options;
    const basic = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    if (this.knobs.noSessions) return request.headers.authorization === basic;
    const session = this.tokens.get(String(request.headers['x-auth-token']));
    if (!session || session.uses <= 0) return false;
    session.uses -= 1;
    return true;
  }

  private logout({ path, response }: Exchange) {
    for (const [token, { id }] of this.tokens) {
      if (path.endsWith(`/${id}`)) this.tokens.delete(token);
    }
    this.send(response, 204);
  }

  private read({ path, response }: Exchange) {
    if (this.knobs.unavailable > 0) {
      this.knobs.unavailable -= 1;
      return this.fail(response, 503, 'Starting');
    }
    if (path.startsWith('/redfish/v1/TaskService/Tasks/')) {
      this.taskReads -= 1;
      return this.send(response, 200, { TaskState: this.taskReads > 0 ? 'Running' : 'Completed' });
    }
    const resource = this.tree.get(path);
    if (!resource) return this.fail(response, 404, 'Not found');
    if (path === SYSTEM) {
      if (this.lag > 0) this.lag -= 1;
      else this.shownPower = this.options.machine.powerOn();
      resource.PowerState = this.shownPower ? 'On' : 'Off';
      response.setHeader('ETag', `W/"${this.etag}"`);
    }
    this.send(response, 200, resource);
  }

  private patch({ body, request, response }: Exchange) {
    const match = request.headers['if-match'];
    const current = [`W/"${this.etag}"`, `"${this.etag}"`, '*'];
    if (this.knobs.strictEtags && match === undefined) return this.fail(response, 428, 'If-Match');
    // Strict services compare strongly, which a weak tag never passes (RFC 9110 section 8.8.3.2).
    const known = this.knobs.strictEtags ? current.slice(1) : current;
    if (match !== undefined && !known.includes(match)) return this.fail(response, 412, 'ETag');
    const boot = (body.Boot ?? {}) as Record<string, unknown>;
    if (this.knobs.refusesMode && 'BootSourceOverrideMode' in boot) {
      return this.fail(response, 400, 'BootSourceOverrideMode is not writable');
    }
    this.etag += 1;
    const system = this.tree.get(SYSTEM);
    if (!system) return this.fail(response, 404, 'Not found');
    const { Boot: _, ...rest } = body;
    Object.assign(system, rest);
    if (!this.knobs.forgetsBoot) Object.assign(system.Boot as object, boot);
    this.send(response, 200, system);
  }

  /** The BMC's own resources: what is an object is merged, as DSP0266 says of PATCH. */
  private patchManager({ path, body, response }: Exchange) {
    const resource = this.tree.get(path);
    if (!resource) return this.fail(response, 404, 'Not found');
    for (const [name, value] of Object.entries(body)) {
      const known = resource[name];
      if (typeof known === 'object' && known !== null) Object.assign(known, value);
      else resource[name] = value;
    }
    this.send(response, 200, resource);
  }

  private reset({ body, response }: Exchange) {
    const { machine } = this.options;
    const on = machine.powerOn();
    const type = String(body.ResetType);
    const action = ACTIONS[type];
    if (!action) return this.fail(response, 400, `${type} is not supported`);
    const idle = (type === 'On' && on) || (type !== 'On' && !on);
    if (idle && this.knobs.conflicts) return this.fail(response, 409, 'Already in that state');
    machine.control(action);
    this.starts += action === 'on' || action === 'reset' ? 1 : 0;
    const system = this.tree.get(SYSTEM);
    if (system?.LastResetTime !== undefined)
      system.LastResetTime = new Date(Date.UTC(2026, 0, 1, 0, 0, this.starts)).toISOString();
    if (this.knobs.losesResets > 0) {
      this.knobs.losesResets -= 1;
      response.destroy();
      return;
    }
    this.lag = this.knobs.powerLag;
    this.taskReads = this.knobs.taskReads;
    if (this.taskReads === 0) return this.send(response, 204);
    response.setHeader('Location', '/redfish/v1/TaskService/Tasks/1');
    this.send(response, 202, { TaskState: 'Running' });
  }

  private fail(response: ServerResponse, status: number, message: string) {
    const info = [{ MessageId: 'Base.1.8.GeneralError', Message: `${message}.` }];
    this.send(response, status, { error: { message, '@Message.ExtendedInfo': info } });
  }

  private send(response: ServerResponse, status: number, body?: unknown) {
    response.writeHead(status, { 'Content-Type': 'application/json', 'OData-Version': '4.0' });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  }
}

const ACTIONS: Readonly<Record<string, 'on' | 'off' | 'soft' | 'reset'>> = {
  On: 'on',
  ForceOff: 'off',
  GracefulShutdown: 'soft',
  ForceRestart: 'reset',
};
