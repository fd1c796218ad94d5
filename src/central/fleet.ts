/**
 * What central knows of its sites: a copy of each site's records and events, with the cursor up to which it is complete.
 *
 * A batch is applied in one transaction that moves the cursor from where the batch begins to where it ends, and only if it is
 * there: heard twice it changes nothing, out of order it is refused, and two instances of central that both hold a line to
 * one appliance for a moment cannot mix. A snapshot leaves the old copy readable until its last page, and then removes
 * what it did not mention. Nothing in here decides about a machine: the site does.
 */
import { randomUUID } from 'node:crypto';
import {
  type FeedEvent,
  type FromAppliance,
  type Intent,
  type IntentBody,
  isLiving,
  type LivingMachine,
  type MachineDocument,
} from '../federation/protocol.ts';
import { limit } from '../limits.ts';
import type { Clock } from '../wire/time.ts';
import { putIntent } from './intents.ts';
import { answerPart, loseParts, putPlaces, putRequests } from './parts.ts';
import type { FleetDatabase, Sql, SqlRow, SqlValue } from './sql.ts';
import { tellSquads } from './squads.ts';

type Message<Kind extends FromAppliance['kind']> = Extract<FromAppliance, { kind: Kind }>;

export interface SiteRow extends SqlRow {
  name: string;
  appliance: string;
  joined_at: number;
  feed_cursor: number | null;
  mark: string;
  program: string;
  heard_at: number;
  connected_at: number;
  skew_ms: number;
  last_event: number;
}

export type BatchVerdict =
  | { readonly kind: 'applied'; readonly cursor: number }
  /** It was applied before, or another instance is ahead. */
  | { readonly kind: 'known'; readonly cursor: number }
  | { readonly kind: 'gap'; readonly cursor: number | null };

export interface Fleet {
  site(name: string): Promise<SiteRow | undefined>;
  sites(): Promise<SiteRow[]>;
  /** The first hello of a site fixes which appliance it is. @returns undefined when it is another one */
  greet(hello: Message<'hello'>): Promise<SiteRow | undefined>;
  applyBatch(site: string, batch: Message<'batch'>): Promise<BatchVerdict>;
  /** @returns the cursor once the last page is in */
  applySnapshot(site: string, page: Message<'snapshot'>): Promise<number | undefined>;
  heard(site: string): Promise<void>;
  ask(site: string, who: string, body: IntentBody): Promise<string>;
  waiting(site: string, count: number): Promise<Intent[]>;
  /** @returns false when no such intent was this site's: nothing has changed */
  answer(site: string, result: Message<'result'>): Promise<boolean>;
  notice(site: string, code: string, detail: string): Promise<void>;
}

