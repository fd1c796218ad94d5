/**
 * ServerDb as one object: the stores over one database, and the one way to run a transaction.
 *
 * A transaction takes the write lock at once, nested ones join it, and followers of the event feed are woken only after
 * the outermost commit: nobody ever sees an event whose change was rolled back. What stores keep in memory goes with the
 * transaction, or the step of one, that changed it (`transactions.ts`).
 */
import { randomBytes } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import type { Mac } from '../wire/mac.ts';
import type { Clock, Millis } from '../wire/time.ts';
import { createAfterReport } from './after-report.ts';
import { type BootKeeping, openBootKeeping } from './boot-keeping.ts';
import { type Boots, openBoots } from './boots.ts';
import { type Certificates, openCertificates } from './certificates.ts';
import { type ConsoleStore, openConsoles } from './consoles.ts';
import { type EventStore, openEventStore } from './event-store.ts';
import { beginRun } from './feed-epoch.ts';
import { type Blobs, openBlobs } from './image-blobs.ts';
import { type Images, openImages } from './images.ts';
import { createIngest, type Delivery, type Ingested } from './ingest.ts';
import { knownKeys } from './known-keys.ts';
import { type LeaseStore, openLeases } from './leases.ts';
import { type Machines, openMachines } from './machines.ts';
import { openPast, type Past } from './past.ts';
import type { Quirks } from './quirks.ts';
import { recall } from './recall.ts';
import type { SubnetCheck } from './records.ts';
import { type MigrateOptions, migrate } from './schema.ts';
import { createSecretBox, SECRET_KEY_BYTES, type SecretBox } from './secrets.ts';
import { openServerDb, type ServerDb } from './serverdb.ts';
import { openTokens, type Tokens } from './tokens.ts';
import { type Kept, openTransactions } from './transactions.ts';
import { openWork, type Work } from './work.ts';

export interface Inventory {
  readonly serverdb: ServerDb;
  readonly events: EventStore;
  readonly boots: Boots;
  readonly bootKeeping: BootKeeping;
  readonly tokens: Tokens;
  readonly leases: LeaseStore;
  readonly machines: Machines;
  readonly images: Images;
  readonly blobs: Blobs;
  readonly certificates: Certificates;
  readonly work: Work;
  readonly consoles: ConsoleStore;
  /** What a machine was offered and served at a moment of the past. */
  readonly past: Past;
  ingest(delivery: Delivery): Ingested;
  /** All or nothing, and on disk when it returns. */
  transaction<T>(run: () => T): T;
  /** All or nothing, committed but perhaps not on disk yet: the caller asks for that before it tells anybody. */
  transactionUnsynced<T>(run: () => T): T;
  /**
   * Runs a change that nobody is told of, such as a step of a boot's timeline: before the next transaction, and soon in
   * any case, together with others. One that fails is reported and takes no other with it.
   */
  soon(change: () => void): void;
  /** Somebody else has changed the file: what is kept in memory of records is read anew. Of leases it is not. */
  reread(tables: ReadonlySet<string>): void;
  /** Runs and always rolls back: for "what would happen". Not within a transaction. */
  rehearse<T>(run: () => T): T;
}

export interface InventoryOptions extends MigrateOptions {
  readonly db: Database;
  readonly clock: Clock;
  /** Which start of the operating system this run is in; absent where nobody follows the feed. */
  readonly osBoot?: string | undefined;
  /** Without one, secrets open only as long as this process lives. */
  readonly secrets?: SecretBox;
  /** Why a subnet cannot be as it is written: DHCP's word, where DHCP is served from here. */
  readonly checkSubnet?: SubnetCheck | undefined;
  /** The site's domain, as in `lon.example`, where DNS is served from here: a name is one in DNS, too. */
  readonly domain?: string | undefined;
  /** @throws what keeps this daemon from changing anything: another one of the site is active */
  mayWrite?(): void;
  /** Sets whether commits wait for the disk; without it they do what the database is set to. */
  waitForDisk?(wait: boolean): void;
  /** How `soon` gathers changes; without it each is committed at once. */
  readonly gather?: {
    later(task: () => void): void;
    onError(error: unknown): void;
  };
}

