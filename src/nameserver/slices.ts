/** Work that is long, a slice at a time, with a moment for others in between. */
import { limit } from '../limits.ts';

export interface Slices {
  /** Begins, or goes on. */
  wake(): void;
  close(): void;
}

/** After a slice that failed, as on a full disk: no other change may come for hours, and what it was for is still to be done. */
const AGAIN_MS = 5000;

/** Calls `advance` until it has no more to do, which it says; `wake` begins again. */
export function inSlices(
  advance: () => boolean,
  {
    onError,
    againMs = AGAIN_MS,
  }: { onError(error: unknown): void; readonly againMs?: number | undefined },
): Slices {
  let next: NodeJS.Timeout | undefined;
  let closed = false;
  const after = (ms: number): void => {
    if (!closed) next ??= setTimeout(run, ms);
  };
  const run = (): void => {
    next = undefined;
    try {
      if (advance()) wake();
    } catch (error) {
      onError(error);
      after(againMs);
    }
  };
  const wake = (): void => after(limit('dnsSliceGapMs'));
  return {
    wake,
    close() {
      closed = true;
      clearTimeout(next);
    },
  };
}
