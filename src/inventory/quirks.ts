/**
 * Quirks: what worked and what failed on a machine, or on every machine of a model with a certain firmware. Rows are data:
 * learned from boots, written by people, listed, exported and deleted.
 *
 * The packet path asks for them with each offer, so they are held in memory and a change is made there, too; after a transaction
 * that was rolled back they are read anew. A person's row is never changed by what is learned. What is learned of NICs that belong
 * to no machine on record is bounded: anybody on the wire can make up MACs.
 *
 * One failure takes nothing from a value that has worked: a plug may have been pulled. It is in doubt, and the next boot decides;
 * only what is certain counts at once.
 */
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { NewEvent } from '../events.ts';
import { limit } from '../limits.ts';
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
  /** 1: it worked, and failed since. */
  readonly doubts: number;
}

/** What a caller says of a value; the rest of the row is the table's. */
export type QuirkWord = Omit<Quirk, 'source' | 'times' | 'at' | 'doubts'>;
export type QuirkKey = Pick<Quirk, 'scope' | 'subject' | 'trait' | 'value'>;

export interface LearnedWord extends QuirkWord {
  /** No accident looks like it: it outweighs what has worked. */
  readonly certain?: boolean;
  /** When the boot began that shows it: one boot counts once. */
  readonly since: number;
}

export interface Known {
  readonly works: string | undefined;
  /** The oldest failure first. */
  readonly fails: ReadonlySet<string>;
}

export interface Quirks {
  list(): Quirk[];
  /** What is known of a trait for this NIC: its own rows first, then those of its machine's model. */
  known(trait: QuirkTrait, mac: Mac, hardwarename: Hardwarename | undefined): Known;
  /** One row, as it is in memory. */
  row(key: QuirkKey): Quirk | undefined;
  /** Is anything known of this trait of a MAC or model? */
  has(trait: QuirkTrait, subject: string): boolean;
  isEmpty(): boolean;
  /** Is anything known of this trait of anybody? */
  tells(trait: QuirkTrait): boolean;
  /** Within the caller's transaction. */
  learn(quirk: LearnedWord): void;
  /** A person's word, which learning does not change. @throws AppError REQUEST_INVALID */
  put(quirk: QuirkWord, who: string): Quirk;
  /** @returns whether there was one */
  remove(key: QuirkKey, who: string): boolean;
  /** A transaction was rolled back: what is in memory may not be so. */
  rolledBack(): void;
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
  const table = openTable(db);
  const model = db.prepare<[string], ModelRow>(
    'SELECT manufacturer, product, bios_version AS firmware FROM machines WHERE hardwarename = ?',
  );
  const write = (quirk: QuirkWord, source: string) => {
    const { scope, subject, trait, value, outcome, why } = quirk;
    const times = (table.row(quirk)?.times ?? 0) + 1;
    const row = { scope, subject, trait, value, outcome, source, why, times, at: clock() };
    table.put({ ...row, doubts: 0 });
    const data = { scope, subject, trait, value, outcome, why, who: source };
    append({ name: 'quirk.changed', data });
  };
  const remove = (row: Quirk, who: string) => {
    const { scope, subject, trait, value, why } = row;
    table.remove(row);
    const data = { scope, subject, trait, value, outcome: 'forgotten', why, who };
    append({ name: 'quirk.changed', data });
  };
  const modelOf = (hardwarename: Hardwarename): string => {
    const row = model.get(hardwarename);
    return row ? modelKey(row.manufacturer, row.product, row.firmware ?? '') : '';
  };

  return {
    list: table.list,
    row: table.row,
    has: (trait, subject) => table.of(trait, subject).length > 0,
    isEmpty: table.isEmpty,
    tells: table.tells,
    known(trait, mac, hardwarename) {
      if (table.isEmpty()) return NOTHING;
      const own = table.of(trait, mac);
      const model = table.aboutModels() && hardwarename ? modelOf(hardwarename) : '';
      const others = model === '' ? [] : table.of(trait, model);
      return own.length + others.length === 0 ? NOTHING : knownOf(own, others);
    },
    learn({ certain = false, since, ...quirk }) {
      const there = table.row(quirk);
      if (there && there.source !== 'learned') return;
      if (there?.outcome === 'works' && quirk.outcome === 'fails' && !certain) {
        if (there.doubts === 0) return table.put({ ...there, doubts: 1, at: clock() });
        // Two names for the end of one boot are one failure.
        if (since <= there.at) return;
      }
      write(quirk, 'learned');
      if (there || quirk.scope !== 'machine') return;
      for (const row of table.surplus()) remove(row, 'limit');
    },
    put(quirk, who) {
      if (quirk.subject.trim() === '' || quirk.value.trim() === '') {
        throw new AppError('REQUEST_INVALID', { detail: 'A quirk names a subject and a value.' });
      }
      write(quirk, who);
      return table.row(quirk) as Quirk;
    },
    remove(key, who) {
      const there = table.row(key);
      if (there) remove(there, who);
      return there !== undefined;
    },
    modelOf,
    rolledBack: table.forget,
  };
}

