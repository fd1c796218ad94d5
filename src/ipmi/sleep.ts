/** Waiting on whatever clock the ports have. */
import type { Timers } from './ports.ts';

export function sleep(timers: Timers, ms: number): Promise<void> {
  return new Promise((resolve) => timers.at(timers.nowMs() + ms, resolve));
}
