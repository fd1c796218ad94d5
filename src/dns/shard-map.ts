/**
 * An immutable map of names, as a tree of small maps: a change copies the one that it touches and the path to it, and
 * shares the rest. So a generation of a hundred thousand names costs what its change costs, older ones stay whole for
 * transfers, and growing splits one leaf, never the whole map.
 */
import { hashOctets } from './image.ts';

/** Names in one leaf before it is split. */
const LEAF_MAX = 64;
const BITS = 4;
const FANOUT = 1 << BITS;
/** Names whose hashes are equal to the last bit stay in one leaf, however many they are. */
const DEPTH_MAX = 32 / BITS;

type Leaf<K, V> = Map<K, V>;
type Branch<K, V> = (Branch<K, V> | Leaf<K, V>)[];
type Tree<K, V> = Branch<K, V> | Leaf<K, V>;

export class ShardMap<K extends string, V> {
  private readonly root: Tree<K, V>;
  readonly size: number;

  private constructor(root: Tree<K, V>, size: number) {
    this.root = root;
    this.size = size;
  }

  static from<K extends string, V>(entries: Iterable<readonly [K, V]>): ShardMap<K, V> {
    const change = new Change<K, V>(new Map(), 0);
    for (const [key, value] of entries) change.put(key, value);
    return new ShardMap(change.root, change.size);
  }

  get(key: K): V | undefined {
    const hash = hashOctets(key);
    let tree: Tree<K, V> | undefined = this.root;
    for (let depth = 0; Array.isArray(tree); depth++) tree = tree[digit(hash, depth)];
    return tree?.get(key);
  }

  *[Symbol.iterator](): IterableIterator<readonly [K, V]> {
    const left: Tree<K, V>[] = [this.root];
    for (let tree = left.pop(); tree; tree = left.pop()) {
      if (Array.isArray(tree)) left.push(...tree);
      else yield* tree;
    }
  }

  /** The same map with these entries set, or removed where the value is `undefined`. */
  with(changes: ReadonlyMap<K, V | undefined>): ShardMap<K, V> {
    const change = new Change<K, V>(this.root, this.size);
    for (const [key, value] of changes) change.put(key, value);
    return new ShardMap(change.root, change.size);
  }
}

function digit(hash: number, depth: number): number {
  return (hash >>> (depth * BITS)) & (FANOUT - 1);
}

/** A tree on its way to the next map: what it copied once, it may write to again. */
class Change<K extends string, V> {
  root: Tree<K, V>;
  size: number;
  private readonly owned = new Set<Tree<K, V>>();

  constructor(root: Tree<K, V>, size: number) {
    this.root = root;
    this.size = size;
  }

  put(key: K, value: V | undefined): void {
    const hash = hashOctets(key);
    this.root = this.own(this.root);
    let branch: Branch<K, V> | undefined;
    let tree = this.root;
    let depth = 0;
    for (; Array.isArray(tree); depth++) {
      const at = digit(hash, depth);
      branch = tree;
      tree = this.own(branch[at] ?? new Map());
      branch[at] = tree;
    }
    this.size -= tree.has(key) ? 1 : 0;
    if (value === undefined) tree.delete(key);
    else tree.set(key, value);
    this.size += value === undefined ? 0 : 1;
    if (tree.size <= LEAF_MAX || depth === DEPTH_MAX) return;
    const split = this.split(tree, depth);
    if (branch) branch[digit(hash, depth - 1)] = split;
    else this.root = split;
  }

  private own(tree: Tree<K, V>): Tree<K, V> {
    if (this.owned.has(tree)) return tree;
    const copy = Array.isArray(tree) ? [...tree] : new Map(tree);
    this.owned.add(copy);
    return copy;
  }

  private split(leaf: Leaf<K, V>, depth: number): Branch<K, V> {
    const leaves = Array.from({ length: FANOUT }, () => new Map<K, V>());
    for (const [key, value] of leaf) leaves[digit(hashOctets(key), depth)]?.set(key, value);
    for (const part of leaves) this.owned.add(part);
    this.owned.add(leaves);
    return leaves;
  }
}
