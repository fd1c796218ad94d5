/**
 * What clients that are alike are told alike. Of an OFFER or an ACK, little is a client's own: its name, and what is
 * echoed. The rest follows from the network, the boot part, the lease time and what the client asks for (option 55); it is
 * put together and encoded once. A network's replies go with the network: one that is changed is another object.
 */
import { limit } from '../limits.ts';
import type { ClassOption, EncodedOption, NetworkOptions } from './option-settings.ts';
import { encodedBytes, writeOption } from './packet-options.ts';

/** All that the shared part of a reply follows from. */
export interface Alike {
  readonly type: number;
  readonly serverId: Uint8Array;
  readonly seconds: number;
  readonly file: string | undefined;
  readonly vendorClass: string | undefined;
  /** Option 55. */
  readonly asked: Uint8Array | undefined;
  /** What the network has for clients of its vendor class alone. */
  readonly kind: readonly ClassOption[];
}

/** The shared part, 53 first, and the same as bytes. */
export interface Told {
  readonly options: ReadonlyMap<number, Uint8Array>;
  readonly bytes: Uint8Array;
}

interface Kept extends Alike, Told {}

const KEPT_MAX = limit('dhcpToldAlikeMax');
const keptOf = new WeakMap<NetworkOptions, Kept[]>();

/** @param make puts the options together, should nobody like that have been told before */
export function toldAlike(
  network: NetworkOptions,
  alike: Alike,
  make: () => Map<number, Uint8Array>,
): Told {
  let kept = keptOf.get(network);
  if (!kept) {
    kept = [];
    keptOf.set(network, kept);
  }
  const known = kept.findIndex((one) => isSame(one, alike));
  const found = kept[known];
  if (found) {
    moveUp(kept, known);
    return found;
  }
  const options = make();
  let size = 0;
  for (const value of options.values()) size += encodedBytes(value);
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const [code, value] of options) at = writeOption(bytes, at, code, value);
  // The packet that they are views of is not kept for their sake.
  const { serverId, asked } = alike;
  const made = { ...alike, serverId: serverId.slice(), asked: asked?.slice(), options, bytes };
  if (kept.length >= KEPT_MAX) kept.pop();
  kept.push(made);
  return made;
}

/** What is told often comes to stand in front, out of the way of what is told once. */
function moveUp(kept: Kept[], at: number): void {
  const [before, one] = [kept[at - 1], kept[at]];
  if (before && one) [kept[at - 1], kept[at]] = [one, before];
}

function isSame(one: Alike, other: Alike): boolean {
  return (
    one.type === other.type &&
    one.seconds === other.seconds &&
    one.file === other.file &&
    one.vendorClass === other.vendorClass &&
    areEqual(one.serverId, other.serverId) &&
    areEqual(one.asked, other.asked) &&
    (one.kind === other.kind || areSame(one.kind, other.kind))
  );
}

function areSame<T>(some: readonly T[], others: readonly T[]): boolean {
  return some.length === others.length && some.every((one, index) => one === others[index]);
}

function areEqual(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}

/** What is told alike, and behind it what is the client's own, 82 last; no code is in both. */
export class ReplyOptions implements ReadonlyMap<number, Uint8Array> {
  readonly told: Told;
  readonly own: readonly EncodedOption[];

  constructor(told: Told, own: readonly EncodedOption[]) {
    this.told = told;
    this.own = own;
  }

  /** How many bytes they take in a packet. */
  get bytes(): number {
    let sum = this.told.bytes.length;
    for (const [, value] of this.own) sum += encodedBytes(value);
    return sum;
  }

  get size(): number {
    return this.told.options.size + this.own.length;
  }

  get(code: number): Uint8Array | undefined {
    for (const [own, value] of this.own) if (own === code) return value;
    return this.told.options.get(code);
  }

  has(code: number): boolean {
    return this.get(code) !== undefined;
  }

  forEach(
    visit: (value: Uint8Array, code: number, all: ReadonlyMap<number, Uint8Array>) => void,
  ): void {
    for (const [code, value] of this) visit(value, code, this);
  }

  entries(): MapIterator<[number, Uint8Array]> {
    return this.whole().entries();
  }

  keys(): MapIterator<number> {
    return this.whole().keys();
  }

  values(): MapIterator<Uint8Array> {
    return this.whole().values();
  }

  [Symbol.iterator](): MapIterator<[number, Uint8Array]> {
    return this.entries();
  }

  private whole(): Map<number, Uint8Array> {
    const all = new Map(this.told.options);
    for (const [code, value] of this.own) all.set(code, value);
    return all;
  }

  /** @returns where they end */
  write(bytes: Uint8Array, from: number): number {
    bytes.set(this.told.bytes, from);
    let at = from + this.told.bytes.length;
    for (const [code, value] of this.own) at = writeOption(bytes, at, code, value);
    return at;
  }
}
