/**
 * CSV as spreadsheets write it (RFC 4180): quoted cells, doubled quotes, CRLF or LF, commas or semicolons, a byte order
 * mark. Pure and total. A cell that a spreadsheet would run as a formula gets an apostrophe before it on the way out,
 * which is taken off again on the way in; so does one that looks as if it had one, so that every cell comes back as it was.
 */

export type CsvResult =
  | {
      readonly ok: true;
      readonly rows: readonly (readonly string[])[];
      /** For each row which one of the sheet it is, the first being 1: what a spreadsheet shows beside it. */
      readonly numbers: readonly number[];
    }
  | { readonly ok: false; readonly line: number; readonly why: string };

/** @param text a whole sheet. @returns every row, blank ones left out */
export function parseCsv(text: string): CsvResult {
  const source = text.replace(/^\uFEFF/, '');
  const separator = separatorOf(source);
  const rows: string[][] = [];
  const numbers: number[] = [];
  let count = 0;
  let row: string[] = [];
  let cell = '';
  let line = 1;
  let quotedSince = 0;
  const endCell = () => {
    row.push(cell.replace(/^'(?='*[=+\-@])/, ''));
    cell = '';
  };
  const endRow = () => {
    endCell();
    count += 1;
    if (row.some((value) => value !== '')) {
      rows.push(row);
      numbers.push(count);
    }
    row = [];
  };
  for (let at = 0; at < source.length; at++) {
    const character = source[at];
    if (character === '\n') line += 1;
    if (quotedSince > 0) {
      if (character !== '"') cell += character;
      else if (source[at + 1] === '"') {
        cell += '"';
        at += 1;
      } else quotedSince = 0;
    } else if (character === '"' && cell === '') quotedSince = line;
    else if (character === separator) endCell();
    else if (character === '\n') endRow();
    else if (character !== '\r') cell += character;
  }
  if (quotedSince > 0) return { ok: false, line: quotedSince, why: 'a quoted cell has no end' };
  if (cell !== '' || row.length > 0) endRow();
  return { ok: true, rows, numbers };
}

function separatorOf(source: string): ',' | ';' | '\t' {
  const head = source.slice(0, source.search(/\r?\n|$/));
  const count = (separator: string) => head.split(separator).length;
  if (count('\t') > count(',') && count('\t') > count(';')) return '\t';
  return count(';') > count(',') ? ';' : ',';
}

export function renderCsvRow(cells: readonly string[]): string {
  return `${cells.map(renderCell).join(',')}\r\n`;
}

function renderCell(value: string): string {
  const safe = /^'*[=+\-@]/.test(value) ? `'${value}` : value;
  return /[",\r\n;\t]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
