/**
 * Search for what a technician half remembers: a piece of a serial, a MAC without colons, a hostname, a switch port.
 *
 * An index of trigrams finds any three characters in a row. What people misread on a label (0 and O, 1 and I and L, 5 and
 * S, 8 and B, 2 and Z) is folded to one character in the index and in the question alike. When nothing holds every word,
 * records that share most trigrams of the longest word are offered instead. Each step reads a bounded number of rows.
 */
import type { Database } from 'better-sqlite3';
import { limit } from '../limits.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { MachineRecord } from './machine-fields.ts';
import type { ReconReport } from './report.ts';

export interface SearchHit {
  readonly hardwarename: Hardwarename;
  /** 3: a name or serial is the question; 2: a name or serial holds it; 1: something else does; 0: it only looks alike. */
  readonly rank: 0 | 1 | 2 | 3;
}

export interface MachineSearch {
  /** Inside the caller's transaction, after each change of the record. */
  index(id: number, record: MachineRecord, more: SearchText): void;
  forget(id: number): void;
  /** Best first, at most `count`. */
  find(question: string, count: number): SearchHit[];
  /** Records in whose text any of these stands, folded: candidates, which the caller compares. */
  holding(parts: readonly string[], count: number): Hardwarename[];
}

export interface SearchText {
  readonly hardware: ReconReport;
  readonly macs: readonly string[];
  readonly addresses: readonly string[];
}

const LOOKALIKES: Readonly<Record<string, string>> = {
  o: '0',
  i: '1',
  l: '1',
  s: '5',
  b: '8',
  z: '2',
};

/** Lower case, lookalikes folded, separators of MACs and serials dropped; spaces divide words. */
function foldForSearch(text: string): string {
  return text
    .toLowerCase()
    .replace(/[oilsbz]/g, (character) => LOOKALIKES[character] ?? character)
    .replace(/[^\p{L}\p{N}\s]+/gu, '');
}

interface Row {
  id: number;
  hardwarename: string;
  serial: string;
  hostname: string;
}

export function openMachineSearch(db: Database): MachineSearch {
  const put = db.prepare('INSERT INTO machine_search (rowid, ids, rest) VALUES (?, ?, ?)');
  const drop = db.prepare('DELETE FROM machine_search WHERE rowid = ?');
  const match = db.prepare<[string, number], Row>(
    `SELECT id, hardwarename, serial, hostname FROM machine_search JOIN machines ON machines.id = machine_search.rowid
     WHERE machine_search MATCH ? LIMIT ?`,
  );
  const byPrefix = db.prepare<[string, string, number], Row>(
    `SELECT id, hardwarename, serial, hostname FROM machines WHERE hardwarename >= ? AND hardwarename < ?
     ORDER BY hardwarename LIMIT ?`,
  );
  const frequency = db.prepare<[string], { doc: number }>(
    'SELECT doc FROM machine_search_terms WHERE term = ?',
  );
  const candidates = limit('searchCandidatesMax');

  return {
    index(id, record, more) {
      drop.run(id);
      put.run(id, foldForSearch(idsOf(record)), foldForSearch(restOf(record, more)));
    },
    forget: (id) => void drop.run(id),
    holding(parts, count) {
      const words = parts.map((part) => foldForSearch(part).trim());
      const long = words.filter((word) => [...word].length >= 3).map(quoted);
      if (long.length === 0) return [];
      const rows = match.all(`rest : (${long.join(' OR ')})`, count);
      return rows.map(({ hardwarename }) => hardwarename as Hardwarename);
    },
    find(question, count) {
      const words = foldForSearch(question).split(/\s+/).filter(Boolean);
      const whole = words.join('');
      const long = words.filter((word) => [...word].length >= 3);
      if (long.length === 0) {
        const prefix = question.trim().toUpperCase();
        if (prefix === '') return [];
        const rows = byPrefix.all(prefix, `${prefix}\uffff`, count);
        return rows.map(({ hardwarename }) => hit(hardwarename, 2));
      }
      const all = long.map(quoted).join(' AND ');
      const rows = [
        ...match.all(`ids : (${all})`, candidates),
        ...match.all(all, Math.max(count, 50)),
      ];
      const hits = rank(rows, whole);
      if (hits.length > 0) return hits.slice(0, count);
      return alike({ match, frequency }, long).slice(0, count);
    },
  };
}

