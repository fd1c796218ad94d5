/**
 * An immutable sorted list of texts in pieces: a change copies the piece that it touches and the list of pieces, so that a
 * chain of a hundred thousand names is changed in microseconds, and the lists before it stay as they are.
 */
const PIECE_MAX = 512;

export class SortedKeys {
  private readonly pieces: readonly (readonly string[])[];

  private constructor(pieces: readonly (readonly string[])[]) {
    this.pieces = pieces;
  }

  /** @param keys sorted, each once */
  static from(keys: readonly string[]): SortedKeys {
    const pieces: string[][] = [];
    for (let at = 0; at < keys.length; at += PIECE_MAX / 2) {
      pieces.push(keys.slice(at, at + PIECE_MAX / 2));
    }
    return new SortedKeys(pieces);
  }

  has(key: string): boolean {
    const piece = this.pieces[this.pieceOf(key)];
    return piece?.[placeOf(piece, key)] === key;
  }

  /** The first key behind this one, which need not be there itself. */
  after(key: string): string | undefined {
    const at = this.pieceOf(key);
    const piece = this.pieces[at] ?? [];
    const place = placeOf(piece, key);
    const next = piece[piece[place] === key ? place + 1 : place];
    return next ?? this.pieces[at + 1]?.[0];
  }

  /** The last key before this one. */
  before(key: string): string | undefined {
    const at = this.pieceOf(key);
    const piece = this.pieces[at] ?? [];
    const place = placeOf(piece, key);
    return place > 0 ? piece[place - 1] : this.pieces[at - 1]?.at(-1);
  }

  /** The same list with this key, or without it. */
  with(key: string, there: boolean): SortedKeys {
    const at = this.pieceOf(key);
    const piece = this.pieces[at] ?? [];
    const place = placeOf(piece, key);
    if ((piece[place] === key) === there) return this;
    const changed = there ? piece.toSpliced(place, 0, key) : piece.toSpliced(place, 1);
    const half = changed.length >> 1;
    const parts =
      changed.length > PIECE_MAX ? [changed.slice(0, half), changed.slice(half)] : [changed];
    const kept = parts.filter(({ length }) => length > 0);
    return new SortedKeys(this.pieces.toSpliced(at, 1, ...kept));
  }

  *[Symbol.iterator](): IterableIterator<string> {
    for (const piece of this.pieces) yield* piece;
  }

  /** The last piece that does not begin behind the key. */
  private pieceOf(key: string): number {
    let low = 0;
    let high = this.pieces.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.pieces[middle]?.[0] ?? '') <= key) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }
}

/** Where a key is, or would be. */
function placeOf(piece: readonly string[], key: string): number {
  let low = 0;
  let high = piece.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((piece[middle] ?? '') < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
