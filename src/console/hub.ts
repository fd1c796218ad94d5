/**
 * Every console of the site that is open: one line for each machine, and no more than BMCs and this process can bear. When
 * there are too many, the recording that was quiet longest makes room; a line that somebody watches does not.
 */
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import type { Hardwarename } from '../wire/ids.ts';
import { ConsoleLine } from './line.ts';
import type { ConsoleTimers, OpenLinePort } from './ports.ts';

export interface ConsoleHub {
  /** The line of a machine, made when it is not there. @throws AppError TOO_MANY_READERS */
  line(hardwarename: Hardwarename): ConsoleLine;
  /** The line where there is one. */
  existing(hardwarename: Hardwarename): ConsoleLine | undefined;
  counts(): { readonly lines: number; readonly watchers: number; readonly recorded: number };
  close(): Promise<void>;
}

export function createConsoleHub(parts: {
  readonly open: OpenLinePort;
  readonly timers: ConsoleTimers;
}): ConsoleHub {
  const lines = new Map<Hardwarename, ConsoleLine>();
  const makeRoom = (): void => {
    if (lines.size < limit('consoleLinesMax')) return;
    const [quietest] = [...lines.entries()]
      .filter(([, line]) => line.watched === 0)
      .sort(([, a], [, b]) => a.lastByteMs - b.lastByteMs);
    if (!quietest) throw new AppError('TOO_MANY_READERS');
    lines.delete(quietest[0]);
    void quietest[1].shut('another console needed its place');
  };
  return {
    line(hardwarename) {
      const known = lines.get(hardwarename);
      if (known) return known;
      makeRoom();
      const line: ConsoleLine = new ConsoleLine({
        ...{ ...parts, hardwarename },
        onIdle: () => {
          if (lines.get(hardwarename) === line) lines.delete(hardwarename);
        },
      });
      lines.set(hardwarename, line);
      return line;
    },
    existing: (hardwarename) => lines.get(hardwarename),
    counts() {
      const all = [...lines.values()];
      const watchers = all.reduce((sum, line) => sum + line.watched, 0);
      return { lines: all.length, watchers, recorded: all.filter((line) => line.recorded).length };
    },
    async close() {
      const all = [...lines.values()];
      lines.clear();
      await Promise.all(all.map((line) => line.shut('the appliance stops')));
    },
  };
}
