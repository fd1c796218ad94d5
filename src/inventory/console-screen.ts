/**
 * A terminal's screen, as far as it takes to see what stands beside what: cells that know the byte they came from, and a cursor
 * that sequences move (ECMA-48). A row is looked at before anything of it is painted over, erased or scrolled away, and in the
 * end: where the cursor went to other places in it, or beside it, and where something stands that could lead to a token. What was
 * printed in one go is in the stream. Looks are counted: a machine that paints one line for hours costs no more than another.
 *
 * It wraps no lines: those that a terminal wraps by itself are whole in the stream. It knows no scroll regions and no insertion.
 * Total, and in linear time.
 */
import { limit } from '../limits.ts';
import { BREAK, type ConsoleBit, type SeenLetters } from './console-bits.ts';

const COLUMNS = 256;
const ROWS = 25;
/** A cursor is sent to row 999 to learn how many there are. */
const ROWS_MAX = 100;
const TAB = 8;
const BLANK = 0x20;
/** For what is none of ASCII. */
const GLYPH = '?';
/** One of these stands before every token: %, /, = and the other slash. */
const LEADS: ReadonlySet<number> = new Set([0x25, 0x2f, 0x3d, 0x5c]);

interface Row {
  readonly codes: Buffer;
  readonly places: Int32Array;
  /** Where something was begun that the cursor was sent to. */
  readonly breaks: Uint8Array;
  /** Cells that were written. */
  length: number;
  /** The cursor was sent to where something of it was printed. */
  moved: boolean;
  leads: boolean;
  /** Counts what is printed: when something was in this row, and when it was last looked at with the rows beside it. */
  changedAt: number;
  lookedAt: number;
}

export interface ScreenWatch {
  look(seen: SeenLetters): void;
  /** Was painted somewhere after the last look that was to be had. */
  unseen(bit: ConsoleBit): void;
}

export class ConsoleScreen {
  /** By the number of a row modulo their size: no two rows of a screen share a place. */
  private readonly rows = Array.from({ length: ROWS_MAX }, newRow);
  private readonly watch: ScreenWatch;
  private readonly looksMax = limit('consoleLooksMax');
  private looks = 0;
  private count = 0;
  private row = 0;
  private column = 0;
  private top = 0;
  private height = ROWS;
  private saved = { row: 0, column: 0 };
  /** Where the cursor is when it was not sent elsewhere. */
  private readonly next = { row: 0, column: 0 };

  constructor(watch: ScreenWatch) {
    this.watch = watch;
  }

  paint(bits: readonly ConsoleBit[]): void {
    for (const bit of bits) {
      const { kind, text } = bit;
      if (kind === 'text') this.print(bit, text, bit.at);
      else if (kind === 'glyph') this.print(bit, GLYPH, -1);
      // Colours move nothing.
      else if (kind !== 'csi' || !text.endsWith('m')) this.obey(kind, text);
    }
    this.lookAtAll();
  }

  private at(index: number): Row {
    return this.rows[index % ROWS_MAX] as Row;
  }

  private print(bit: ConsoleBit, text: string, at: number): void {
    const { row, column, next } = this;
    const cells = this.at(row);
    if (column < cells.length) this.lookAt(row);
    const isSent = row !== next.row || column !== next.column;
    if (isSent) cells.moved = true;
    if (cells.moved && this.looks >= this.looksMax) this.watch.unseen(bit);
    const end = Math.min(COLUMNS, column + text.length);
    for (let to = column; to < end; to++) {
      const code = text.charCodeAt(to - column);
      cells.codes[to] = code;
      cells.places[to] = at < 0 ? at : at + to - column;
      cells.breaks[to] = isSent && to === column ? BREAK.sequence : BREAK.none;
      if (LEADS.has(code)) cells.leads = true;
    }
    cells.length = Math.max(cells.length, end);
    this.count += 1;
    cells.changedAt = this.count;
    this.column = column + text.length;
    next.row = row;
    next.column = this.column;
  }

  /** Before something of a row is gone. */
  private lookAt(index: number): void {
    if (this.looks >= this.looksMax || !this.lookNow(index)) return;
    this.looks += 1;
    // Of what is on the screen at the last look, nothing is gone yet.
    if (this.looks === this.looksMax) this.lookAtAll();
  }

