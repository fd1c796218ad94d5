/** Which start of the operating system this is: what was not on disk is gone after the next one, and after no other end. */
import { readFileSync } from 'node:fs';

/** Linux makes one at each start (random(4)). undefined where there is none. */
export function osBootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}
