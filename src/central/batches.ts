/**
 * Batches of all sites, as they arrive at this instance: what comes while a transaction is on its way waits, and goes into the next
 * one together, one batch of each site.
 *
 * Batches are small where little happens: of eight sites with a thousand events a second each is of one event, and what a transaction
 * costs (its statements, its write to disk) was paid for each. Joined, a busy central pays it less often, and an idle one waits for nobody.
 * Large batches, of sites that catch up, go by themselves and beside each other, as far as the database has cores.
 *
 * Each batch keeps its own promise: its cursor moves in the transaction that keeps it, from where it begins and no other place, for the line that
 * greeted last. Several together wait for nobody: a site whose row another instance or an answer holds is left out, and waits alone. When a
 * transaction of several fails, each is tried alone, and only whose own fault it was hears of it. They are small, so that PostgreSQL gets
 * less time for them than for others; one that does not answer at all is nobody's fault, and each line ends.
 */
import { AppError } from '../errors.ts';
import type { FeedEvent, FromAppliance } from '../federation/protocol.ts';
import { limit } from '../limits.ts';
import type { Clock } from '../wire/time.ts';
import type { BatchVerdict, LineOf } from './fleet.ts';
import { chunks, type Notice, places, putMachines } from './machines.ts';
import { putPoolEvents } from './members.ts';
import { endForgotten, putPlaces, putRequests } from './parts.ts';
import { putResets } from './resets.ts';
import { HAS_ODD, mendJobRows } from './schema-jobs.ts';
import { HAS_DUE, putTold, settleJobs } from './site-jobs.ts';
import { putSitePools } from './site-pools.ts';
import type { FleetDatabase, Sql, SqlRow } from './sql.ts';
import type { Upkeep } from './upkeep.ts';

export type Batch = Extract<FromAppliance, { kind: 'batch' }>;

export interface ArrivedBatch extends LineOf {
  readonly batch: Batch;
}

interface Waiting extends ArrivedBatch {
  done(verdict: BatchVerdict): void;
  fail(error: unknown): void;
}

interface Ports {
  readonly clock: Clock;
  readonly notice: Notice;
}

/**
 * @param ports.upkeep says that batches could not be kept together, once while it lasts
 * @returns keeps a batch, in one transaction, with others that have come by then
 */
export function openBatches(
  db: FleetDatabase,
  { upkeep, ...ports }: Ports & { readonly upkeep: Upkeep },
): (arrived: ArrivedBatch) => Promise<BatchVerdict> {
  let waiting: Waiting[] = [];
  /** Transactions of small batches. */
  let running = 0;
  const keep = (group: readonly ArrivedBatch[], held: Held) =>
    db.transaction(
      (sql) => keepAll(sql, group, { ...ports, lock: db.engine === 'sqlite' ? '' : LOCKS[held] }),
      held === 'wait' ? {} : { statementMs: limit('fleetGroupStatementMs') },
    );
  const alone = async (one: Waiting): Promise<void> => {
    try {
      const [verdict] = await keep([one], 'wait');
      // A site that was removed has no line.
      one.done(verdict ?? { kind: 'over' });
    } catch (error) {
      one.fail(error);
    }
  };
  const together = async (group: readonly Waiting[]): Promise<void> => {
    let verdicts: Awaited<ReturnType<typeof keep>> = [];
    let error: unknown;
    await upkeep.run('batches together', ALONE, async () => {
      try {
        verdicts = await keep(group, 'leave out');
      } catch (err) {
        error = err;
        throw err;
      }
    });
    if (error instanceof AppError && error.code === 'DATABASE_SILENT') {
      for (const one of group) one.fail(error);
      return;
    }
    // What has failed was undone, or was kept and is known by now.
    for (const [index, one] of group.entries()) {
      const verdict = verdicts[index];
      if (verdict) one.done(verdict);
      else void alone(one);
    }
  };
  const next = (): void => {
    while (running < limit('fleetBatchGroupsMax') && waiting.length > 0) {
      const group = groupOf(waiting);
      waiting = waiting.filter((one) => !group.includes(one));
      running += 1;
      void together(group).finally(() => {
        running -= 1;
        next();
      });
    }
  };
  return (arrived) =>
    new Promise((done, fail) => {
      const one = { ...arrived, done, fail };
      if (isLarge(arrived.batch)) return void alone(one);
      waiting.push(one);
      // What other lines have said by now comes along.
      setImmediate(next);
    });
}

const ALONE = "Each site's batch is tried alone, which is slower.";

/** Of a site that catches up: such go by themselves. */
export const isLarge = (batch: Batch): boolean => sizeOf(batch) > limit('fleetBatchSmallMax');

const sizeOf = ({ events, machines }: Batch): number => Math.max(events.length, machines.length);

