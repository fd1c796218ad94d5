/**
 * Lists of machines: filters and sorting on every field, a page at a time, without ever holding up a DHCP answer.
 *
 * A list is a sequence of bounded steps: each looks at no more than `listScanRowsMax` rows (`listScanReportsMax` where reports are read,
 * and fewer where patterns are looked for: `listScanLettersMax`) and takes about two milliseconds; between two steps the caller gives the event loop back. By hardwarename (the default) the walk follows an
 * index and ends with the page; by any other field all rows are walked and the best of them kept. A page continues
 * behind the last record of the one before, so that records that come and go in between move nothing.
 */
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import { unreachable } from '../wire/result.ts';
import {
  FIELD_COLUMNS,
  FIELD_NAMES,
  type FieldName,
  MACHINE_FIELDS,
  type MachineRecord,
  recordFromRow,
  type SqlValue,
  toColumn,
} from './machine-fields.ts';
import { hasPart, isPartField, kindOf, type PartField, partColumn } from './machine-parts.ts';
import { addWildcards, wildcardWork } from './wildcards.ts';

export type FilterOp = 'is' | 'not' | 'like' | 'gte' | 'lte' | 'has';

/** What lists filter on of a machine's NICs, with the column that has it. */
export const NIC_FIELDS = {
  'nic.mac': { column: 'nics.mac', says: 'MAC of a NIC.' },
  'nic.switch': { column: 'nics.switch', says: 'Switch that a NIC sees by LLDP.' },
  'nic.port': { column: 'nics.port', says: 'Port of that switch.' },
  'nic.address': { column: 'addresses.address', says: 'Address that is reserved for a NIC.' },
  'nic.subnet': { column: 'addresses.subnet', says: 'Subnet of that address.' },
} as const;
export type NicField = keyof typeof NIC_FIELDS;
export type FilterField = FieldName | NicField | PartField;

export const isNicField = (field: string): field is NicField => Object.hasOwn(NIC_FIELDS, field);

export interface Filter {
  readonly field: FilterField;
  readonly op: FilterOp;
  /** Any of them; `like` takes * and ? as wildcards. */
  readonly values: readonly (string | number | boolean)[];
}

export interface ListQuery {
  readonly filters: readonly Filter[];
  readonly sort: FieldName;
  readonly descending: boolean;
  readonly count: number;
  /** As `next` of the page before. */
  readonly cursor?: string | undefined;
}

export interface MachinePage {
  readonly records: readonly MachineRecord[];
  /** Absent on the last page. */
  readonly next?: string;
}

/** Machines that belong together; a rack's name is its own within its site only. */
export type MachineGroup =
  | { readonly by: 'rack'; readonly name: string; readonly site: string }
  | { readonly by: 'role' | 'site'; readonly name: string };

export interface MachineQuery {
  /** Bounded steps; the value of the last one is the page. @throws AppError REQUEST_INVALID for a strange cursor */
  page(query: ListQuery): Generator<undefined, MachinePage>;
  /** How many there are, in bounded steps too. */
  count(filters: readonly Filter[]): Generator<undefined, number>;
  /** The names of the custom fields that any of them has a value for, in order; in bounded steps too. */
  customNames(filters: readonly Filter[]): Generator<undefined, string[]>;
  /** How many machines are in it; counting stops at `most`. */
  sizeOf(group: MachineGroup, most: number): number;
}

type Row = Record<string, SqlValue>;
/** Where a page ended: the sort field's value and the hardwarename. */
type Position = readonly [SqlValue, string];

interface Where {
  readonly sql: string;
  readonly values: readonly SqlValue[];
}

/** Filters that an index (field, hardwarename) answers in the order of the default sort. */
const INDEXED: readonly FieldName[] = ['rack', 'role', 'hardwareType', 'squad', 'state'];

