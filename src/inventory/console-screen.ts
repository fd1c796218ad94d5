/**
 * A terminal's screen, as far as it takes to see what stands beside what: cells that know the byte they came from, and a cursor
 * that sequences move (ECMA-48). It is looked at whenever the cursor leaves what was printed, so that nothing is painted over unseen.
 *
 * It wraps no lines: those that a terminal wraps by itself are whole in the stream. It knows no scroll regions and no insertion.
 */
import { BREAK, type ConsoleBit, type SeenLetters } from './console-bits.ts';

const COLUMNS = 256;
const ROWS = 25;
/** A cursor is sent to row 999 to learn how many there are. */
const ROWS_MAX = 100;
const TAB = 8;
const BLANK = 0x20;
/** For what is none of ASCII. */
const GLYPH = 0x3f;

interface Row {
  readonly codes: Buffer;
  readonly places: Int32Array;
  /** Cells that were written. */
  length: number;
}

export class ConsoleScreen {
  private readonly rows = new Map<number, Row>();
  private readonly look: (seen: SeenLetters) => void;
  private row = 0;
  private column = 0;
  private top = 0;
  private height = ROWS;
  private saved = { row: 0, column: 0 };
  private written = false;

  /** @param look is handed the row that was written with the rows beside it */
  constructor(look: (seen: SeenLetters) => void) {
    this.look = look;
  }

  paint(bits: readonly ConsoleBit[]): void {
    for (const { kind, at, text } of bits) {
      if (kind === 'text')
        for (let index = 0; index < text.length; index++)
          this.put(text.charCodeAt(index), at + index);
      else if (kind === 'glyph') this.put(GLYPH, -1);
      // Colours move nothing.
      else if (kind !== 'csi' || !text.endsWith('m')) {
        this.leave();
        this.obey(kind, text);
      }
    }
    this.leave();
  }

  private put(code: number, place: number): void {
    if (this.column < COLUMNS) {
      const cells = this.rows.get(this.row) ?? newRow();
      this.rows.set(this.row, cells);
      cells.codes[this.column] = code;
      cells.places[this.column] = place;
      cells.length = Math.max(cells.length, this.column + 1);
      this.written = true;
    }
    this.column += 1;
  }

  private leave(): void {
    if (!this.written) return;
    this.written = false;
    this.look(sideBySide([-1, 0, 1].map((by) => this.rows.get(this.row + by))));
  }

  private obey(kind: ConsoleBit['kind'], text: string): void {
    if (kind === 'csi') this.obeySequence(text);
    else if (kind === 'escape') this.obeyEscape(text);
    else if (kind === 'newline') {
      if (text.startsWith('\r')) this.column = 0;
      this.lineFeed();
    } else if (text === '\r') this.column = 0;
    else if (text === '\b') this.goTo(this.row, this.column - 1);
    else if (text === '\t') this.goTo(this.row, this.column + TAB - (this.column % TAB));
  }

  private obeyEscape(text: string): void {
    if (text === '7') this.saved = { row: this.row, column: this.column };
    else if (text === '8') this.goTo(this.saved.row, this.saved.column);
    else if (text === 'M') this.goTo(this.row - 1, this.column);
    else if (text === 'E') this.column = 0;
    if (text === 'D' || text === 'E') this.lineFeed();
  }

  private obeySequence(text: string): void {
    const [first = 0, second = 0] = text.slice(0, -1).split(';').map(Number);
    const final = text.slice(-1);
    if (final === 's') this.saved = { row: this.row, column: this.column };
    else if (final === 'J') this.eraseDisplay(first || 0);
    else if (final === 'K')
      this.erase(first ? 0 : this.column, first === 1 ? this.column + 1 : COLUMNS);
    else if (final === 'H' || final === 'f') {
      if (first <= ROWS_MAX) this.height = Math.max(this.height, first);
      this.goTo(this.top + (first || 1) - 1, (second || 1) - 1);
    } else {
      const [row, column] = this.whereTo(final, first || 1);
      this.goTo(row, column);
    }
  }

  private whereTo(final: string, by: number): readonly [row: number, column: number] {
    const { row, column, top, saved } = this;
    switch (final) {
      case 'A':
        return [row - by, column];
      case 'B':
        return [row + by, column];
      case 'C':
        return [row, column + by];
      case 'D':
        return [row, column - by];
      case 'E':
        return [row + by, 0];
      case 'F':
        return [row - by, 0];
      case 'G':
      case '`':
        return [row, by - 1];
      case 'd':
        return [top + by - 1, column];
      case 'u':
        return [saved.row, saved.column];
      default:
        return [row, column];
    }
  }

  private lineFeed(): void {
    this.row += 1;
    if (this.row < this.top + this.height) return;
    this.rows.delete(this.top);
    this.top += 1;
  }

  private goTo(row: number, column: number): void {
    this.row = Math.max(this.top, Math.min(row, this.top + this.height - 1));
    this.column = Math.max(0, Math.min(column, COLUMNS));
  }

  private erase(from: number, to: number): void {
    const cells = this.rows.get(this.row);
    if (!cells) return;
    cells.codes.fill(BLANK, from, to);
    cells.places.fill(-1, from, to);
    if (to >= cells.length) cells.length = Math.min(cells.length, from);
  }

  private eraseDisplay(how: number): void {
    if (how >= 2) this.rows.clear();
    else this.erase(how ? 0 : this.column, how ? this.column + 1 : COLUMNS);
    if (how === 0)
      for (const index of [...this.rows.keys()]) if (index > this.row) this.rows.delete(index);
  }
}

function newRow(): Row {
  const places = new Int32Array(COLUMNS).fill(-1);
  return { codes: Buffer.alloc(COLUMNS, BLANK), places, length: 0 };
}

function sideBySide(rows: readonly (Row | undefined)[]): SeenLetters {
  const length = rows.reduce((sum, row) => sum + (row?.length ?? 0), 0);
  const places = new Int32Array(length);
  const breaks = new Uint8Array(length + 1);
  let text = '';
  for (const row of rows) {
    if (!row) continue;
    places.set(row.places.subarray(0, row.length), text.length);
    if (text !== '') breaks[text.length] = BREAK.newline;
    text += row.codes.toString('latin1', 0, row.length);
  }
  return { text, places, breaks, open: false };
}
