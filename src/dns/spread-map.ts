/**
 * A map of very many names that is changed all the time, as many small maps: a name's hash says which.
 *
 * One large Map of the language is copied whole when its table is full, and what was deleted fills it as much as what is
 * there: at 150,000 names that stops the thread for 30 ms, once in a hundred thousand replacements. In here it is a part
 * of a few hundred names that is copied. It is no map that can be kept and compared: for that there is shard-map.ts.
 */
import { hashOctets } from './image.ts';

const PARTS = 512;

export class SpreadMap<K extends string, V> {
  private readonly parts = Array.from({ length: PARTS }, () => new Map<K, V>());

  get size(): number {
    return this.parts.reduce((sum, part) => sum + part.size, 0);
  }

  get(key: K): V | undefined {
    return this.part(key)?.get(key);
  }

  set(key: K, value: V): void {
    this.part(key)?.set(key, value);
  }

  delete(key: K): void {
    this.part(key)?.delete(key);
  }

  /** In no order that means anything; may be walked while it is changed, like a Map. */
  *keys(): IterableIterator<K> {
    for (const part of this.parts) yield* part.keys();
  }

  private part(key: K): Map<K, V> | undefined {
    return this.parts[hashOctets(key) & (PARTS - 1)];
  }
}
