/**
 * Small pieces of memory cut from larger ones: an `ArrayBuffer` for each packet would cost more than to fill it. A piece is
 * zeroed and nobody else's. Who keeps one keeps its whole slab: what is to stay for long is copied.
 */
export type TakeBytes = (count: number) => Uint8Array;

const SLAB_BYTES = 16_384;

export function createSlab(): TakeBytes {
  let slab = new ArrayBuffer(SLAB_BYTES);
  let at = 0;
  return (count) => {
    if (count > SLAB_BYTES / 4) return new Uint8Array(count);
    if (at + count > SLAB_BYTES) {
      slab = new ArrayBuffer(SLAB_BYTES);
      at = 0;
    }
    const piece = new Uint8Array(slab, at, count);
    at += count;
    return piece;
  };
}
