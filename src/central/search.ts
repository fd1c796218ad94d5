/**
 * Machines by parts of their words, over all sites, in a time that does not grow with them.
 *
 * Which way is short depends on how many machines there are of what is looked for, which nobody knows before:
 *
 * 1. of what many have, a page is full after some of the machines in an order that has nothing to do with their names (a hash: names of one
 *    vendor or site lie together, and so may all that is looked for);
 * 2. of what few have, an index over parts of words knows all of them, and they come by name;
 * 3. what is too short for that index, and not in many, is looked for in so many machines for a page. That page may have few or none: the
 *    cursor says where to go on, and only without one was all looked through.
 *
 * Where the database has no such index (SQLite, PostgreSQL without pg_trgm), the words of every machine are read in the order of their names.
 */
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import { asWords } from './machines.ts';
import type { FleetDatabase, SqlRow, SqlValue } from './sql.ts';
import { TURN, type WordIndexes } from './word-index.ts';

export interface FoundMachine extends SqlRow {
  hardwarename: string;
  site: string;
}

export interface SearchPage {
  readonly found: readonly FoundMachine[];
  /** There may be more behind it. */
  readonly next?: string;
}

export interface SearchWish {
  readonly words: string;
  readonly count: number;
  readonly cursor?: string | undefined;
}

interface Position extends FoundMachine {
  /** In which order the page was. */
  readonly by: 'name' | 'turn';
}

/** One that many have never ends a search, nor one that comes twice. */
const PIECES_MAX = 8;

/** @throws AppError REQUEST_INVALID for what is no cursor */
export function openSearch(
  db: FleetDatabase,
  indexes: WordIndexes,
): (wish: SearchWish) => Promise<SearchPage> {
  // PostgreSQL's own is the backslash; an index over parts of words wants no more said.
  const backslash = db.engine === 'sqlite' ? " ESCAPE '\\'" : '';
  const likeOf = (pieces: readonly string[]) => ({
    where: pieces.map(() => `words LIKE ?${backslash}`).join(' AND '),
    values: pieces.map((piece) => `%${piece.replace(/[\\%_]/g, '\\$&')}%`),
  });
  /** All that there are behind this one, by name. */
  const named = (pieces: readonly string[], after: Position | undefined, count: number) => {
    const { where, values } = likeOf(pieces);
    const { and, place } = nameBound(after);
    return db.all<FoundMachine>(
      `SELECT hardwarename, site FROM machine_words WHERE ${where} ${and}
       ORDER BY hardwarename, site LIMIT ?`,
      [...values, ...place, count],
    );
  };
  /** In the order of turns, among the next so many machines. With `next` where they were not the last ones. */
  const walk = async (pieces: readonly string[], of: Walk): Promise<SearchPage> => {
    const { where, values } = likeOf(pieces);
    const { and, place } = turnBound(of.after);
    const passed = `FROM machine_words WHERE TRUE ${and} ORDER BY ${TURN}, hardwarename, site`;
    // The end of the walk in the same statement, so that what goes or comes meanwhile moves it nowhere; looked for where it is wanted alone.
    const rows = await db.all<FoundMachine & { is_end: number }>(
      `(SELECT hardwarename, site, 0 AS is_end FROM
         (SELECT hardwarename, site, words, ${TURN} AS turn ${passed} LIMIT ?) AS passed
         WHERE ${where} ORDER BY turn, hardwarename, site LIMIT ?)
       UNION ALL (SELECT hardwarename, site, 1 AS is_end ${passed} LIMIT 1 OFFSET ?) LIMIT ?`,
      [
        ...[...place, of.machines, ...values, of.count + 1],
        ...[...place, of.machines - 1, of.count + 1],
      ],
    );
    const found = rows.filter(({ is_end }) => is_end === 0).map(placeOf);
    const page = found.slice(0, of.count);
    const last = found.length > of.count ? page.at(-1) : rows.find(({ is_end }) => is_end === 1);
    return { found: page, ...(last && { next: cursorOf({ ...placeOf(last), by: 'turn' }) }) };
  };
  /** By the index, if it knows of few; what has not the pieces that are too short for it is taken out. */
  const few = async (
    pieces: readonly string[],
    after: Position | undefined,
    count: number,
  ): Promise<SearchPage | undefined> => {
    const inIndex = likeOf(pieces.filter(isInIndex));
    const short = likeOf(pieces.filter((piece) => !isInIndex(piece)));
    const { and, place } = nameBound(after);
    const most = limit('fleetSearchFewMax');
    const rows = await db.all<{ known: number; hardwarename: string | null; site: string | null }>(
      // Planned as if all were wanted: for some of many, PostgreSQL would rather read one machine after the other.
      `WITH known AS MATERIALIZED
         (SELECT hardwarename, site, words FROM machine_words WHERE ${inIndex.where} ${and}),
       few AS MATERIALIZED (SELECT hardwarename, site, words FROM known LIMIT ?)
       SELECT (SELECT count(*) FROM few) AS known, page.hardwarename, page.site
       FROM (SELECT 1) AS one LEFT JOIN
         (SELECT hardwarename, site FROM few WHERE ${short.where || 'TRUE'}
          ORDER BY hardwarename, site LIMIT ?) AS page ON TRUE
       ORDER BY page.hardwarename, page.site`,
      [...inIndex.values, ...place, most + 1, ...short.values, count + 1],
    );
    if ((rows[0]?.known ?? 0) > most) return undefined;
    const found = rows.flatMap(({ hardwarename, site }) =>
      hardwarename !== null && site !== null ? [{ hardwarename, site }] : [],
    );
    return pageOf(found, count);
  };
  return async ({ words, count, cursor }) => {
    const pieces = piecesOf(words);
    if (pieces.length === 0) return { found: [] };
    const after = cursor === undefined ? undefined : readCursor(cursor);
    const isKnown = indexes.parts && pieces.some(isInIndex);
    const machines = limit('fleetSearchWalkMax');
    if (after?.by === 'turn' && indexes.turns) return walk(pieces, { after, machines, count });
    const isWalked = indexes.turns && after === undefined;
    if (isWalked) {
      const page = await walk(pieces, { machines: limit('fleetSearchGlanceMax'), count });
      if (page.next === undefined || page.found.length === count) return page;
    }
    const known = isKnown ? await few(pieces, after, count) : undefined;
    if (known) return known;
    if (isWalked && indexes.parts) return walk(pieces, { machines, count });
    return pageOf(await named(pieces, after, count + 1), count);
  };
}

