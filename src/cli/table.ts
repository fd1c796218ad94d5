/**
 * Plain tables for a terminal.
 */

/** Rows with aligned columns. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  }
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join(' | ')
        .trimEnd(),
    )
    .join('\n');
}

/** One line for each field: its name in words, and its value. */
export function properties(value: object): string {
  const rows = Object.entries(value).map(([name, field]): [string, string] => [
    name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`),
    Array.isArray(field) ? field.join(', ') : String(field),
  ]);
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, field]) => `${name.padEnd(width)} : ${field}`.trimEnd()).join('\n');
}
