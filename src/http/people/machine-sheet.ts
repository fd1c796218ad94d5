/**
 * Machines as rows of a sheet: the columns, how a field is written in a cell, and how it is read again. Lists are divided
 * by spaces, custom fields are columns named `custom.NAME`, NICs are `MAC` or `MAC=ADDRESS@SUBNET` divided by spaces.
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

/** What an export holds; an import takes any of them in any order, and refuses what it does not know. */
export const SHEET_COLUMNS: readonly string[] = [
  ...FIELD_NAMES.filter((name) => name !== 'custom'),
  'nics',
];

/** Columns of an export that say what is; an import passes them by. */
const PASSED_BY = new Set<string>(
  FIELD_NAMES.filter((name) => MACHINE_FIELDS[name].writer === 'never'),
);
const IDENTITY = ['hardwarename', 'serial', 'manufacturer', 'product', 'state'] as const;

export function rowOf(record: MachineRecord, nics: readonly MachineNic[]): string[] {
  return SHEET_COLUMNS.map((column) => {
    if (column === 'nics') return nics.map(nicCell).join(' ');
    const value = record[column as keyof MachineRecord];
    if (value === null || value === undefined) return '';
    return Array.isArray(value) ? value.join(' ') : String(value);
  });
}

function nicCell({ mac, address, subnet }: MachineNic): string {
  return address === '' ? mac : `${mac}=${address}@${subnet}`;
}

export interface SheetRow {
  readonly hardwarename: string;
  /** As the API would be given it; still to be checked against the schemas. */
  readonly entry: Readonly<Record<string, unknown>>;
  /** Only the fields that a patch may hold. */
  readonly changes: Readonly<Record<string, unknown>>;
}

/** @throws AppError REQUEST_INVALID for a column that nobody knows */
export function readHeader(header: readonly string[]): string[] {
  const names = header.map((name) => name.trim());
  for (const name of names) {
    const known =
      SHEET_COLUMNS.includes(name) || name === 'custom' || /^custom\.[A-Za-z]\w{0,62}$/.test(name);
    if (!known) {
      const detail = `No column is called '${name.slice(0, 64)}'; there are: ${WRITABLE_NAMES.join(', ')}, ${IDENTITY.join(', ')}, nics, custom.NAME.`;
      throw new AppError('REQUEST_INVALID', { detail });
    }
  }
  return names;
}

/** Empty cells change nothing. */
export function readRow(columns: readonly string[], cells: readonly string[]): SheetRow {
  const identity: Record<string, unknown> = {};
  const changes: Record<string, unknown> = {};
  const custom: Record<string, string> = {};
  let nics: unknown;
  for (const [index, column] of columns.entries()) {
    const cell = (cells[index] ?? '').trim();
    if (cell === '') continue;
    if (column.startsWith('custom.')) custom[column.slice(7)] = cell;
    else if (column === 'nics') nics = cell.split(/\s+/).map(readNic);
    else if ((IDENTITY as readonly string[]).includes(column)) identity[column] = cell;
    else if (!PASSED_BY.has(column)) changes[column] = readCell(column as WritableName, cell);
  }
  if (Object.keys(custom).length > 0) changes.custom = custom;
  const { hardwarename = '', ...rest } = identity;
  const entry = { ...rest, ...changes, ...(nics === undefined ? {} : { nics }) };
  return { hardwarename: String(hardwarename), entry, changes };
}

function readCell(name: WritableName, cell: string): unknown {
  switch (MACHINE_FIELDS[name].type) {
    case 'integer':
      return /^-?\d{1,15}$/.test(cell) ? Number(cell) : cell;
    case 'flag':
      return /^(true|yes|1)$/i.test(cell) ? true : /^(false|no|0)$/i.test(cell) ? false : cell;
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
