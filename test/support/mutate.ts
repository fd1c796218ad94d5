/** Seeded randomness and mutations for fuzz tests. */

/** xorshift32: the same seed gives the same run. */
export function random(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** The same, from 0 to 1. Neighbouring seeds begin far from each other. */
export function chance(seed: number): () => number {
  const pick = random(seed * 2654435761);
  return () => pick(2 ** 32) / 2 ** 32;
}

export function mutate(bytes: Uint8Array, pick: (below: number) => number): Uint8Array {
  let copy = Uint8Array.from(bytes);
  for (let edits = 1 + pick(6); edits > 0; edits--) {
    const at = pick(Math.max(1, copy.length));
    switch (pick(5)) {
      case 0:
        copy = copy.slice(0, at);
        break;
      case 1:
        copy = Uint8Array.from([...copy.subarray(0, at), pick(256), ...copy.subarray(at)]);
        break;
      case 2:
        copy[at] = [0, 255, 0x7f, 0x80, 52, 82, 43][pick(7)] ?? 0;
        break;
      default:
        copy[at] = pick(256);
    }
  }
  return copy;
}
