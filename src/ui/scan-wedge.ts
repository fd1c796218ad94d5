/**
 * A hand scanner types what it reads, faster than anybody types, and ends with Enter. Such a burst outside of a field is
 * taken as a serial and looked up; what a person types is left alone. The pace is judged over the whole burst: a scanner on
 * Bluetooth, or a page that is busy, may leave one longer gap in it.
 */
import { lookUp } from './scan-lookup.ts';

/** Per character: people who type fast take 80 ms, scanners 1 to 30. */
const PACE_MS_MAX = 45;
/** A longer silence begins anew. */
const GAP_MS_MAX = 300;
const LENGTH_MIN = 5;
const LENGTH_MAX = 64;

export function startWedge(): void {
  let typed = '';
  let beganAt = 0;
  let lastAt = 0;
  addEventListener('keydown', (event) => {
    const target = event.target as HTMLElement;
    if (target.closest('input, textarea, select, [contenteditable], .xterm')) return;
    const at = event.timeStamp;
    if (at - lastAt > GAP_MS_MAX) typed = '';
    lastAt = at;
    if (event.key === 'Enter') {
      const paceMs = (at - beganAt) / typed.length;
      if (typed.length >= LENGTH_MIN && paceMs <= PACE_MS_MAX) {
        event.preventDefault();
        void lookUp(typed);
      }
      typed = '';
    } else if (event.key.length === 1 && typed.length < LENGTH_MAX) {
      if (typed === '') beganAt = at;
      typed += event.key;
    }
  });
}
