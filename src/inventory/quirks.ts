/**
 * Quirks: what worked and what failed on a machine, or on every machine of a model with a certain firmware. Rows are data:
 * learned from boots, written by people, listed, exported and deleted.
 *
 * The packet path asks for them with each offer, so they are held in memory and read anew after a change; a site has a few
 * hundred. A person's row is never changed by what is learned.
 */
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { NewEvent } from '../events.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Mac } from '../wire/mac.ts';
import type { Clock } from '../wire/time.ts';

export const QUIRK_TRAITS = ['binary', 'blksize', 'local-boot', 'override'] as const;
export type QuirkTrait = (typeof QUIRK_TRAITS)[number];

export interface Quirk {
  readonly scope: 'machine' | 'model';
  /** A MAC, or what `modelKey` makes of a machine. */
  readonly subject: string;
  readonly trait: QuirkTrait;
  readonly value: string;
  readonly outcome: 'works' | 'fails';
  /** `learned`, or who wrote it. */
  readonly source: string;
  readonly why: string;
  /** How often it was seen. */
  readonly times: number;
  readonly at: number;
}

export interface Known {
  readonly works: string | undefined;
  readonly fails: ReadonlySet<string>;
}

export interface Quirks {
  list(): Quirk[];
  /** What is known of a trait for this NIC: its own rows first, then those of its machine's model. */
  known(trait: QuirkTrait, mac: Mac, hardwarename: Hardwarename | undefined): Known;
  /** Within the caller's transaction. */
  learn(quirk: Omit<Quirk, 'source' | 'times' | 'at'>): void;
  /** A person's word, which learning does not change. @throws AppError REQUEST_INVALID */
  put(quirk: Omit<Quirk, 'source' | 'times' | 'at'>, who: string): Quirk;
  /** @returns whether there was one */
  remove(key: Pick<Quirk, 'scope' | 'subject' | 'trait' | 'value'>, who: string): boolean;
  /** Vendor, product and firmware of a machine as one text; empty when it has not reported. */
  modelOf(hardwarename: Hardwarename): string;
}

const NOTHING: Known = { works: undefined, fails: new Set() };

interface ModelRow {
  manufacturer: string;
  product: string;
  firmware: string | null;
}

export function openQuirks(db: Database, clock: Clock, append: (event: NewEvent) => void): Quirks {
  const all = db.prepare<[], Quirk>(
    'SELECT * FROM quirks ORDER BY scope, subject, trait, outcome DESC, value',
  );
  const one = db.prepare<string[], Quirk>(
    'SELECT * FROM quirks WHERE scope = ? AND subject = ? AND trait = ? AND value = ?',
  );
  const put = db.prepare(
    `INSERT INTO quirks (scope, subject, trait, value, outcome, source, why, times, at) VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?)
     ON CONFLICT (scope, subject, trait, value) DO UPDATE SET outcome = excluded.outcome, source = excluded.source,
       why = excluded.why, times = quirks.times + 1, at = excluded.at`,
  );
  const remove = db.prepare(
    'DELETE FROM quirks WHERE scope = ? AND subject = ? AND trait = ? AND value = ?',
  );
  const model = db.prepare<[string], ModelRow>(
    'SELECT manufacturer, product, bios_version AS firmware FROM machines WHERE hardwarename = ?',
  );
  /** Rows by trait and subject; undefined: to be read. */
  let memory: Map<string, Quirk[]> | undefined;
  let aboutModels = false;
  const bySubject = (): Map<string, Quirk[]> => {
    if (memory) return memory;
    const rows = all.all();
    aboutModels = rows.some(({ scope }) => scope === 'model');
    memory = Map.groupBy(rows, ({ trait, subject }) => `${trait} ${subject}`);
    return memory;
  };
  const write = (quirk: Omit<Quirk, 'source' | 'times' | 'at'>, source: string) => {
    const { scope, subject, trait, value, outcome, why } = quirk;
    put.run(scope, subject, trait, value, outcome, source, why, clock());
    memory = undefined;
    const data = { scope, subject, trait, value, outcome, why, who: source };
    append({ name: 'quirk.changed', data });
  };
  const modelOf = (hardwarename: Hardwarename): string => {
    const row = model.get(hardwarename);
    return row ? modelKey(row.manufacturer, row.product, row.firmware ?? '') : '';
  };

  return {
    list: () => all.all(),
    known(trait, mac, hardwarename) {
      const rows = bySubject();
      if (rows.size === 0) return NOTHING;
      const own = rows.get(`${trait} ${mac}`) ?? [];
      const model = aboutModels && hardwarename ? modelOf(hardwarename) : '';
      const others = model === '' ? [] : (rows.get(`${trait} ${model}`) ?? []);
      if (own.length + others.length === 0) return NOTHING;
      const failed = new Set(
        own.filter(({ outcome }) => outcome === 'fails').map(({ value }) => value),
      );
      const works = [...own, ...others].find(
        ({ outcome, value }) => outcome === 'works' && !failed.has(value),
      );
      const fails = [...own, ...others].filter(({ outcome }) => outcome === 'fails');
      return { works: works?.value, fails: new Set(fails.map(({ value }) => value)) };
    },
    learn(quirk) {
      const { scope, subject, trait, value } = quirk;
      const there = one.get(scope, subject, trait, value);
      if (there && there.source !== 'learned') return;
      write(quirk, 'learned');
    },
    put(quirk, who) {
      if (quirk.subject.trim() === '' || quirk.value.trim() === '') {
        throw new AppError('REQUEST_INVALID', { detail: 'A quirk names a subject and a value.' });
      }
      write(quirk, who);
      const { scope, subject, trait, value } = quirk;
      return one.get(scope, subject, trait, value) as Quirk;
    },
    remove({ scope, subject, trait, value }, who) {
      const there = one.get(scope, subject, trait, value);
      if (!there) return false;
      remove.run(scope, subject, trait, value);
      memory = undefined;
      const data = { scope, subject, trait, value, outcome: 'forgotten', why: there.why, who };
      append({ name: 'quirk.changed', data });
      return true;
    },
    modelOf,
  };
}

/** One text for vendor, product and firmware, folded so that spelling does not divide a model. */
export function modelKey(manufacturer: string, product: string, firmware: string): string {
  return [manufacturer, product, firmware]
    .map((text) => text.trim().replace(/\s+/g, ' '))
    .filter((text) => text !== '')
    .join(' / ');
}
