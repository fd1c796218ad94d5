/**
 * An immutable map of names in shards: a change copies the shards that it touches and shares the rest, so that a
 * generation of a hundred thousand names costs what its change costs, and older ones stay whole for transfers.
 */
import { hashOctets } from './image.ts';

/** Names in one shard, on average, before the number of shards doubles. */
const LOAD_MAX = 128;

export class ShardMap<K extends string, V> {
  private readonly shards: readonly ReadonlyMap<K, V>[];
  readonly size: number;

  private constructor(shards: readonly ReadonlyMap<K, V>[], size: number) {
    this.shards = shards;
    this.size = size;
  }

  static from<K extends string, V>(entries: Iterable<readonly [K, V]>): ShardMap<K, V> {
    return ShardMap.spread(new Map(entries));
  }

  private static spread<K extends string, V>(all: ReadonlyMap<K, V>): ShardMap<K, V> {
    let count = 1;
    while (count * LOAD_MAX < all.size * 2) count *= 2;
    const shards = Array.from({ length: count }, () => new Map<K, V>());
    for (const [key, value] of all) shards[hashOctets(key) & (count - 1)]?.set(key, value);
    return new ShardMap(shards, all.size);
  }

  get(key: K): V | undefined {
    return this.shards[hashOctets(key) & (this.shards.length - 1)]?.get(key);
  }

  *[Symbol.iterator](): IterableIterator<readonly [K, V]> {
    for (const shard of this.shards) yield* shard;
  }

  /** The same map with these entries set, or removed where the value is `undefined`. */
  with(changes: ReadonlyMap<K, V | undefined>): ShardMap<K, V> {
    const shards = [...this.shards];
    const copied = new Map<number, Map<K, V>>();
    let { size } = this;
    for (const [key, value] of changes) {
      const index = hashOctets(key) & (shards.length - 1);
      const shard = copied.get(index) ?? new Map(shards[index]);
      copied.set(index, shard);
      shards[index] = shard;
      size -= shard.has(key) ? 1 : 0;
      if (value === undefined) shard.delete(key);
      else shard.set(key, value);
      size += value === undefined ? 0 : 1;
    }
    const next = new ShardMap<K, V>(shards, size);
    return size > shards.length * LOAD_MAX ? ShardMap.spread(new Map(next)) : next;
  }
}