interface Walk {
  readonly after?: Position | undefined;
  readonly machines: number;
  readonly count: number;
}

const placeOf = ({ hardwarename, site }: FoundMachine): FoundMachine => ({ hardwarename, site });

const piecesOf = (words: string): string[] =>
  [...new Set(asWords(words).split(/\s+/).filter(Boolean))].slice(0, PIECES_MAX);

/**
 * Whether pg_trgm finds it by groups of three: of letters and digits that lie together, or of two words that end or begin at a sign
 * between them. What has fewer stands for too many machines.
 */
const isInIndex = (piece: string): boolean =>
  /[a-z0-9]{3}/.test(piece) || (piece.match(/[a-z0-9]/g)?.length ?? 0) >= 4;

/** @param rows by name, as the database has names in order; one more than a page where there are more */
function pageOf(rows: readonly FoundMachine[], count: number): SearchPage {
  const found = rows.slice(0, count).map(placeOf);
  const last = found.at(-1);
  return { found, ...(last && rows.length > count && { next: cursorOf({ ...last, by: 'name' }) }) };
}

interface Bound {
  readonly and: string;
  readonly place: readonly SqlValue[];
}

const NO_BOUND: Bound = { and: '', place: [] };

function nameBound(after: Position | undefined): Bound {
  if (!after) return NO_BOUND;
  const { hardwarename, site } = after;
  return { and: 'AND (hardwarename, site) > (?, ?)', place: [hardwarename, site] };
}

function turnBound(after: Position | undefined): Bound {
  if (!after) return NO_BOUND;
  const { hardwarename, site } = after;
  return {
    and: `AND (${TURN}, hardwarename, site) > (${TURN.replace('hardwarename', '?')}, ?, ?)`,
    place: [hardwarename, hardwarename, site],
  };
}

const cursorOf = ({ by, hardwarename, site }: Position): string =>
  Buffer.from(JSON.stringify([by, hardwarename, site])).toString('base64url');

function readCursor(text: string): Position {
  try {
    const [by, hardwarename, site] = JSON.parse(Buffer.from(text, 'base64url').toString());
    const isOne = typeof hardwarename === 'string' && typeof site === 'string';
    if (isOne && (by === 'name' || by === 'turn')) return { by, hardwarename, site };
  } catch {
    // Said below, for whatever it is.
  }
  throw new AppError('REQUEST_INVALID', { detail: 'This is no cursor.', path: '/cursor' });
}