const hit = (hardwarename: string, rank: SearchHit['rank']): SearchHit => ({
  hardwarename: hardwarename as Hardwarename,
  rank,
});

const quoted = (word: string): string => `"${word}"`;

function rank(rows: readonly Row[], whole: string): SearchHit[] {
  const seen = new Map<string, SearchHit>();
  for (const { hardwarename, serial, hostname } of rows) {
    const ids = [hardwarename, serial, hostname].map(foldForSearch);
    const exact = ids.includes(whole) || ids.some((id) => id.split(' ').includes(whole));
    const held = ids.some((id) => id.includes(whole));
    if (!seen.has(hardwarename))
      seen.set(hardwarename, hit(hardwarename, exact ? 3 : held ? 2 : 1));
  }
  return [...seen.values()].sort(byRank);
}

function byRank(a: SearchHit, b: SearchHit): number {
  return b.rank - a.rank || (a.hardwarename < b.hardwarename ? -1 : 1);
}

/**
 * Records whose names share at least a third of the trigrams of the longest word: a character or two were wrong. Only
 * the rarest trigrams are looked up, since what every serial of a site has in common finds nobody; each row that they
 * bring is scored by all of them.
 */
function alike(statements: Statements, words: readonly string[]): SearchHit[] {
  const longest = words.reduce((a, b) => (b.length > a.length ? b : a), '');
  const trigrams = trigramsOf(longest).slice(0, limit('searchTrigramsMax'));
  if (trigrams.length < 2) return [];
  const rarest = trigrams
    .map((term) => ({ term, documents: statements.frequency.get(term)?.doc ?? 0 }))
    .filter(({ documents }) => documents > 0)
    .sort((a, b) => a.documents - b.documents)
    .slice(0, RAREST);
  const scores = new Map<string, number>();
  for (const { term } of rarest) {
    for (const row of statements.match.all(`ids : ${quoted(term)}`, limit('searchCandidatesMax'))) {
      const ids = [row.hardwarename, row.serial, row.hostname].map(foldForSearch).join(' ');
      scores.set(row.hardwarename, trigrams.filter((trigram) => ids.includes(trigram)).length);
    }
  }
  return [...scores]
    .filter(([, score]) => score * 3 >= trigrams.length)
    .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    .map(([hardwarename]) => hit(hardwarename, 0));
}

/** Trigrams that are looked up when nothing holds the words; the others only score. */
const RAREST = 6;

interface Statements {
  readonly match: { all(expression: string, count: number): Row[] };
  readonly frequency: { get(term: string): { doc: number } | undefined };
}

function trigramsOf(word: string): string[] {
  const characters = [...word];
  const all = characters.slice(2).map((_, index) => characters.slice(index, index + 3).join(''));
  return [...new Set(all)];
}

function idsOf(record: MachineRecord): string {
  return [record.hardwarename, record.serial, record.hostname].join(' ');
}

function restOf(record: MachineRecord, { hardware, macs, addresses }: SearchText): string {
  const { role, squad, owner, rack, notes, orderNumber, product, bmcMac, bmcAddress } = record;
  const parts = [role, squad, owner, rack, notes, orderNumber, product, bmcMac, bmcAddress];
  return [
    ...parts,
    ...record.tags,
    ...macs,
    ...addresses,
    ...Object.values(record.custom),
    ...hardware.disks.map(({ serial, wwn }) => [serial ?? '', wwn ?? ''].join(' ')),
    ...[hardware.dmi.board?.serial ?? '', hardware.dmi.chassis?.assetTag ?? ''],
    ...hardware.nics.map(({ lldp }) => [lldp?.switch ?? '', lldp?.port ?? ''].join(' ')),
  ].join(' ');
}
