/**
 * What central knows of its sites: a copy of each site's records and events, with the cursor up to which it is complete.
 *
 * A batch is applied in one transaction that moves the cursor from where the batch begins to where it ends, and only if it is
 * there: heard twice it changes nothing, out of order it is refused (batches.ts). A snapshot leaves the old copy readable until its last
 * page, and then removes what it did not mention. Of two lines of one site that are there for a moment, at one instance of central or
 * at two, only the one that has greeted last changes anything, so that pages of two snapshots cannot mix. Nothing in here decides about a machine: the site does.
 */
import { randomUUID } from 'node:crypto';
import type { FromAppliance, Intent, IntentBody } from '../federation/protocol.ts';
import { limit } from '../limits.ts';
import type { Clock } from '../wire/time.ts';
import { answerJob, askJob, refuseJob } from './asked-jobs.ts';
import { isLarge, openBatches } from './batches.ts';
import { openCounting } from './counting.ts';
import { putIntent } from './intents.ts';
import { dropUnmentioned, putMachines } from './machines.ts';
import { endMembers, putMembers } from './members.ts';
import { answerPart, loseParts, putRequests } from './parts.ts';
import { forgetTold, tellRecords } from './records.ts';
import { answerReset } from './resets.ts';
import { mendJobRows } from './schema-jobs.ts';
import { endSiteJobs, loseJobs, putSiteJobs } from './site-jobs.ts';
import { answerSitePool, replaceSitePools } from './site-pools.ts';
import { type FleetDatabase, LONG, type Sql, type SqlRow } from './sql.ts';
import { applyWhole, toldAtHello, toldBy } from './told.ts';
import { openTurns } from './turns.ts';
import type { Upkeep } from './upkeep.ts';
import { enterWords } from './word-index.ts';

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
  /** The kinds of documents of which it has told all, divided by spaces. */
  told: string;
}

/** One connection of a site. */
export interface LineOf {
  readonly site: string;
  readonly line: string;
}

/** A newer line of the site has greeted: this one is over. */
interface Over {
  readonly kind: 'over';
}

export type BatchVerdict =
  | { readonly kind: 'applied'; readonly cursor: number }
  /** It was applied before. */
  | { readonly kind: 'known'; readonly cursor: number }
  | { readonly kind: 'gap'; readonly cursor: number | null }
  | Over;

export type PageVerdict =
  | { readonly kind: 'page' }
  /** With its last page. */
  | { readonly kind: 'applied'; readonly cursor: number }
  | Over;

export interface Fleet {
  site(name: string): Promise<SiteRow | undefined>;
  sites(): Promise<SiteRow[]>;
  /**
   * The first hello of a site fixes which appliance it is; the last one, which line may change anything.
   *
   * @param isUnderstood a welcome that says what central takes and lacks
   * @returns undefined when it is another appliance
   */
  greet(
    hello: Message<'hello'>,
    line: string,
    isUnderstood?: boolean,
  ): Promise<SiteRow | undefined>;
  applyBatch(of: LineOf, batch: Message<'batch'>): Promise<BatchVerdict>;
  applySnapshot(of: LineOf, page: Message<'snapshot'>): Promise<PageVerdict>;
  /** @returns false when the line is over */
  applyWhole(of: LineOf, page: Message<'whole'>): Promise<boolean>;
  heard(of: LineOf): Promise<void>;
  ask(site: string, who: string, body: IntentBody): Promise<string>;
  waiting(site: string, count: number): Promise<Intent[]>;
  /** @returns false when no such intent was this site's: nothing has changed */
  answer(site: string, result: Message<'result'>): Promise<boolean>;
  notice(site: string, code: string, detail: string): Promise<void>;
  /** The same, of what comes again and again: one of before that says it already counts it. */
  noticeAgain(site: string, code: string, detail: string): Promise<void>;
}

