/** A central on loopback and appliances that join it: real sockets, real certificates, an inventory each. */
import { join } from 'node:path';
import pino from 'pino';
import { type Central, startCentral } from '../../src/central/service.ts';
import { centralSchema } from '../../src/central/settings.ts';
import { openFleetDatabase, type SqlRow } from '../../src/central/sql.ts';
import { startFederation } from '../../src/daemon/federation.ts';
import { joinFleet } from '../../src/daemon/join-fleet.ts';
import type { FleetLine } from '../../src/http/people/context.ts';
import type { ImageDesk } from '../../src/images/desk.ts';
import type { Clock, Millis } from '../../src/wire/time.ts';
import { freePort } from './free-port.ts';
import { createPeople, type People } from './people.ts';
import { freshDatabase } from './postgres.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { createWorld, type World } from './world.ts';

const log = pino({ level: 'silent' });
const now: Clock = () => Date.now() as Millis;

export type SiteWorld = Pick<
  World,
  'db' | 'inventory' | 'jobs' | 'provisioning' | 'pools' | 'clock'
> & {
  /** The folder is where the certificate for central is. */
  readonly imagesOf?: (folder: string) => ImageDesk;
};

export interface Called {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects
  readonly body: any;
}

export type Call = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<Called>;

export interface TestFleet {
  readonly central: Central;
  readonly database: string;
  readonly folder: string;
  /** As the administrator. */
  readonly call: Call;
  /** His. */
  readonly token: string;
  /** @param world the appliance; else an empty one */
  site(name: string, world?: SiteWorld): Promise<TestSite>;
  /** As somebody else than the administrator. */
  as(token: string): Call;
  /** Another instance over the same database and authority. */
  another(): Promise<Central>;
  /** Changes central's database behind its back, as if something had been lost. */
  forge(...statements: string[]): Promise<void>;
  /** What central's database says, behind its back. */
  look<Row extends SqlRow>(query: string): Promise<Row[]>;
  /** Ends central and starts it again over the same database, on the same ports. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export interface TestSite {
  readonly name: string;
  readonly people: People;
  readonly folder: string;
  /** Holds the line; the returned function lets it go. */
  connect(): () => void;
}

/** @param ui where the built portal is @param database the fleet's; else a new one of the run's PostgreSQL, or SQLite in a folder of its own */
export async function createFleet(
  database?: string,
  { ui = 'no/such/folder' } = {},
): Promise<TestFleet> {
  const folder = temporaryFolder('fleet');
  const url = database ?? (await freshDatabase()) ?? `sqlite:${join(folder, 'fleet.db')}`;
  const settingsFor = (ports: { appliances: number; people: number }) =>
    centralSchema.parse({
      ...{ database: url, folder: join(folder, 'central') },
      appliances: { address: '127.0.0.1', port: ports.appliances, names: ['127.0.0.1'] },
      people: { address: '127.0.0.1', port: ports.people, ui },
    });
  // Its own also while it is started anew, though everybody dials meanwhile.
  const ports = { appliances: await freePort(), people: await freePort() };
  let central = await startCentral(settingsFor(ports), { log, clock: now });
  const token = central.firstToken ?? '';
  const leave: (() => void)[] = [];
  const as =
    (secret: string): Call =>
    async (method, path, body, headers) => {
      const answer = await fetch(`http://127.0.0.1:${ports.people}/api/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${secret}`,
          ...headers,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await answer.text();
      const isJson = answer.headers.get('content-type')?.includes('json') === true;
      const read = isJson ? JSON.parse(text) : text;
      return { status: answer.status, body: text === '' ? undefined : read };
    };
  const call = as(token);
  return {
    get central() {
      return central;
    },
    ...{ database: url, folder, call, as, token },
    async site(name, world = createWorld()) {
      const { body } = await call('POST', `/sites/${name}/join-code`);
      let line: (() => FleetLine) | undefined;
      const people = await createPeople({ federation: () => line?.() }, world as World);
      const own = join(folder, name);
      await joinFleet(own, `https://127.0.0.1:${ports.appliances}`, body.code);
      const images = world.imagesOf?.(own);
      const connect = () => {
        const { db, inventory, jobs, provisioning, pools, clock } = people.world;
        const membership = startFederation({
          ...{ folder: own, db, inventory, jobs, provisioning, pools, clock: now, log },
          ...(images && { images }),
          whenDurable: (done) => setImmediate(done),
        });
        if (!membership) throw new Error(`${name} has not joined at ${clock()}`);
        line = membership.status;
        leave.push(membership.stop);
        return membership.stop;
      };
      return { name, people, folder: own, connect };
    },
    async forge(...statements) {
      const db = openFleetDatabase(url);
      for (const statement of statements) await db.run(statement);
      await db.close();
    },
    async look(query) {
      const db = openFleetDatabase(url);
      return db.all<never>(query).finally(() => db.close());
    },
    another: () => startCentral(settingsFor({ appliances: 0, people: 0 }), { log, clock: now }),
    async restart() {
      await central.close();
      central = await startCentral(settingsFor(ports), { log, clock: now });
    },
    async close() {
      for (const stop of leave) stop();
      await central.close();
    },
  };
}

/** Asks until it is so. @throws Error with what it was last, when it does not become so */
export async function until<T>(ask: () => Promise<T>, isSo: (value: T) => boolean): Promise<T> {
  const end = Date.now() + 20_000;
  for (;;) {
    const value = await ask();
    if (isSo(value)) return value;
    if (Date.now() > end) throw new Error(`it stays ${JSON.stringify(value)?.slice(0, 500)}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** What central holds of a site, in the form in which the site itself would tell it. */
export async function differences(fleet: TestFleet, { name, people }: TestSite): Promise<string[]> {
  const { machines } = people.world.inventory;
  const own = new Map(
    machines.list().map(({ hardwarename }) => {
      const { site: _site, ...record } = machines.record(hardwarename) ?? {};
      return [
        hardwarename as string,
        JSON.stringify({ ...record, nics: machines.nicsOf(hardwarename) }),
      ];
    }),
  );
  const found: string[] = [];
  for (let cursor: string | undefined, more = true; more; ) {
    const query = new URLSearchParams({ site: name, limit: '500', ...(cursor ? { cursor } : {}) });
    const { body } = await fleet.call('GET', `/machines?${query}`);
    for (const told of body.machines) {
      const { site, freshness: _freshness, asOf: _asOf, claimed: _claimed, ...machine } = told;
      if (site !== name) found.push(`${machine.hardwarename} is said to be in ${site}`);
      const mine = own.get(machine.hardwarename);
      if (mine === undefined) found.push(`${machine.hardwarename} is only at central`);
      else if (mine !== JSON.stringify(machine)) found.push(`${machine.hardwarename} differs`);
      own.delete(machine.hardwarename);
    }
    cursor = body.next;
    more = cursor !== undefined;
  }
  return [...found, ...[...own.keys()].map((one) => `${one} is missing at central`)];
}
