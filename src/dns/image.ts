/**
 * The zone image: everything that is served, in one SharedArrayBuffer.
 *
 * One writer (the main thread) and any number of reading threads share it without messages or locks. A hash index leads
 * from a folded name to its node; a node holds its record sets as they go on the wire, owner pointer included
 * (`C0 0C type class ttl length rdata`), so that an answer is a copy. A change writes new nodes behind the old ones, where
 * no reader looks (`stage`), and then swings the index (`link`, `unlink`); a sequence number, odd while it swings (a seqlock),
 * lets a reader see that what it read belongs to two generations, and read again. So each answer is of exactly one
 * generation. Swinging takes some microseconds and allocates nothing, because readers wait for it: if the collector ran
 * in there, every reader would stand as long as it does. A writer that the kernel has put aside is waited for asleep.
 *
 * Names are hashed from the right, so that one pass gives the hash of every enclosing name. Empty non-terminals
 * (RFC 4592 section 2.2.2) have a node like any other name. The image does not know history, owners or checks; when its
 * room is used up, the writer says so and a new one is built.
 */

/** Flags of a node. */
export const NODE = {
  /** The name of a zone. */
  apex: 1,
  /** NS records of a zone that is not ours: what is here or below is a referral. */
  cut: 2,
  /** Below a cut: glue, never an answer. */
  glue: 4,
  /** Has a child `*`. */
  wildcardChild: 8,
  cname: 16,
  dname: 32,
  /** In a zone that is signed. */
  signed: 64,
} as const;

/**
 * A pseudo-type in the apex node: the SOA as negative answers carry it, its TTL lowered (RFC 2308 section 3). It has the
 * number of OPT, which no zone can hold and no question can find.
 */
export const NEGATIVE_SOA = 41;

const WORD = {
  sequence: 0,
  indexAt: 1,
  indexMask: 2,
  arenaNext: 3,
  arenaEnd: 4,
  used: 5,
  zonesAt: 6,
  zoneCount: 7,
  deadBytes: 8,
} as const;
const HEADER_WORDS = 16;
/** Looks at the sequence number of a change under way before a reader sleeps: some microseconds, as a change takes. */
const LOOKS_AWAKE = 200;
const SLEEP_MS = 1;
const TOMBSTONE = 1;

export interface ImageRrset {
  readonly type: number;
  readonly ttl: number;
  /** Each as octets. */
  readonly rdatas: readonly string[];
}

export interface ImageNode {
  readonly flags: number;
  readonly zone: number;
  readonly rrsets: readonly ImageRrset[];
}

/** What images are sized by. */
export interface ImageSize {
  readonly names: number;
  readonly arenaBytes: number;
  readonly zones: number;
}

export function createImage({ names, arenaBytes, zones }: ImageSize): SharedArrayBuffer {
  let slots = 1024;
  while (slots < names * 2) slots *= 2;
  const zonesAt = HEADER_WORDS;
  const indexAt = zonesAt + zones;
  const arenaAt = indexAt + slots * 2;
  const end = arenaAt * 4 + ((arenaBytes + 3) & ~3);
  const buffer = new SharedArrayBuffer(end);
  const words = new Uint32Array(buffer);
  words[WORD.indexAt] = indexAt;
  words[WORD.indexMask] = slots - 1;
  words[WORD.arenaNext] = arenaAt;
  words[WORD.arenaEnd] = end >> 2;
  words[WORD.zonesAt] = zonesAt;
  words[WORD.zoneCount] = zones;
  return buffer;
}

/** One step of the hash, an octet at a time from the right; a multiplicative mix that spreads well in 32 bits. */
export function hashStep(hash: number, octet: number): number {
  return Math.imul(hash ^ octet, 0x01000193);
}
export const HASH_SEED = 0x811c9dc5 | 0;

/** The last mixing, without which neighbouring names share their low bits. */
export function hashEnd(hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}

export function hashOctets(name: string): number {
  let hash = HASH_SEED;
  for (let at = name.length - 1; at >= 0; at--) hash = hashStep(hash, name.charCodeAt(at));
  return hashEnd(hash);
}