export function openFleet(db: FleetDatabase, clock: Clock, upkeep: Upkeep): Fleet {
  const site = async (name: string) =>
    (await db.all<SiteRow>('SELECT * FROM sites WHERE name = ?', [name]))[0];
  const notice = (sql: Sql, of: string, code: string, detail: string) =>
    sql.run('INSERT INTO notices (id, at, site, code, detail) VALUES (?, ?, ?, ?, ?)', [
      ...[randomUUID(), clock(), of, code, detail.slice(0, 500)],
    ]);
  const keepBatch = openBatches(db, { clock, notice, upkeep });
  const count = openCounting(db, upkeep);
  /** Of sites that tell all, or catch up: of these there may be as many as there are sites. */
  const inTurn = openTurns(limit('fleetLargeAtOnceMax'));
  return {
    site,
    sites: () => db.all<SiteRow>('SELECT * FROM sites ORDER BY name'),
    async greet(
      { site: name, appliance, program, clock: theirs, last },
      line,
      isUnderstood = false,
    ) {
      const now = clock();
      const changed = await db.run(
        `UPDATE sites SET appliance = ?, program = ?, heard_at = ?, connected_at = ?, skew_ms = ?, last_event = ?, line = ?,
           told = ${toldAtHello(isUnderstood)}
         WHERE name = ? AND (appliance = '' OR appliance = ?)`,
        [appliance, program, now, now, theirs - now, last, line, name, appliance],
      );
      if (changed === 0) return undefined;
      await db.transaction((sql) => loseJobs(sql, { site: name, last, now }));
      await db.transaction((sql) => tellRecords(sql, [name], now));
      return site(name);
    },
    applyBatch: (of, batch) => {
      const keep = () => keepBatch({ ...of, batch });
      return isLarge(batch) ? inTurn(keep) : keep();
    },
    async applySnapshot({ site: of, line }, page) {
      const apply = async (sql: Sql): Promise<PageVerdict> => {
        const { snapshot, machines, requests = [], members = [], pools = [], done } = page;
        const { jobs = [] } = page;
        const now = clock();
        // The site's row first, as a batch does: two lines of one site take turns.
        const isOurs = await sql.run('UPDATE sites SET heard_at = ? WHERE name = ? AND line = ?', [
          ...[now, of, line],
        ]);
        if (isOurs === 0) return { kind: 'over' };
        await putMachines(sql, [{ site: of, machines, snapshot }], notice);
        await putRequests(sql, { site: of, requests, snapshot, now });
        await putMembers(sql, { site: of, members, snapshot });
        await mendJobRows(sql, of);
        await putSiteJobs(sql, { site: of, jobs, snapshot, now });
        if (!done) return { kind: 'page' };
        for (const lost of await loseParts(sql, { site: of, snapshot, now }))
          await notice(
            sql,
            of,
            'REQUEST_LOST',
            `Its part ${lost} of a request is not there any more.`,
          );
        await endMembers(sql, { site: of, snapshot });
        await replaceSitePools(sql, of, pools);
        if (page.jobs) await endSiteJobs(sql, { site: of, snapshot, now, cursor: done.cursor });
        await dropUnmentioned(sql, of, snapshot);
        // What lies above was told by a database that has been put back since.
        await sql.run('DELETE FROM events WHERE site = ? AND id > ?', [of, done.cursor]);
        await sql.run(
          `UPDATE sites SET feed_cursor = ?, told_to = ?, told = ?, mark = ?, snapshot = ?, heard_at = ?
           WHERE name = ?`,
          [done.cursor, done.cursor, toldBy(page), done.mark ?? '', snapshot, clock(), of],
        );
        // A database that was put back has the records of then.
        await forgetTold(sql, of);
        await tellRecords(sql, [of], now);
        return { kind: 'applied', cursor: done.cursor };
      };
      const verdict = await inTurn(() => db.transaction(apply, page.done && LONG));
      if (page.machines.length > 0) await count();
      // The site does not wait for it.
      if (verdict.kind === 'applied') void enterWords(db, upkeep);
      return verdict;
    },
    applyWhole: (of, page) => inTurn(() => applyWhole(db, of, { page, clock })),
    async heard({ site: of, line }) {
      await db.run('UPDATE sites SET heard_at = ? WHERE name = ? AND line = ?', [
        ...[clock(), of, line],
      ]);
    },
    ask: (of, who, body) => putIntent(db, { site: of, who, body, now: clock() }),
    waiting: (of, count) => waitingOf(db, of, count),
    answer: (of, result) =>
      db.transaction((sql) => keepAnswer(sql, { site: of, result, now: clock() })),
    async notice(of, code, detail) {
      await notice(db, of, code, detail);
    },
    async noticeAgain(of, code, detail) {
      if (!(await isNoticed(db, { of, code, detail, now: clock() })))
        await notice(db, of, code, detail);
    },
  };
}

/** Counts it with the one of a while ago that says it word for word. @returns whether there is one */
async function isNoticed(
  sql: Sql,
  { of, code, detail, now }: { of: string; code: string; detail: string; now: number },
): Promise<boolean> {
  const counted = await sql.run(
    `UPDATE notices SET times = times + 1 WHERE id = (SELECT id FROM notices
       WHERE at > ? AND site = ? AND code = ? AND detail = ? ORDER BY at DESC, id LIMIT 1)`,
    [now - limit('fleetNoticeAgainMs'), of, code, detail.slice(0, 500)],
  );
  return counted > 0;
}

async function waitingOf(sql: Sql, site: string, count: number): Promise<Intent[]> {
  const rows = await sql.all<{ id: string; who: string; body: string }>(
    `SELECT id, who, body FROM intents WHERE site = ? AND status = 'waiting' ORDER BY asked_at, id LIMIT ?`,
    [site, count],
  );
  return rows.map(({ id, who, body }) => ({ id, who, body: JSON.parse(body) as IntentBody }));
}

/** With whatever follows from it. @returns false when no such intent was this site's */
export async function keepAnswer(
  sql: Sql,
  of: { readonly site: string; readonly result: Message<'result'>; readonly now: number },
): Promise<boolean> {
  const { site, now } = of;
  const { intent, status, result } = of.result;
  const [own] = await sql.all<{ who: string; body: string; asked_at: number }>(
    'SELECT who, body, asked_at FROM intents WHERE id = ? AND site = ?',
    [intent, site],
  );
  if (!own) return false;
  const isJob = own.body.startsWith('{"kind":"job",');
  // The site's row first, as a batch does: either the batch sees what the answer names, or the answer how far the batch has come.
  if (isJob) await sql.run('UPDATE sites SET heard_at = heard_at WHERE name = ?', [site]);
  const isFirst = await sql.run(
    `UPDATE intents SET status = ?, result = ?, ended_at = ? WHERE id = ? AND site = ? AND status = 'waiting'`,
    [status, JSON.stringify(result), now, intent, site],
  );
  await answerPart(sql, of);
  await answerReset(sql, of);
  // The site may have made it again since.
  if (isFirst > 0 && status === 'done') await answerSitePool(sql, site, own.body);
  if (isFirst > 0 && isJob) {
    // An instance of the version before, over the same database, asks without a row.
    const { who, asked_at } = own;
    await askJob(sql, { id: intent, site, who, body: JSON.parse(own.body), now: asked_at });
    await (status === 'done' ? answerJob : refuseJob)(sql, of);
  }
  return true;
}