  /** @returns whether there was something to look at */
  private lookNow(index: number): boolean {
    const { lookedAt, length } = this.at(index);
    if (length === 0) return false;
    const rows = [];
    let [changed, moved, leads] = [false, false, false];
    for (let one = index - 1; one <= index + 1; one++) {
      if (one < this.top || one >= this.top + this.height) continue;
      const row = this.at(one);
      changed ||= row.changedAt > lookedAt;
      moved ||= row.moved;
      leads ||= row.leads;
      rows.push(row);
    }
    if (!changed || !moved || !leads) return false;
    this.at(index).lookedAt = this.count;
    this.watch.look(sideBySide(rows));
    return true;
  }

  private lookAtAll(): void {
    for (let index = this.top; index < this.top + this.height; index++) this.lookNow(index);
  }

  private obey(kind: ConsoleBit['kind'], text: string): void {
    if (kind === 'csi') this.obeySequence(text);
    else if (kind === 'escape') this.obeyEscape(text);
    else if (kind === 'newline') this.newline(text);
    // Is seen elsewhere, and stands in between where the stream is read.
    else if (kind === 'string') this.next.row = -1;
    else if (text === '\r') {
      this.column = 0;
      if (this.isFresh()) this.next.column = 0;
    } else if (text === '\b') this.goTo(this.row, this.column - 1);
    else if (text === '\t') this.goTo(this.row, this.column + TAB - (this.column % TAB));
  }

  private newline(text: string): void {
    const follows = this.next.row === this.row;
    if (text.startsWith('\r')) this.column = 0;
    this.lineFeed();
    if (follows) this.next.row = this.row;
    if (this.isFresh()) this.next.column = this.column;
  }

  /** A new line, and nothing in between. */
  private isFresh(): boolean {
    return this.next.row === this.row && this.at(this.row).length === 0;
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
    this.lookAt(this.top);
    clear(this.at(this.top));
    this.top += 1;
  }

  private goTo(row: number, column: number): void {
    this.row = Math.max(this.top, Math.min(row, this.top + this.height - 1));
    this.column = Math.max(0, Math.min(column, COLUMNS));
  }

  private erase(from: number, to: number): void {
    const cells = this.at(this.row);
    if (from >= cells.length) return;
    this.lookAt(this.row);
    if (from === 0 && to >= cells.length) clear(cells);
    else {
      cells.codes.fill(BLANK, from, Math.min(to, COLUMNS));
      cells.places.fill(-1, from, Math.min(to, COLUMNS));
      if (to >= cells.length) cells.length = from;
    }
  }

  private eraseDisplay(how: number): void {
    if (how < 2) this.erase(how ? 0 : this.column, how ? this.column + 1 : COLUMNS);
    if (how === 1) return;
    for (let index = how ? this.top : this.row + 1; index < this.top + this.height; index++) {
      if (this.at(index).length === 0) continue;
      this.lookAt(index);
      clear(this.at(index));
    }
  }
}

function newRow(): Row {
  const places = new Int32Array(COLUMNS).fill(-1);
  const codes = Buffer.alloc(COLUMNS, BLANK);
  const breaks = new Uint8Array(COLUMNS);
  const flags = { moved: false, leads: false, changedAt: 0, lookedAt: 0 };
  return { codes, places, breaks, length: 0, ...flags };
}

function clear(row: Row): void {
  row.codes.fill(BLANK, 0, row.length);
  row.places.fill(-1, 0, row.length);
  row.length = 0;
  row.moved = false;
  row.leads = false;
  row.changedAt = 0;
  row.lookedAt = 0;
}

function sideBySide(rows: readonly Row[]): SeenLetters {
  const length = rows.reduce((sum, row) => sum + row.length, 0);
  const places = new Int32Array(length);
  const breaks = new Uint8Array(length + 1);
  let text = '';
  for (const row of rows) {
    places.set(row.places.subarray(0, row.length), text.length);
    breaks.set(row.breaks.subarray(0, row.length), text.length);
    if (text !== '') breaks[text.length] = BREAK.newline;
    text += row.codes.toString('latin1', 0, row.length);
  }
  return { text, places, breaks, open: false };
}