/** Its own experience counts before that of its model, and a person's word before what was learned. */
function knownOf(own: readonly Quirk[], others: readonly Quirk[]): Known {
  const failing = (rows: readonly Quirk[]) => rows.filter(({ outcome }) => outcome === 'fails');
  const failed = new Set(failing(own).map(({ value }) => value));
  const refused = new Set(
    failing(others).flatMap(({ source, value }) => (source === 'learned' ? [] : [value])),
  );
  const works = [...own, ...others].find(
    ({ outcome, value, source }) =>
      outcome === 'works' && !failed.has(value) && !(source === 'learned' && refused.has(value)),
  );
  const ofModel = failing(others).filter(({ value }) => !failed.has(value));
  const fails = [...failing(own), ...ofModel].sort((a, b) => a.at - b.at);
  return { works: works?.value, fails: new Set(fails.map(({ value }) => value)) };
}

const keyOf = ({ trait, subject }: Pick<Quirk, 'trait' | 'subject'>) => `${trait} ${subject}`;
const isSame = (a: QuirkKey, b: QuirkKey) =>
  a.scope === b.scope && a.subject === b.subject && a.trait === b.trait && a.value === b.value;

/** Rows that go at once, when there are too many. */
export const SURPLUS_ROWS = 100;

/** The rows, on disk and in memory. */
function openTable(db: Database) {
  const all = db.prepare<[], Quirk>(
    'SELECT * FROM quirks ORDER BY scope, subject, trait, outcome DESC, value',
  );
  const put = db.prepare<Quirk>(
    `INSERT OR REPLACE INTO quirks (scope, subject, trait, value, outcome, source, why, times, at, doubts)
     VALUES (@scope, @subject, @trait, @value, @outcome, @source, @why, @times, @at, @doubts)`,
  );
  const remove = db.prepare(
    'DELETE FROM quirks WHERE scope = ? AND subject = ? AND trait = ? AND value = ?',
  );
  const unknown = db.prepare<[number], Quirk>(
    `SELECT * FROM quirks WHERE scope = 'machine' AND source = 'learned'
       AND NOT EXISTS (SELECT 1 FROM nics WHERE nics.mac = quirks.subject)
     ORDER BY at DESC, subject LIMIT -1 OFFSET ?`,
  );
  /** Rows by trait and subject; undefined: to be read. */
  let memory: Map<string, Quirk[]> | undefined;
  let models = 0;
  let learned = 0;
  const ofTrait = new Map<QuirkTrait, number>();
  /** How many may be learned before it is worth a look whether they are too many. */
  let enoughUntil = 0;
  const note = ({ scope, source, trait }: Quirk, change: 1 | -1) => {
    ofTrait.set(trait, (ofTrait.get(trait) ?? 0) + change);
    if (scope === 'model') models += change;
    else if (source === 'learned') learned += change;
  };
  const read = (): Map<string, Quirk[]> => {
    if (memory) return memory;
    const rows = all.all();
    models = 0;
    learned = 0;
    ofTrait.clear();
    enoughUntil = 0;
    for (const row of rows) note(row, 1);
    memory = Map.groupBy(rows, keyOf);
    return memory;
  };
  const of = (trait: QuirkTrait, subject: string): readonly Quirk[] =>
    read().get(keyOf({ trait, subject })) ?? [];
  const row = (key: QuirkKey) => of(key.trait, key.subject).find((one) => isSame(one, key));
  /** In memory; `undefined` takes the row away. */
  const change = (key: QuirkKey, changed: Quirk | undefined) => {
    const before = row(key);
    if (before) note(before, -1);
    const others = of(key.trait, key.subject).filter((one) => one !== before);
    if (changed) note(changed, 1);
    // What works first, as it is read from the table.
    const rows = (changed ? [...others, changed] : others).sort(
      (a, b) => Number(a.outcome === 'fails') - Number(b.outcome === 'fails') || compare(a, b),
    );
    if (rows.length === 0) read().delete(keyOf(key));
    else read().set(keyOf(key), rows);
  };
  return {
    list: () => all.all(),
    of,
    row,
    isEmpty: () => read().size === 0,
    tells: (trait: QuirkTrait) => read() && (ofTrait.get(trait) ?? 0) > 0,
    aboutModels: () => read() && models > 0,
    put(quirk: Quirk): void {
      put.run(quirk);
      change(quirk, quirk);
    },
    remove(key: QuirkKey): void {
      remove.run(key.scope, key.subject, key.trait, key.value);
      change(key, undefined);
    },
    /**
     * The oldest of what was learned of NICs on no record, above the limit. Finding them looks at every row, so some more go
     * each time: in a storm of failures the next look is a hundred lessons away.
     */
    surplus(): Quirk[] {
      const max = limit('quirksUnknownMax');
      if (!read() || learned <= Math.max(max, enoughUntil)) return [];
      const oldest = unknown.all(max - SURPLUS_ROWS);
      const above = oldest.length > SURPLUS_ROWS ? oldest : [];
      const room = above.length > 0 ? SURPLUS_ROWS : SURPLUS_ROWS - oldest.length;
      enoughUntil = learned - above.length + room;
      return above;
    },
    forget(): void {
      memory = undefined;
    },
  };
}

const compare = (a: Quirk, b: Quirk) => (a.value < b.value ? -1 : 1);

/** One text for vendor, product and firmware, folded so that spelling does not divide a model. */
function modelKey(manufacturer: string, product: string, firmware: string): string {
  return [manufacturer, product, firmware]
    .map((text) => text.trim().replace(/\s+/g, ' '))
    .filter((text) => text !== '')
    .join(' / ');
}
