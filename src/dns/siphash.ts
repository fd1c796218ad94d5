/**
 * SipHash-2-4 (Aumasson and Bernstein, 2012), which RFC 9018 asks for in server cookies and Node does not have.
 * 64-bit words are pairs of 32-bit numbers in one Int32Array; nothing is allocated per call.
 */
export class SipHash {
  private readonly key: Int32Array;
  /** v0..v3 as low, high pairs. */
  private readonly v = new Int32Array(8);

  /** @param key 16 octets */
  constructor(key: Uint8Array) {
    this.key = new Int32Array(4);
    for (let i = 0; i < 16; i++) {
      this.key[i >> 2] = (this.key[i >> 2] ?? 0) | ((key[i] ?? 0) << (8 * (i & 3)));
    }
  }

  /** Writes the 8 octets of the hash of `length` octets at `at` to `out` at `outAt`, little-endian. */
  digest(bytes: Uint8Array, at: number, length: number, out: Uint8Array, outAt: number): void {
    const { v, key } = this;
    const [k0 = 0, k1 = 0, k2 = 0, k3 = 0] = key;
    v[0] = k0 ^ 0x70736575;
    v[1] = k1 ^ 0x736f6d65;
    v[2] = k2 ^ 0x6e646f6d;
    v[3] = k3 ^ 0x646f7261;
    v[4] = k0 ^ 0x6e657261;
    v[5] = k1 ^ 0x6c796765;
    v[6] = k2 ^ 0x79746573;
    v[7] = k3 ^ 0x74656462;
    const whole = length & ~7;
    for (let i = 0; i < whole; i += 8) {
      this.absorb(le32(bytes, at + i, 4), le32(bytes, at + i + 4, 4));
    }
    const rest = length - whole;
    const low = le32(bytes, at + whole, Math.min(rest, 4));
    const high = rest > 4 ? le32(bytes, at + whole + 4, rest - 4) : 0;
    this.absorb(low, high | (length << 24));
    v[4] = (v[4] ?? 0) ^ 0xff;
    for (let round = 0; round < 4; round++) this.round();
    for (let i = 0; i < 8; i++) {
      const word = i >> 2;
      const value = (v[word] ?? 0) ^ (v[2 + word] ?? 0) ^ (v[4 + word] ?? 0) ^ (v[6 + word] ?? 0);
      out[outAt + i] = value >>> (8 * (i & 3));
    }
  }

  private absorb(low: number, high: number): void {
    const { v } = this;
    v[6] = (v[6] ?? 0) ^ low;
    v[7] = (v[7] ?? 0) ^ high;
    this.round();
    this.round();
    v[0] = (v[0] ?? 0) ^ low;
    v[1] = (v[1] ?? 0) ^ high;
  }

  private round(): void {
    this.add(0, 2);
    this.rotate(2, 13);
    this.xor(2, 0);
    this.rotate(0, 32);
    this.add(4, 6);
    this.rotate(6, 16);
    this.xor(6, 4);
    this.add(0, 6);
    this.rotate(6, 21);
    this.xor(6, 0);
    this.add(4, 2);
    this.rotate(2, 17);
    this.xor(2, 4);
    this.rotate(4, 32);
  }

  private add(to: number, from: number): void {
    const { v } = this;
    const low = ((v[to] ?? 0) >>> 0) + ((v[from] ?? 0) >>> 0);
    v[to] = low | 0;
    v[to + 1] = ((v[to + 1] ?? 0) + (v[from + 1] ?? 0) + (low > 0xffffffff ? 1 : 0)) | 0;
  }

  private xor(to: number, from: number): void {
    const { v } = this;
    v[to] = (v[to] ?? 0) ^ (v[from] ?? 0);
    v[to + 1] = (v[to + 1] ?? 0) ^ (v[from + 1] ?? 0);
  }

  private rotate(at: number, bits: number): void {
    const { v } = this;
    const low = v[at] ?? 0;
    const high = v[at + 1] ?? 0;
    if (bits === 32) {
      v[at] = high;
      v[at + 1] = low;
      return;
    }
    v[at] = (low << bits) | (high >>> (32 - bits));
    v[at + 1] = (high << bits) | (low >>> (32 - bits));
  }
}

function le32(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = 0; i < count; i++) value |= (bytes[at + i] ?? 0) << (8 * i);
  return value;
}