export function openMachineQuery(db: Database): MachineQuery {
  addWildcards(db);
  const sizeOf = (where: string) =>
    db.prepare<(string | number)[], { size: number }>(
      `SELECT count(*) AS size FROM (SELECT 1 FROM machines WHERE ${where} LIMIT ?)`,
    );
  const sizes = {
    rack: sizeOf('rack = ? AND site = ?'),
    role: sizeOf('role = ?'),
    site: sizeOf('site = ?'),
  };
  return {
    sizeOf(group, most) {
      const { by, name } = group;
      const names = by === 'rack' ? [name, group.site] : [name];
      return sizes[by].get(...names, most)?.size ?? 0;
    },
    *page(query) {
      const after = query.cursor === undefined ? undefined : readCursor(query.cursor, query);
      return query.sort === 'hardwarename'
        ? yield* walk(db, query, after)
        : yield* select(db, query, after);
    },
    *customNames(filters) {
      const { sql, values } = whereOf(filters);
      const rowsMax = rowsOf(filters);
      const names = new Set<string>();
      const end = db.prepare<[number, number], { last: number | null }>(
        'SELECT max(id) AS last FROM (SELECT id FROM machines WHERE id > ? ORDER BY id LIMIT ?)',
      );
      const step = db.prepare<unknown[], { name: string }>(
        `SELECT DISTINCT json_each.key AS name FROM machines, json_each(machines.custom)
         WHERE machines.id > ? AND machines.id <= ? AND machines.custom <> '{}' AND json_each.value <> '' AND ${sql}`,
      );
      for (let id = 0; ; yield) {
        const last = end.get(id, rowsMax)?.last ?? null;
        if (last === null) return [...names].sort();
        for (const { name } of step.all(id, last, ...values)) names.add(name);
        id = last;
      }
    },
    *count(filters) {
      const { sql, values } = whereOf(filters);
      const rowsMax = rowsOf(filters);
      const step = db.prepare<unknown[], { last: number | null; hits: number }>(
        `SELECT max(id) AS last, count(*) FILTER (WHERE ${sql}) AS hits
         FROM (SELECT * FROM machines WHERE id > ? ORDER BY id LIMIT ?) AS machines`,
      );
      let total = 0;
      for (let id = 0; ; ) {
        const row = step.get(...values, id, rowsMax);
        total += row?.hits ?? 0;
        if (!row || row.last === null) return total;
        id = row.last;
        yield;
      }
    },
  };
}

/**
 * By hardwarename, along its index or along that of one exact filter. Each step first finds, in the index alone, where the
 * rows that it may look at end; then it reads those that pass, and stops when the page is full.
 */
function* walk(
  db: Database,
  { filters, descending, count }: ListQuery,
  after: Position | undefined,
): Generator<undefined, MachinePage> {
  const exact = (field: FilterField) =>
    filters.find((one) => one.field === field && one.op === 'is' && one.values.length === 1);
  const driver = INDEXED.map(exact).find((one) => one !== undefined);
  const along = driver ? whereOf([driver]) : { sql: '1', values: [] };
  const { sql, values } = whereOf(filters);
  const rowsMax = rowsOf(filters);
  const [beyond, within, order] = descending ? ['<', '>=', 'DESC'] : ['>', '<=', 'ASC'];
  const begin = descending ? '\u{10ffff}' : '';
  const end = db.prepare<unknown[], { name: string }>(
    `SELECT machines.hardwarename AS name FROM machines WHERE ${along.sql} AND hardwarename ${beyond} ?
     ORDER BY hardwarename ${order} LIMIT 1 OFFSET ?`,
  );
  const read = db.prepare<unknown[], Row>(
    `SELECT ${FIELD_COLUMNS} FROM machines WHERE ${sql} AND hardwarename ${beyond} ? AND hardwarename ${within} ?
     ORDER BY hardwarename ${order} LIMIT ?`,
  );
  const records: MachineRecord[] = [];
  for (let from = after?.[1] ?? begin; ; ) {
    const to = end.get(...along.values, from, rowsMax - 1)?.name;
    const wanted = count + 1 - records.length;
    const rows = read.all(...values, from, to ?? (descending ? '' : '\u{10ffff}'), wanted);
    records.push(...rows.map(recordFromRow));
    if (records.length > count || to === undefined) return pageOf(records, count, 'hardwarename');
    from = to;
    yield;
  }
}

