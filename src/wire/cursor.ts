/**
 * One bounds-checked reader and one growing writer for every protocol.
 *
 * The reader remembers its first overrun instead of throwing: a decoder reads top to bottom and asks `failedAt` once
 * at the end. Reads past the end return zeros, so no decoder can touch memory it was not given.
 * Byte order is network order (big-endian) unless the method name says `Le`.
 */
export class Reader {
  private position = 0;
  private overrunAt: number | undefined;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get offset(): number {
    return this.position;
  }

  get remaining(): number {
    return this.bytes.length - this.position;
  }

  /** The offset of the first read that did not fit, or `undefined` while all have fitted. */
  get failedAt(): number | undefined {
    return this.overrunAt;
  }

  u8(): number {
    return this.bytes[this.step(1)] ?? 0;
  }

  u16(): number {
    const { bytes } = this;
    const at = this.step(2);
    return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  }

  u32(): number {
    const { bytes: b } = this;
    const at = this.step(4);
    const high = ((b[at] ?? 0) << 24) | ((b[at + 1] ?? 0) << 16);
    return (high | ((b[at + 2] ?? 0) << 8) | (b[at + 3] ?? 0)) >>> 0;
  }

  u16Le(): number {
    const { bytes } = this;
    const at = this.step(2);
    return ((bytes[at + 1] ?? 0) << 8) | (bytes[at] ?? 0);
  }

  u32Le(): number {
    const { bytes: b } = this;
    const at = this.step(4);
    const high = ((b[at + 3] ?? 0) << 24) | ((b[at + 2] ?? 0) << 16);
    return (high | ((b[at + 1] ?? 0) << 8) | (b[at] ?? 0)) >>> 0;
  }

  /** A view (not a copy) of the next `length` bytes; shorter, and marked as failed, when they are not there. */
  take(length: number): Uint8Array {
    const from = this.step(length);
    return this.bytes.subarray(from, this.position);
  }

  /** Everything that is left. */
  rest(): Uint8Array {
    return this.take(this.remaining);
  }

  /** Passes over `length` bytes, or over those that are left, and is marked as failed then. @returns where they begin */
  private step(length: number): number {
    const from = this.position;
    if (length > this.remaining) this.overrunAt ??= from;
    this.position += Math.min(length, this.remaining);
    return from;
  }
}

/** Appends to a buffer that doubles when full. `finish()` copies exactly what was written. */
export class Writer {
  private buffer: Uint8Array;
  private length = 0;

  constructor(sizeHintBytes = 576) {
    this.buffer = new Uint8Array(sizeHintBytes);
  }

  get offset(): number {
    return this.length;
  }

  u8(value: number): this {
    this.reserve(1)[0] = value;
    return this;
  }

  u16(value: number): this {
    const view = this.reserve(2);
    view[0] = value >>> 8;
    view[1] = value;
    return this;
  }

  u32(value: number): this {
    const view = this.reserve(4);
    view[0] = value >>> 24;
    view[1] = value >>> 16;
    view[2] = value >>> 8;
    view[3] = value;
    return this;
  }

  u16Le(value: number): this {
    const view = this.reserve(2);
    view[0] = value;
    view[1] = value >>> 8;
    return this;
  }

  u32Le(value: number): this {
    const view = this.reserve(4);
    view[0] = value;
    view[1] = value >>> 8;
    view[2] = value >>> 16;
    view[3] = value >>> 24;
    return this;
  }

  bytes(source: Uint8Array): this {
    this.reserve(source.length).set(source);
    return this;
  }

  zeros(count: number): this {
    this.reserve(count).fill(0);
    return this;
  }

  finish(): Uint8Array {
    return this.buffer.slice(0, this.length);
  }

  private reserve(count: number): Uint8Array {
    const end = this.length + count;
    if (end > this.buffer.length) {
      const larger = new Uint8Array(Math.max(end, this.buffer.length * 2));
      larger.set(this.buffer);
      this.buffer = larger;
    }
    const view = this.buffer.subarray(this.length, end);
    this.length = end;
    return view;
  }
}