/** What readers do: find nodes and walk their record sets. Offsets of nodes and sets are in 32-bit words. */
export class ImageReader {
  readonly buffer: SharedArrayBuffer;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  protected readonly control: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
    this.control = new Int32Array(buffer, 0, HEADER_WORDS);
  }

  /** Odd while a change is being written. */
  sequence(): number {
    return Atomics.load(this.control, WORD.sequence);
  }

  /** The sequence number, once no change is under way. */
  settled(): number {
    for (let looks = 1; ; looks++) {
      const now = this.sequence();
      if ((now & 1) === 0) return now;
      // Whoever goes on looking takes the core that the writer needs.
      if (looks % LOOKS_AWAKE === 0) Atomics.wait(this.control, WORD.sequence, now, SLEEP_MS);
    }
  }

  /** @returns the node of the name at `at` in `source`, or 0 */
  find(hash: number, source: Uint8Array, at: number, length: number): number {
    const words = this.words;
    const mask = words[WORD.indexMask] ?? 0;
    const indexAt = words[WORD.indexAt] ?? 0;
    // A change under way may fill the index behind a reader: the bound keeps even that finite.
    for (let slot = hash & mask, probes = 0; probes <= mask; slot = (slot + 1) & mask, probes++) {
      const node = words[indexAt + slot * 2 + 1] ?? 0;
      if (node === 0) return 0;
      if (words[indexAt + slot * 2] === hash && node !== TOMBSTONE) {
        if (this.sameName(node, source, at, length)) return node;
      }
    }
    return 0;
  }

  private sameName(node: number, source: Uint8Array, at: number, length: number): boolean {
    if (this.nameLength(node) !== length) return false;
    const bytes = this.bytes;
    const nameAt = (node + 3) << 2;
    for (let i = 0; i < length; i++) if (bytes[nameAt + i] !== source[at + i]) return false;
    return true;
  }

  flags(node: number): number {
    return (this.words[node + 1] ?? 0) & 0xff;
  }

  nameLength(node: number): number {
    return (this.words[node + 1] ?? 0) >>> 24;
  }

  zone(node: number): number {
    return this.words[node + 2] ?? 0;
  }

  /** The apex node of a zone. */
  apex(zone: number): number {
    return this.words[(this.words[WORD.zonesAt] ?? 0) + zone] ?? 0;
  }

  rrsetCount(node: number): number {
    return ((this.words[node + 1] ?? 0) >>> 8) & 0xffff;
  }

  /** @returns the record set of a type, or 0 */
  rrset(node: number, type: number): number {
    const words = this.words;
    let at = this.firstRrset(node);
    for (let left = this.rrsetCount(node); left > 0; left--) {
      const head = words[at] ?? 0;
      if ((head & 0xffff) === type) return at;
      at = this.nextRrset(at);
    }
    return 0;
  }

  firstRrset(node: number): number {
    return node + 3 + ((this.nameLength(node) + 3) >> 2);
  }

  nextRrset(rrset: number): number {
    return rrset + 2 + ((this.rrsetBytes(rrset) + 3) >> 2);
  }

  rrsetType(rrset: number): number {
    return (this.words[rrset] ?? 0) & 0xffff;
  }

  rrsetSize(rrset: number): number {
    return (this.words[rrset] ?? 0) >>> 16;
  }

  rrsetBytes(rrset: number): number {
    return this.words[rrset + 1] ?? 0;
  }

  /** Where the records of a set begin, in bytes. */
  rrsetAt(rrset: number): number {
    return (rrset + 2) << 2;
  }
}

/** Raised, and only inside the writer's thread, when the arena or the index is used up. */
class ImageFull extends Error {}

/** What the one writer does. What readers see changes between `begin` and `end` only. */
export class ImageWriter extends ImageReader {
  private readonly scratch = new Uint8Array(256);

  begin(): void {
    Atomics.add(this.control, WORD.sequence, 1);
  }

  end(): void {
    Atomics.add(this.control, WORD.sequence, 1);
    Atomics.notify(this.control, WORD.sequence);
  }

  /** Bytes that no node uses any more. */
  get deadBytes(): number {
    return this.words[WORD.deadBytes] ?? 0;
  }

  /** Whether a change of so many names and bytes fits; asked before `begin`, so that readers never wait in vain. */
  hasRoom(names: number, bytes: number): boolean {
    const { words } = this;
    const slots = (words[WORD.indexMask] ?? 0) + 1;
    const free = (words[WORD.arenaEnd] ?? 0) - (words[WORD.arenaNext] ?? 0);
    return free * 4 >= bytes && ((words[WORD.used] ?? 0) + names) * 4 <= slots * 3;
  }

  /** Little room is left: time to build a successor, while changes still fit. */
  get nearlyFull(): boolean {
    const { words } = this;
    const free = ((words[WORD.arenaEnd] ?? 0) - (words[WORD.arenaNext] ?? 0)) * 4;
    const slots = (words[WORD.indexMask] ?? 0) + 1;
    return free * 10 < this.roomBytes || (words[WORD.used] ?? 0) * 8 > slots * 5;
  }

  /** What the arena has room for when it is empty. */
  get roomBytes(): number {
    return ((this.words[WORD.arenaEnd] ?? 0) - this.arenaAt) * 4;
  }

  private get arenaAt(): number {
    const { words } = this;
    return (words[WORD.indexAt] ?? 0) + ((words[WORD.indexMask] ?? 0) + 1) * 2;
  }

  /** Zones that the table has room for. */
  get zoneRoom(): number {
    return this.words[WORD.zoneCount] ?? 0;
  }

