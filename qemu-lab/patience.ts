/**
 * Waiting for what takes as long as the computer is slow: not for so many seconds, but for as long as something moves.
 *
 * What moves is read out of the appliance's events. Those that say that a machine, a job or a request is further than it was
 * count; what repeats by itself (packets, retries, checks, an agent that says the same again) does not. Something that goes
 * round in circles moves for ever: so there is an end to all patience.
 */
import type { StoredEvent } from '../src/events.ts';

/** Longer than any silence that was seen on a busy computer: a kernel that unpacks a large initrd, a disk that is checked. */
export const STILL_MS = 300_000;
export const PATIENCE_MS = 3_600_000;
/** Looking takes its time from the machines. */
const POLL_MS = 1000;

const MOVES =
  /^(machine\.(registered|state)|recon\.|ipxe\.|http\.(started|sent)$|work\.|agent\.|job\.(queued|step|finished|failed)|request\.|pool\.|reset\.|os\.|bmc\.)/;

/** Counts what has moved: it grows, or nothing has happened. */
export function createMoves(events: () => Promise<readonly StoredEvent[]>): () => Promise<number> {
  const moved = new Set<string>();
  let read = 0;
  return async () => {
    const all = await events();
    for (const event of all.slice(read)) {
      if (!MOVES.test(event.name)) continue;
      const { hardwarename = '' } = event;
      const said = event.name === 'agent.progress' ? event.data : undefined;
      moved.add(
        said
          ? [hardwarename, said.job, said.phase, said.percent, said.bytes].join(' ')
          : String(event.id),
      );
    }
    read = all.length;
    return moved.size;
  };
}

export interface Wait<T> {
  readonly what: string;
  probe(): Promise<T | undefined>;
  moves(): Promise<number>;
  howFar(): Promise<string>;
  readonly now?: () => number;
  readonly pause?: (ms: number) => Promise<void>;
}

/** @throws Error that says what was awaited, for how long nothing has moved, and how far everything is */
export async function waitPatiently<T>(wait: Wait<T>): Promise<T> {
  const { what, probe, moves, howFar, now = Date.now, pause = sleep } = wait;
  const beganAt = now();
  let [seen, movedAt] = [-1, beganAt];
  for (;;) {
    const found = await probe();
    if (found !== undefined) return found;
    const count = await moves();
    if (count > seen) [seen, movedAt] = [count, now()];
    const [stillMs, allMs] = [now() - movedAt, now() - beganAt];
    if (stillMs > STILL_MS || allMs > PATIENCE_MS) {
      const told = `nothing has moved for ${Math.round(stillMs / 1000)} s`;
      throw new Error(
        `waited ${Math.round(allMs / 1000)} s for: ${what}; ${told}. ${await howFar()}`,
      );
    }
    await pause(POLL_MS);
  }
}

const sleep = (ms: number): Promise<void> => new Promise((next) => setTimeout(next, ms));
