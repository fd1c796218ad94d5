/**
 * Which boots that are over are still shown beside their machine: the newest, as many as the appliance's own board tells of
 * (`boardBootsMax`). So a page that has been open for a week holds what a page that was just opened holds, however many
 * machines have booted in between; the boot before is on the machine's own page. Pure: a test holds it.
 */

export const ENDED_MAX = 500;

export interface Ended {
  /** This machine's boot is over. @returns the machine whose boot is shown no longer for that */
  add(key: string): string | undefined;
  /** It boots again, or is gone. */
  remove(key: string): void;
  clear(): void;
}

export function createEnded(most = ENDED_MAX): Ended {
  const keys = new Set<string>();
  return {
    add(key) {
      keys.delete(key);
      keys.add(key);
      if (keys.size <= most) return undefined;
      const [oldest] = keys;
      if (oldest !== undefined) keys.delete(oldest);
      return oldest;
    },
    remove: (key) => void keys.delete(key),
    clear: () => keys.clear(),
  };
}