/** By any field: every row is walked, the best `count + 1` behind the cursor are kept. */
function* select(
  db: Database,
  query: ListQuery,
  after: Position | undefined,
): Generator<undefined, MachinePage> {
  const { column } = MACHINE_FIELDS[query.sort];
  const { sql, values } = whereOf(query.filters);
  const rowsMax = rowsOf(query.filters);
  const step = db.prepare<unknown[], { id: number; hardwarename: string; key: SqlValue }>(
    `SELECT id, hardwarename, "${column}" AS key, (${sql}) AS hit
     FROM (SELECT * FROM machines WHERE id > ? ORDER BY id LIMIT ?) AS machines`,
  );
  const order = (a: Position, b: Position) => (query.descending ? compare(b, a) : compare(a, b));
  let best: Position[] = [];
  const keep = query.count + 1;
  for (let id = 0; ; ) {
    const rows = step.all(...values, id, rowsMax) as {
      id: number;
      hardwarename: string;
      key: SqlValue;
      hit: number;
    }[];
    const worst = best.length >= keep ? best.at(-1) : undefined;
    const found = rows.flatMap(({ hit, key, hardwarename }): Position[] => {
      const position: Position = [key, hardwarename];
      const wanted = hit === 1 && (!after || order(position, after) > 0);
      return wanted && (!worst || order(position, worst) < 0) ? [position] : [];
    });
    if (found.length > 0) best = [...best, ...found].sort(order).slice(0, keep);
    if (rows.length < rowsMax) break;
    id = rows.at(-1)?.id ?? id;
    yield;
  }
  const one = db.prepare<[string], Row>(
    `SELECT ${FIELD_COLUMNS} FROM machines WHERE hardwarename = ?`,
  );
  const records = best.flatMap(([, hardwarename]) => {
    const row = one.get(hardwarename);
    return row ? [recordFromRow(row)] : [];
  });
  return pageOf(records, query.count, query.sort);
}

function compare(a: Position, b: Position): number {
  if (a[0] !== b[0]) return a[0] < b[0] ? -1 : 1;
  return a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : 0;
}

function pageOf(records: MachineRecord[], count: number, sort: FieldName): MachinePage {
  if (records.length <= count) return { records };
  const page = records.slice(0, count);
  const last = page.at(-1);
  if (!last) return { records: page };
  const position = [sort, toColumn(sort, last[sort]), last.hardwarename];
  return { records: page, next: Buffer.from(JSON.stringify(position)).toString('base64url') };
}

