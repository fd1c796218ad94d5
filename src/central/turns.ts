/**
 * Work that takes its turn: so much of it at once, and the rest waits for as long as that takes. Who waits for a free connection of the database
 * instead hears after some seconds that it is silent, and a site that hears so in its first copy begins it anew.
 */

/** @param most at once @returns does a piece of work when its turn has come, in the order of the calls */
export function openTurns(most: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = most;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((go) => waiting.push(go));
    try {
      return await work();
    } finally {
      // The turn passes on to who has waited longest.
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
}