export function openInventory(options: InventoryOptions): Inventory {
  const { db, secrets, waitForDisk, gather } = options;
  migrate(db, options);
  const { clock, hold } = momentClock(options.clock);
  if (options.osBoot !== undefined) beginRun(db, options.osBoot);
  const events = openEventStore(db, clock);
  const boots = openBoots(db, clock);
  const bootKeeping = openBootKeeping(db);
  const leases = openLeases(db, clock);
  const records = openMachines(db, clock, events);
  const isKnownNic = knownKeys<Mac>(db, { table: 'nics', column: 'mac', clock });
  const stateByMac = recall(events.changes, records.stateByMac);
  const machines = {
    ...records,
    stateByMac: (mac: Mac) => (isKnownNic(mac) ? stateByMac(mac) : undefined),
  };
  const box = secrets ?? createSecretBox(() => randomBytes(SECRET_KEY_BYTES));
  const { checkSubnet, domain } = options;
  const parts = { db, clock, events, machines, secrets: box, checkSubnet, domain };
  const serverdb = openServerDb({ ...parts, step: (inside) => transactions.step(inside) });
  const transactions = openTransactions(db, [leases, events, boots, keptOf(serverdb.quirks)]);
  const outermost = <T>(inside: () => T): T => {
    const release = hold();
    try {
      return transactions.run(inside);
    } finally {
      release();
    }
  };
  let pending: (() => void)[] = [];
  const runPending = (): void => {
    const changes = pending;
    pending = [];
    for (const change of changes) {
      try {
        transactions.step(change);
      } catch (error) {
        gather?.onError(error);
      }
    }
  };
  const commitPending = (): void => {
    try {
      outermost(runPending);
      events.tell();
    } catch (error) {
      gather?.onError(error);
    }
  };
  const commit = <T>(inside: () => T, wait: boolean): T => {
    if (db.inTransaction) return inside();
    options.mayWrite?.();
    waitForDisk?.(wait);
    // On its own, so that neither takes the other with it when it fails.
    if (pending.length > 0) commitPending();
    const result = outermost(inside);
    events.tell();
    return result;
  };
  const soon = (change: () => void): void => {
    if (!gather) return void commit(change, false);
    if (pending.push(change) > 1) return;
    // Nobody waits for it who could be told: on a disk that is full, it is no reason to end.
    gather.later(() => {
      try {
        commit(() => undefined, false);
      } catch (error) {
        pending = [];
        gather.onError(error);
      }
    });
  };
  const transaction = <T>(inside: () => T): T => commit(inside, true);
  const onReport = createAfterReport({ machines, records: serverdb.records, events });
  return {
    events,
    serverdb,
    boots,
    bootKeeping,
    machines,
    tokens: openTokens(db, clock),
    leases,
    images: openImages(db, clock, events),
    blobs: openBlobs(db, clock),
    certificates: openCertificates(db, clock),
    work: openWork(db, { clock, events }),
    consoles: openConsoles(db, clock),
    past: openPast(db, { events, machines }),
    ingest: createIngest({
      ...{ db, clock, events, boots, bootKeeping, machines, transaction, onReport },
      ownership: serverdb.ownership,
    }),
    transaction,
    transactionUnsynced: (inside) => commit(inside, false),
    soon,
    reread(tables) {
      boots.reread();
      if (tables.has('quirks')) serverdb.quirks.rolledBack();
      events.arrived();
    },
    rehearse<T>(inside: () => T): T {
      let result: { value: T } | undefined;
      const undo = new Error('rolled back on purpose');
      try {
        outermost(() => {
          result = { value: inside() };
          throw undo;
        });
      } catch (error) {
        if (error !== undo) throw error;
      }
      if (!result) throw undo;
      return result.value;
    },
  };
}

/** Read anew after a failure, and written with each change. */
function keptOf({ rolledBack }: Quirks): Kept {
  const nothing = () => undefined;
  return {
    ...{ begin: nothing, settle: nothing, commit: nothing },
    ...{ rollback: rolledBack, mark: () => rolledBack },
  };
}

/**
 * What is committed together happens at one time: a transaction looks at the clock once, however often it asks. A batch of DHCP
 * packets asks a thousand times.
 */
function momentClock(clock: Clock): { clock: Clock; hold(): () => void } {
  let moment: Millis | undefined;
  return {
    clock: () => moment ?? clock(),
    hold() {
      moment = clock();
      return () => {
        moment = undefined;
      };
    },
  };
}