export function openFleet(db: FleetDatabase, clock: Clock): Fleet {
  const site = async (name: string) =>
    (await db.all<SiteRow>('SELECT * FROM sites WHERE name = ?', [name]))[0];
  const notice = (sql: Sql, of: string, code: string, detail: string) =>
    sql.run('INSERT INTO notices (id, at, site, code, detail) VALUES (?, ?, ?, ?, ?)', [
      ...[randomUUID(), clock(), of, code, detail.slice(0, 500)],
    ]);
  return {
    site,
    sites: () => db.all<SiteRow>('SELECT * FROM sites ORDER BY name'),
    async greet({ site: name, appliance, program, clock: theirs, last }) {
      const now = clock();
      const changed = await db.run(
        `UPDATE sites SET appliance = ?, program = ?, heard_at = ?, connected_at = ?, skew_ms = ?, last_event = ?
         WHERE name = ? AND (appliance = '' OR appliance = ?)`,
        [appliance, program, now, now, theirs - now, last, name, appliance],
      );
      if (changed === 0) return undefined;
      await db.transaction((sql) => tellSquads(sql, [name], now));
      return site(name);
    },
    applyBatch: (of, batch) =>
      db.transaction(async (sql) => {
        const { from, to, mark = '' } = batch;
        const moved = await sql.run(
          `UPDATE sites SET feed_cursor = ?, mark = ?, heard_at = ?, last_event = ?
           WHERE name = ? AND feed_cursor = ?`,
          [to, mark, clock(), to, of, from],
        );
        if (moved === 0) return judge(sql, of, to);
        await putMachines(sql, { site: of, machines: batch.machines, snapshot: '' }, notice);
        await putEvents(sql, of, batch.events);
        const { requests = [] } = batch;
        await putRequests(sql, { site: of, requests, snapshot: '', now: clock() });
        await putPlaces(sql, of, batch.events);
        return { kind: 'applied', cursor: to };
      }),
    applySnapshot: (of, { snapshot, machines, requests = [], done }) =>
      db.transaction(async (sql) => {
        const now = clock();
        await putMachines(sql, { site: of, machines, snapshot }, notice);
        await putRequests(sql, { site: of, requests, snapshot, now });
        if (!done) return undefined;
        for (const lost of await loseParts(sql, { site: of, snapshot, now }))
          await notice(
            sql,
            of,
            'REQUEST_LOST',
            `Its part ${lost} of a request is not there any more.`,
          );
        const values = [of, snapshot];
        await sql.run('DELETE FROM machines WHERE site = ? AND snapshot <> ?', values);
        // What lies above was told by a database that has been put back since.
        await sql.run('DELETE FROM events WHERE site = ? AND id > ?', [of, done.cursor]);
        await sql.run(
          'UPDATE sites SET feed_cursor = ?, mark = ?, snapshot = ?, heard_at = ? WHERE name = ?',
          [done.cursor, done.mark ?? '', snapshot, clock(), of],
        );
        // A database that was put back has the squads of then.
        await sql.run('DELETE FROM squad_sites WHERE site = ?', [of]);
        await tellSquads(sql, [of], now);
        return done.cursor;
      }),
    async heard(of) {
      await db.run('UPDATE sites SET heard_at = ? WHERE name = ?', [clock(), of]);
    },
    ask: (of, who, body) => putIntent(db, { site: of, who, body, now: clock() }),
    async waiting(of, count) {
      const rows = await db.all<{ id: string; who: string; body: string }>(
        `SELECT id, who, body FROM intents WHERE site = ? AND status = 'waiting' ORDER BY asked_at, id LIMIT ?`,
        [of, count],
      );
      return rows.map(({ id, who, body }) => ({ id, who, body: JSON.parse(body) as IntentBody }));
    },
    answer: (of, answered) =>
      db.transaction(async (sql) => {
        const { intent, status, result } = answered;
        const now = clock();
        const [own] = await sql.all('SELECT id FROM intents WHERE id = ? AND site = ?', [
          ...[intent, of],
        ]);
        if (!own) return false;
        await sql.run(
          `UPDATE intents SET status = ?, result = ?, ended_at = ? WHERE id = ? AND site = ? AND status = 'waiting'`,
          [status, JSON.stringify(result), now, intent, of],
        );
        await answerPart(sql, { site: of, result: answered, now });
        return true;
      }),
    async notice(of, code, detail) {
      await notice(db, of, code, detail);
    },
  };
}

async function judge(sql: Sql, site: string, to: number): Promise<BatchVerdict> {
  const [row] = await sql.all<{ feed_cursor: number | null }>(
    'SELECT feed_cursor FROM sites WHERE name = ?',
    [site],
  );
  const cursor = row?.feed_cursor ?? null;
  return cursor !== null && cursor >= to ? { kind: 'known', cursor } : { kind: 'gap', cursor };
}

interface Machines {
  readonly site: string;
  readonly machines: readonly MachineDocument[];
  readonly snapshot: string;
}

type Notice = (sql: Sql, site: string, code: string, detail: string) => Promise<unknown>;