function readCursor(cursor: string, { sort }: ListQuery): Position {
  const strange = (cause?: unknown) =>
    new AppError('REQUEST_INVALID', {
      detail: 'This cursor is not one of this list.',
      path: '/cursor',
      cause,
    });
  let position: unknown;
  try {
    position = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch (cause) {
    throw strange(cause);
  }
  const [field, key, hardwarename] = Array.isArray(position) ? position : [];
  const known = FIELD_NAMES.includes(field) && typeof hardwarename === 'string';
  if (!known || field !== sort || !['string', 'number'].includes(typeof key)) throw strange();
  return [key, hardwarename];
}

/**
 * One condition for each filter, all of which must hold; those on NICs hold together of one NIC, those on one kind of part of one
 * part. Columns come from the tables
 * of fields, values are bound.
 */
function whereOf(filters: readonly Filter[]): Where {
  const plain = filters.filter(({ field }) => !isNicField(field) && !isPartField(field));
  const ofNics = filters.filter(({ field }) => isNicField(field));
  const parts = plain.map(whereField);
  if (ofNics.length > 0) parts.push(whereNic(ofNics));
  parts.push(...whereParts(filters.filter(({ field }) => isPartField(field))));
  return {
    sql: parts.length === 0 ? '1' : parts.map(({ sql }) => sql).join(' AND '),
    values: parts.flatMap(({ values }) => values),
  };
}

/** How many rows a step has: reports are large, and patterns cost what the texts are long that they may meet. */
export function rowsOf(filters: readonly Filter[]): number {
  const reads = filters.some(({ field }) => isPartField(field));
  const most = limit(reads ? 'listScanReportsMax' : 'listScanRowsMax');
  let letters = 0;
  for (const { field, op, values } of filters)
    if (op === 'like')
      for (const value of values) letters += wildcardWork(textCharsOf(field), String(value));
  return Math.max(
    1,
    Math.min(most, Math.floor(limit('listScanLettersMax') / Math.max(1, letters))),
  );
}

/** A machine has several NICs and parts: taken together, they are a page. */
function textCharsOf(field: FilterField): number {
  const isPage = field === 'notes' || isNicField(field) || isPartField(field);
  return limit(isPage ? 'notesCharsMax' : 'fieldTextCharsMax');
}

function whereParts(filters: readonly Filter[]): Where[] {
  const kinds = Map.groupBy(filters, ({ field }) => kindOf(field as PartField));
  return [...kinds.values()].map((together): Where => {
    const found = together.map(({ field, op, values }) =>
      compareSql(partColumn(field as PartField), op, values as readonly SqlValue[]),
    );
    const conditions = found.map(({ sql }) => sql);
    return {
      sql: hasPart(together[0]?.field as PartField, conditions),
      values: found.flatMap(({ values }) => values),
    };
  });
}

function whereField({ field, op, values }: Filter): Where {
  const { column, type } = MACHINE_FIELDS[field as FieldName];
  const bound = values.map((value) =>
    type === 'flag' ? toColumn(field as FieldName, value) : (value as SqlValue),
  );
  return op === 'has'
    ? { sql: hasSql(column, type, values.length), values: bound }
    : compareSql(`machines."${column}"`, op, bound);
}

function whereNic(filters: readonly Filter[]): Where {
  const parts = filters.map(({ field, op, values }) =>
    compareSql(NIC_FIELDS[field as NicField].column, op, values as readonly SqlValue[]),
  );
  return {
    sql: `EXISTS (SELECT 1 FROM nics LEFT JOIN addresses ON addresses.mac = nics.mac
      WHERE nics.hardwarename = machines.hardwarename AND ${parts.map(({ sql }) => sql).join(' AND ')})`,
    values: parts.flatMap(({ values }) => values),
  };
}

function compareSql(column: string, op: FilterOp, values: readonly SqlValue[]): Where {
  const marks = values.map(() => '?').join();
  switch (op) {
    case 'is':
      return { sql: `${column} IN (${marks})`, values };
    case 'not':
      return { sql: `${column} NOT IN (${marks})`, values };
    case 'like':
      return {
        sql: `(${values.map(() => `wildcards(${column}, ?)`).join(' OR ')})`,
        values,
      };
    case 'gte':
      return { sql: `${column} >= ?`, values: values.slice(0, 1) };
    case 'lte':
      return { sql: `${column} <= ?`, values: values.slice(0, 1) };
    case 'has':
      return { sql: '0', values: [] };
    default:
      return unreachable(op);
  }
}

/** Every one of the tags; or, for custom fields, every `name=value`. */
function hasSql(column: string, type: string, count: number): string {
  const one =
    type === 'map'
      ? `EXISTS (SELECT 1 FROM json_each(machines."${column}") WHERE json_each.key || '=' || json_each.value = ?)`
      : `EXISTS (SELECT 1 FROM json_each(machines."${column}") WHERE json_each.value = ?)`;
  return Array.from({ length: count }, () => one).join(' AND ');
}
