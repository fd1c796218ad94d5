/** How values are shown to people: tables, times, sizes. Programs get `--json` and see the API's own documents. */
import type { CliContext, CommonOptions } from './connection.ts';

export interface Column<Row> {
  readonly title: string;
  readonly of: (row: Row) => string;
}

/** Prints the document for programs, or its rows for people. */
export function show<Row>(
  context: CliContext,
  options: CommonOptions,
  shown: {
    readonly document: unknown;
    readonly rows: readonly Row[];
    readonly columns: readonly Column<Row>[];
  },
): void {
  if (options.json) {
    context.write(`${JSON.stringify(shown.document)}\n`);
    return;
  }
  if (shown.rows.length === 0) {
    context.write('nothing found\n');
    return;
  }
  const head = shown.columns.map(({ title }) => title);
  const rows = shown.rows.map((row) => shown.columns.map(({ of }) => of(row)));
  context.write(renderTable([head, ...rows]));
}

/** One record, a line for each field that holds something. */
export function showRecord(
  context: CliContext,
  options: CommonOptions,
  record: Readonly<Record<string, unknown>>,
): void {
  if (options.json) {
    context.write(`${JSON.stringify(record)}\n`);
    return;
  }
  const lines = Object.entries(record)
    .map(([name, value]) => [name, textOf(name, value)] as const)
    .filter(([, text]) => text !== '');
  const width = Math.max(...lines.map(([name]) => name.length));
  for (const [name, text] of lines) context.write(`${name.padEnd(width)}  ${text}\n`);
}

function textOf(name: string, value: unknown): string {
  if (value === null || value === undefined || value === '') return '';
  if (typeof value === 'number') return numberOf(name, value);
  if (Array.isArray(value)) return value.map((item) => textOf('', item)).join(', ');
  if (typeof value === 'object') {
    return Object.entries(value)
      .map(([key, item]) => `${key}=${textOf(key, item)}`)
      .filter((pair) => !pair.endsWith('='))
      .join(' ');
  }
  return String(value);
}

function numberOf(name: string, value: number): string {
  if (/At$/.test(name) || name === 'at' || name === 'asOf') return time(value);
  if (/Bytes$/.test(name)) return bytes(value);
  return value === 0 ? '' : String(value);
}

/** Local to nobody: UTC, as everywhere in the appliance. */
export function time(ms: number | null | undefined): string {
  return ms ? new Date(ms).toISOString().replace('T', ' ').slice(0, 19) : '';
}

export function bytes(value: number): string {
  if (value === 0) return '';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(value) / 10));
  return `${(value / 1024 ** power).toFixed(power > 2 ? 1 : 0)} ${units[power]}`;
}

export function done(context: CliContext, options: CommonOptions, text: string, body?: unknown) {
  context.write(options.json ? `${JSON.stringify(body ?? { done: text })}\n` : `${text}\n`);
}

/** Columns two spaces apart; a trailing blank is no column. */
export function renderTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) =>
    Math.max(...rows.map((row) => (row[at] ?? '').length)),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd();
  return rows.map((row) => `${line(row)}\n`).join('');
}
