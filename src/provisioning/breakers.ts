/**
 * Breakers: what too many failures have in common, kept until a person has looked.
 *
 * How every install ended is kept with what the machine shares with others (factors.ts). After each failure the newest of
 * them are searched; what is found opens a breaker, and machines that share it are neither chosen nor given up as long as
 * it is open. Closing is a person's: what failed before that counts no more for this value.
 */
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { EventStore } from '../inventory/event-store.ts';
import { limit } from '../limits.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Clock, Millis } from '../wire/time.ts';
import {
  type Exposure,
  type Factor,
  type Factors,
  type FactorValue,
  findCommonFactor,
  type Suspicion,
} from './factors.ts';

/** `work`: machines of pools, while they are in use. */
export type OutcomeSource = 'install' | 'work';

export interface Outcome {
  readonly hardwarename: Hardwarename;
  readonly site: string;
  readonly source: OutcomeSource;
  readonly failed: boolean;
  readonly code: string;
  readonly factors: Factors;
}

export interface Breaker extends FactorValue {
  readonly id: number;
  readonly source: OutcomeSource;
  readonly openedAt: Millis;
  /** 0: it is open. */
  readonly closedAt: number;
  readonly evidence: Omit<Suspicion, 'factor' | 'value'>;
  readonly who: string;
  readonly why: string;
}

export interface Breakers {
  /** Open ones. */
  open(): Breaker[];
  /** Newest first, open or not. */
  list(count: number): Breaker[];
  /** Notes how it went, and opens a breaker when that was one failure too many. */
  note(outcome: Outcome, atWork?: readonly Exposure[]): Breaker | undefined;
  /** @throws AppError NOT_FOUND */
  close(id: number, cause: { who: string; why: string }): Breaker;
  /**
   * Some outcomes and closed breakers of before, or beyond as many as are kept; none that may still be compared, nor an open one.
   *
   * @returns whether there may be more
   */
  forget(before: Millis): boolean;
}

export interface BreakerSettings {
  readonly windowMs: number;
  /** Share of installs that fails on a healthy site. */
  readonly assumedRate: number;
}

interface Row {
  id: number;
  source: string;
  factor: string;
  value: string;
  opened_at: number;
  closed_at: number;
  evidence: string;
  who: string;
  why: string;
}

const fromRow = ({ opened_at, closed_at, ...row }: Row): Breaker => ({
  ...row,
  source: row.source as OutcomeSource,
  factor: row.factor as Factor,
  openedAt: opened_at as Millis,
  closedAt: closed_at,
  evidence: JSON.parse(row.evidence),
});

