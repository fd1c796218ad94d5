/**
 * Machines as rows of a sheet: the columns, how a field is written in a cell, and how it is read again. Lists are divided
 * by spaces, custom fields are columns named `custom.NAME`, NICs are `MAC` or `MAC=ADDRESS@SUBNET` divided by spaces.
 *
 * What a sheet holds of what people write comes back as it was: an export that is taken into an empty ServerDb is the same
 * export again, but for the columns that follow from reports, transitions and time.
 */
import { AppError } from '../../errors.ts';
import {
  FIELD_NAMES,
  MACHINE_FIELDS,
  type MachineRecord,
  WRITABLE_NAMES,
  type WritableName,
} from '../../inventory/machine-fields.ts';
import type { MachineNic } from '../../inventory/machines.ts';

/** What every export holds; an import takes any of them in any order, and refuses what it does not know. */
const SHEET_COLUMNS: readonly string[] = [
  ...FIELD_NAMES.filter((name) => name !== 'custom'),
  'nics',
];

/** Columns of an export that say what is; an import passes them by. */
const PASSED_BY = new Set<string>(
  FIELD_NAMES.filter((name) => MACHINE_FIELDS[name].writer === 'never'),
);
const IDENTITY = ['hardwarename', 'serial', 'manufacturer', 'product', 'state'] as const;

/** The columns that come back from an import as they went out: what people write, and what names a machine. */
export const FAITHFUL_COLUMNS: readonly string[] = [
  ...IDENTITY.filter((name) => name !== 'state'),
  ...WRITABLE_NAMES.filter((name) => name !== 'custom'),
  'nics',
];

/** @param customNames the custom fields that any of the machines has */
export function columnsOf(customNames: readonly string[]): string[] {
  return [...SHEET_COLUMNS, ...customNames.map((name) => `custom.${name}`)];
}

export function rowOf(
  columns: readonly string[],
  record: MachineRecord,
  nics: readonly MachineNic[],
): string[] {
  return columns.map((column) => {
    // By MAC: their names come with the next report, and may order them otherwise.
    if (column === 'nics') return nics.map(nicCell).sort().join(' ');
    if (column.startsWith('custom.')) return record.custom[column.slice(7)] ?? '';
    const value = record[column as keyof MachineRecord];
    if (value === null || value === undefined) return '';
    return Array.isArray(value) ? value.join(' ') : String(value);
  });
}

function nicCell({ mac, address, subnet }: MachineNic): string {
  return address === '' ? mac : `${mac}=${address}@${subnet}`;
}

export interface SheetRow {
  /** Which row of the sheet, or which machine of the list, from 1. */
  readonly number: number;
  readonly hardwarename: string;
  /** A sheet: custom fields that it has no column for stay. */
  readonly isSheet: boolean;
  /** Where it was, elsewhere: for a machine that is entered. */
  readonly was: { readonly state: string; readonly mayHoldData: boolean };
  /** As the API would be given it; still to be checked against the schemas. */
  readonly entry: Readonly<Record<string, unknown>>;
  /** Only the fields that a patch may hold. */
  readonly changes: Readonly<Record<string, unknown>>;
}

/** @throws AppError REQUEST_INVALID for a column that nobody knows */
export function readHeader(header: readonly string[]): string[] {
  const names = header.map((name) => name.trim());
  for (const [index, name] of names.entries()) {
    if (names.indexOf(name) !== index)
      throw new AppError('REQUEST_INVALID', { detail: `Two columns are called '${name}'.` });
    const known = SHEET_COLUMNS.includes(name) || /^custom\.[A-Za-z][A-Za-z0-9_]{0,62}$/.test(name);
    if (!known) {
      const detail = `No column is called '${name.slice(0, 64)}'; there are: ${WRITABLE_NAMES.join(', ')}, ${IDENTITY.join(', ')}, nics, custom.NAME.`;
      throw new AppError('REQUEST_INVALID', { detail });
    }
  }
  return names;
}

/** Empty cells change nothing. */
export function readRow(
  columns: readonly string[],
  cells: readonly string[],
  number: number,
): SheetRow {
  const identity: Record<string, string> = {};
  const changes: Record<string, unknown> = {};
  const custom: Record<string, string> = {};
  let nics: unknown;
  let mayHoldData = false;
  for (const [index, column] of columns.entries()) {
    const cell = (cells[index] ?? '').trim();
    if (cell === '') continue;
    if (column.startsWith('custom.')) custom[column.slice(7)] = cell;
    else if (column === 'nics') nics = cell.split(/\s+/).map(readNic);
    else if ((IDENTITY as readonly string[]).includes(column)) identity[column] = cell;
    else if (column === 'mayHoldData') mayHoldData = readFlag(cell) === true;
    else if (!PASSED_BY.has(column)) changes[column] = readCell(column as WritableName, cell);
  }
  if (Object.keys(custom).length > 0) changes.custom = custom;
  const { hardwarename = '', state = '', ...rest } = identity;
  const entry = { ...rest, ...changes, ...(nics === undefined ? {} : { nics }) };
  return { number, hardwarename, isSheet: true, was: { state, mayHoldData }, entry, changes };
}

/** Cells beyond the last column are of some other sheet, or a comma was not quoted. */
export function hasTooMany(columns: readonly string[], cells: readonly string[]): boolean {
  return cells.slice(columns.length).some((cell) => cell.trim() !== '');
}

const readFlag = (cell: string): boolean | string =>
  /^(true|yes|1)$/i.test(cell) ? true : /^(false|no|0)$/i.test(cell) ? false : cell;

function readCell(name: WritableName, cell: string): unknown {
  switch (MACHINE_FIELDS[name].type) {
    case 'integer':
      return /^-?\d{1,15}$/.test(cell) ? Number(cell) : cell;
    case 'flag':
      return readFlag(cell);
    case 'list':
      return cell.split(/\s+/);
    default:
      return cell;
  }
}

function readNic(text: string): Record<string, string> {
  const [mac = '', place = ''] = text.split('=');
  const [address = '', subnet = ''] = place.split('@');
  return { mac, ...(address === '' ? {} : { address }), ...(subnet === '' ? {} : { subnet }) };
}