/** The first ones, each site once, up to what fits into one statement of each kind. */
function groupOf(waiting: readonly Waiting[]): Waiting[] {
  const group = new Map<string, Waiting>();
  let size = 0;
  for (const one of waiting) {
    size += sizeOf(one.batch);
    if (group.size > 0 && size > limit('fleetStatementRowsMax')) break;
    if (!group.has(one.site)) group.set(one.site, one);
  }
  return [...group.values()];
}

/** What is done about a site whose row somebody holds. */
type Held = 'wait' | 'leave out';

const LOCKS: Readonly<Record<Held, string>> = {
  wait: 'FOR NO KEY UPDATE',
  'leave out': 'FOR NO KEY UPDATE SKIP LOCKED',
};

interface SiteState extends SqlRow {
  name: string;
  feed_cursor: number | null;
  line: string;
}

/** Of different sites. @returns for each of them; nothing for one whose row is left out */
async function keepAll(
  sql: Sql,
  group: readonly ArrivedBatch[],
  { clock, notice, lock }: Ports & { readonly lock: string },
): Promise<(BatchVerdict | undefined)[]> {
  const sites = group.map(({ site }) => site);
  const rows = await sql.all<SiteState>(
    `SELECT name, feed_cursor, line FROM sites WHERE name IN ${places([sites])} ${lock}`,
    sites,
  );
  const states = new Map(rows.map((row) => [row.name, row]));
  const verdicts = group.map((one) => {
    const state = states.get(one.site);
    return state && judge(state, one);
  });
  const kept = group.filter((_, index) => verdicts[index]?.kind === 'applied');
  if (kept.length === 0) return verdicts;
  const has = await moveCursors(sql, kept, clock());
  await putMachines(
    sql,
    kept.map(({ site, batch: { machines } }) => ({ site, machines, snapshot: '' })),
    notice,
  );
  await putEvents(sql, kept);
  for (const one of kept) {
    const { site, batch } = one;
    const { odd = 0, due = 0 } = has.get(site) ?? {};
    const { requests = [], jobs = [], pools = [], events } = batch;
    const now = clock();
    for (const { name, data } of events)
      if (name === 'federation.refused' && data.code === 'INTENT_MISMATCH')
        await notice(sql, site, data.code, String(data.detail));
    await putRequests(sql, { site, requests, snapshot: '', now });
    await endForgotten(sql, { site, requests, events, now });
    await putPlaces(sql, site, events);
    await putPoolEvents(sql, site, events);
    await putSitePools(sql, site, pools);
    if (odd === 1) await mendJobRows(sql, site);
    await putTold(sql, { site, jobs, events, snapshot: '', now });
    if (due === 1) await settleJobs(sql, { site, now });
    await putResets(sql, { site, events, now });
  }
  return verdicts;
}

function judge(state: SiteState, { line, batch }: ArrivedBatch): BatchVerdict {
  if (state.line !== line) return { kind: 'over' };
  const { feed_cursor: cursor } = state;
  if (cursor === batch.from) return { kind: 'applied', cursor: batch.to };
  return cursor !== null && cursor >= batch.to
    ? { kind: 'known', cursor }
    : { kind: 'gap', cursor };
}

/**
 * The rows are held: behind that, this statement sees what it was waited for.
 *
 * @returns of each site whether it has what is hardly ever there
 */
async function moveCursors(
  sql: Sql,
  kept: readonly ArrivedBatch[],
  now: number,
): Promise<ReadonlyMap<string, { readonly odd: number; readonly due: number }>> {
  const rows = await sql.all<{ name: string; odd: number; due: number }>(
    `UPDATE sites SET feed_cursor = moved.column2, told_to = moved.column2, last_event = moved.column2,
       mark = moved.column3, heard_at = CAST(? AS BIGINT)
     FROM (VALUES ${kept.map(() => '(?, CAST(? AS BIGINT), ?)').join(', ')}) AS moved
     WHERE sites.name = moved.column1 RETURNING name, ${HAS_ODD} AS odd, ${HAS_DUE} AS due`,
    [now, ...kept.flatMap(({ site, batch: { to, mark = '' } }) => [site, to, mark])],
  );
  return new Map(rows.map((row) => [row.name, row]));
}

async function putEvents(sql: Sql, kept: readonly ArrivedBatch[]): Promise<void> {
  const rows = kept.flatMap(({ site, batch }) => batch.events.map((event) => rowOf(site, event)));
  for (const chunk of chunks(rows))
    await sql.run(
      `INSERT INTO events (site, id, at, name, hardwarename, data) VALUES ${places(chunk)} ON CONFLICT (site, id) DO NOTHING`,
      chunk.flat(),
    );
}

const rowOf = (site: string, { id, at, name, hardwarename = '', data }: FeedEvent) => [
  ...[site, id, at, name, hardwarename, JSON.stringify(data)],
];