export function openBreakers(
  db: Database,
  { clock, events, settings }: { clock: Clock; events: EventStore; settings: BreakerSettings },
): Breakers {
  const sql = prepare(db);
  const open = () => sql.open.all().map(fromRow);
  const search = (source: OutcomeSource, atWork: readonly Exposure[]): Suspicion | undefined => {
    const since = clock() - settings.windowMs;
    const closed = sql.closedSince.all(since);
    const known = open();
    const exposures = sql.newest
      .all(source, since, limit('outcomesLookedAtMax'))
      .map(({ at, failed, factors }): Exposure => {
        const all = JSON.parse(factors) as Record<Factor, string[]>;
        for (const { factor, value, closed_at } of closed)
          if (at <= closed_at) all[factor] = all[factor].filter((one) => one !== value);
        return { failed: failed === 1, factors: all };
      });
    // What an open breaker explains says nothing about anything else.
    const unexplained = [...exposures, ...atWork].filter(
      ({ factors }) => breakerFor(known, factors) === undefined,
    );
    return findCommonFactor(unexplained, settings.assumedRate);
  };
  return {
    open,
    list: (count) => sql.list.all(count).map(fromRow),
    note({ hardwarename, site, source, failed, code, factors }, atWork = []) {
      const values = [clock(), hardwarename, site, source, failed ? 1 : 0, code];
      sql.note.run(...values, JSON.stringify(factors));
      if (!failed) return undefined;
      const found = search(source, atWork);
      if (!found) return undefined;
      const { factor, value, ...evidence } = found;
      sql.add.run(source, factor, value, clock(), JSON.stringify(evidence));
      const { failed: count, tried, failedOthers, triedOthers, also } = evidence;
      const data = { source, factor, value, failed: count, tried, failedOthers, triedOthers, also };
      events.append({ name: 'breaker.opened', data });
      return open().find((one) => isSame(one, found));
    },
    close(id, { who, why }) {
      const row = sql.one.get(id);
      if (!row || row.closed_at > 0)
        throw new AppError('NOT_FOUND', { detail: `No open breaker ${id}.` });
      sql.close.run(clock(), who, why, id);
      const { factor, value } = row;
      events.append({ name: 'breaker.closed', data: { factor, value, who, why } });
      return fromRow(sql.one.get(id) ?? row);
    },
    forget(before) {
      const count = limit('outcomesForgetMax');
      const compared = clock() - settings.windowMs;
      const old = sql.forget.run(Math.min(before, compared), count).changes;
      const beyond = sql.forgetBeyond.run(limit('outcomesKeptMax'), count).changes;
      const closed = sql.forgetClosed.run({
        ...{ before: Math.min(before, compared), compared },
        ...{ most: limit('breakersKeptMax'), count },
      }).changes;
      return [old, beyond, closed].includes(count);
    },
  };
}

const isSame = (one: FactorValue, other: FactorValue): boolean =>
  one.factor === other.factor && one.value === other.value;

/** The open breaker that stands for one of these values. */
export function breakerFor(open: readonly Breaker[], factors: Factors): Breaker | undefined {
  return open.find(({ factor, value }) => factors[factor].includes(value));
}

function prepare(db: Database) {
  return {
    open: db.prepare<[], Row>('SELECT * FROM breakers WHERE closed_at = 0 ORDER BY id'),
    list: db.prepare<[number], Row>('SELECT * FROM breakers ORDER BY id DESC LIMIT ?'),
    one: db.prepare<[number], Row>('SELECT * FROM breakers WHERE id = ?'),
    closedSince: db.prepare<[number], { factor: Factor; value: string; closed_at: number }>(
      'SELECT factor, value, closed_at FROM breakers WHERE closed_at > ?',
    ),
    newest: db.prepare<[string, number, number], { at: number; failed: number; factors: string }>(
      `SELECT at, failed, factors FROM outcomes WHERE source = ? AND at > ?
       ORDER BY at DESC LIMIT ?`,
    ),
    note: db.prepare(
      `INSERT INTO outcomes (at, hardwarename, site, source, failed, code, factors)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    ),
    add: db.prepare(
      'INSERT INTO breakers (source, factor, value, opened_at, evidence) VALUES (?, ?, ?, ?, ?)',
    ),
    forget: db.prepare(
      `DELETE FROM outcomes WHERE id IN
         (SELECT id FROM outcomes WHERE source IN ('install', 'work') AND at < ? LIMIT ?)`,
    ),
    forgetBeyond: db.prepare(
      `DELETE FROM outcomes WHERE id IN
         (SELECT id FROM outcomes WHERE id <= (SELECT max(id) FROM outcomes) - ? ORDER BY id LIMIT ?)`,
    ),
    // Not the newest one: its number would be given again.
    forgetClosed: db.prepare(
      `DELETE FROM breakers WHERE id IN (
         SELECT id FROM breakers
           WHERE closed_at > 0 AND id < (SELECT max(id) FROM breakers) AND
             (closed_at < @before OR
               (closed_at < @compared AND id <= (SELECT max(id) FROM breakers) - @most))
           ORDER BY id LIMIT @count)`,
    ),
    close: db.prepare('UPDATE breakers SET closed_at = ?, who = ?, why = ? WHERE id = ?'),
  };
}