async function putMachines(sql: Sql, { site, machines, snapshot }: Machines, notice: Notice) {
  const living = machines.filter(isLiving);
  const gone = machines.filter((one) => !isLiving(one));
  const columns =
    '(site, hardwarename, state, hardware_type, role, squad, rack, words, document, version, snapshot)';
  for (const chunk of chunks(living)) {
    const rows = chunk.map((one) => [site, ...rowOf(one), snapshot]);
    await sql.run(
      `INSERT INTO machines ${columns} VALUES ${places(rows)}
       ON CONFLICT (site, hardwarename) DO UPDATE SET state = excluded.state, hardware_type = excluded.hardware_type,
         role = excluded.role, squad = excluded.squad, rack = excluded.rack, words = excluded.words,
         document = excluded.document, version = excluded.version,
         snapshot = CASE WHEN excluded.snapshot = '' THEN machines.snapshot ELSE excluded.snapshot END`,
      rows.flat(),
    );
    await noticeClaims(sql, { site, names: chunk.map(({ hardwarename }) => hardwarename) }, notice);
  }
  for (const chunk of chunks(gone)) {
    const names = chunk.map(({ hardwarename }) => hardwarename);
    await sql.run(`DELETE FROM machines WHERE site = ? AND hardwarename IN ${places([names])}`, [
      site,
      ...names,
    ]);
  }
}

/** A machine is at one site: two that claim it are told of once a pair, and both keep what they said. */
async function noticeClaims(
  sql: Sql,
  { site, names }: { readonly site: string; readonly names: readonly string[] },
  notice: Notice,
): Promise<void> {
  const elsewhere = await sql.all<{ hardwarename: string; site: string }>(
    `SELECT hardwarename, site FROM machines
     WHERE site <> ? AND state <> 'retired' AND hardwarename IN ${places([names])}`,
    [site, ...names],
  );
  for (const { hardwarename, site: other } of elsewhere) {
    const detail = `${hardwarename} is claimed by ${[site, other].sort().join(' and ')}.`;
    const [told] = await sql.all('SELECT id FROM notices WHERE code = ? AND detail = ?', [
      'MACHINE_CLAIMED',
      detail,
    ]);
    if (!told) await notice(sql, site, 'MACHINE_CLAIMED', detail);
  }
}

async function putEvents(sql: Sql, site: string, events: readonly FeedEvent[]): Promise<void> {
  for (const chunk of chunks(events)) {
    const rows = chunk.map(({ id, at, name, hardwarename = '', data }) => [
      ...[site, id, at, name, hardwarename, JSON.stringify(data)],
    ]);
    await sql.run(
      `INSERT INTO events (site, id, at, name, hardwarename, data) VALUES ${places(rows)} ON CONFLICT (site, id) DO NOTHING`,
      rows.flat(),
    );
  }
}

/** Between the site and the snapshot, in the order of the columns. */
function rowOf(document: LivingMachine): SqlValue[] {
  const text = (name: string) => {
    const value = (document as Record<string, unknown>)[name];
    return typeof value === 'string' ? value : '';
  };
  const nics = ((document as Record<string, unknown>).nics ?? []) as { mac?: string }[];
  const words = [
    ...['hardwarename', 'serial', 'hostname', 'uuid', 'product', 'rack', 'bmcMac'].map(text),
    ...nics.map(({ mac = '' }) => mac),
  ];
  return [
    document.hardwarename,
    ...['state', 'hardwareType', 'role', 'squad', 'rack'].map(text),
    words.filter(Boolean).join(' ').toLowerCase(),
    JSON.stringify(document),
    document.version,
  ];
}

const places = (rows: readonly (readonly unknown[])[]): string =>
  rows.map((row) => `(${row.map(() => '?').join(', ')})`).join(', ');

function chunks<Item>(items: readonly Item[]): Item[][] {
  const size = limit('fleetStatementRowsMax');
  const parts: Item[][] = [];
  for (let at = 0; at < items.length; at += size) parts.push(items.slice(at, at + size));
  return parts;
}