  /** Bytes that nodes in use take. */
  get liveBytes(): number {
    return ((this.words[WORD.arenaNext] ?? 0) - this.arenaAt) * 4 - this.deadBytes;
  }

  has(name: string): boolean {
    return this.nodeOf(name, hashOctets(name)) !== 0;
  }

  /**
   * Writes a node where no reader looks yet.
   * @returns where it is, for `link`. @throws ImageFull, with the image unchanged
   */
  stage(name: string, { flags, zone, rrsets }: ImageNode): number {
    const words = this.words;
    const hash = hashOctets(name);
    const node = words[WORD.arenaNext] ?? 0;
    const size = nodeWords(name, rrsets);
    const slots = (words[WORD.indexMask] ?? 0) + 1;
    if (node + size > (words[WORD.arenaEnd] ?? 0)) throw new ImageFull('arena');
    if ((words[WORD.used] ?? 0) * 4 > slots * 3) throw new ImageFull('index');
    words[WORD.arenaNext] = node + size;
    words[node] = hash;
    words[node + 1] = flags | (rrsets.length << 8) | (name.length << 24);
    words[node + 2] = zone;
    for (let i = 0; i < name.length; i++) this.bytes[((node + 3) << 2) + i] = name.charCodeAt(i);
    let at = this.firstRrset(node);
    for (const rrset of rrsets) {
      this.putRrset(at, rrset);
      at = this.nextRrset(at);
    }
    return node;
  }

  /** Makes a staged node the one of its name. Allocates nothing. */
  link(node: number): void {
    const { words } = this;
    const hash = words[node] ?? 0;
    const old = this.find(hash, this.bytes, (node + 3) << 2, this.nameLength(node));
    const entry = (words[WORD.indexAt] ?? 0) + this.slotOf(hash, old) * 2;
    if (old !== 0) this.bury(old);
    else if (words[entry + 1] === 0) words[WORD.used] = (words[WORD.used] ?? 0) + 1;
    words[entry] = hash;
    words[entry + 1] = node;
    if (this.flags(node) & NODE.apex) words[(words[WORD.zonesAt] ?? 0) + this.zone(node)] = node;
  }

  /** Takes a name out, if it is there. Allocates nothing. */
  unlink(name: string): void {
    const hash = hashOctets(name);
    const node = this.nodeOf(name, hash);
    if (node === 0) return;
    this.bury(node);
    this.words[(this.words[WORD.indexAt] ?? 0) + this.slotOf(hash, node) * 2 + 1] = TOMBSTONE;
  }

  private nodeOf(name: string, hash: number): number {
    const { scratch } = this;
    for (let i = 0; i < name.length; i++) scratch[i] = name.charCodeAt(i);
    return this.find(hash, scratch, 0, name.length);
  }

  private bury(node: number): void {
    let at = this.firstRrset(node);
    for (let left = this.rrsetCount(node); left > 0; left--) at = this.nextRrset(at);
    this.words[WORD.deadBytes] = this.deadBytes + (at - node) * 4;
  }

  private putRrset(at: number, { type, ttl, rdatas }: ImageRrset): void {
    this.words[at] = type | (rdatas.length << 16);
    this.words[at + 1] = wireBytes(rdatas);
    const { bytes } = this;
    let to = this.rrsetAt(at);
    // The pseudo-type is sent under its real name.
    const sent = type === NEGATIVE_SOA ? 6 : type;
    for (const rdata of rdatas) {
      const head = [0xc0, 12, sent >> 8, sent & 255, 0, 1, ttl >>> 24, ttl >>> 16, ttl >>> 8, ttl];
      for (const byte of [...head, rdata.length >> 8, rdata.length]) bytes[to++] = byte;
      for (let i = 0; i < rdata.length; i++) bytes[to++] = rdata.charCodeAt(i);
    }
  }

  /** The slot that holds the node `found`; where that is 0, the first free one: a tombstone, else the empty one at the end. */
  private slotOf(hash: number, found: number): number {
    const { words } = this;
    const mask = words[WORD.indexMask] ?? 0;
    const indexAt = words[WORD.indexAt] ?? 0;
    let free = -1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const node = words[indexAt + slot * 2 + 1] ?? 0;
      if (found !== 0 && node === found) return slot;
      if (free < 0 && node <= TOMBSTONE) free = slot;
      if (node === 0) return free;
    }
  }
}

function wireBytes(rdatas: readonly string[]): number {
  return rdatas.reduce((sum, rdata) => sum + 12 + rdata.length, 0);
}

function nodeWords(name: string, rrsets: readonly ImageRrset[]): number {
  const sets = rrsets.reduce((sum, { rdatas }) => sum + 2 + ((wireBytes(rdatas) + 3) >> 2), 0);
  return 3 + ((name.length + 3) >> 2) + sets;
}

/** Bytes that a name will need, for sizing a new image. */
export function nodeBytes(name: string, rrsets: readonly ImageRrset[]): number {
  return nodeWords(name, rrsets) * 4;
}
