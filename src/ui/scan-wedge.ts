/**
 * A hand scanner types what it reads, faster than anybody types, and ends with Enter. Such a burst outside of a field is
 * taken as a serial and looked up; what a person types is left alone.
 */
import { lookUp } from './scan-lookup.ts';

const GAP_MS = 45;
const LENGTH_MIN = 5;
const LENGTH_MAX = 64;

export function startWedge(): void {
  let typed = '';
  let lastAt = 0;
  addEventListener('keydown', (event) => {
    const target = event.target as HTMLElement;
    if (target.closest('input, textarea, select, [contenteditable], .xterm')) return;
    const at = event.timeStamp;
    if (at - lastAt > GAP_MS) typed = '';
    lastAt = at;
    if (event.key === 'Enter') {
      if (typed.length >= LENGTH_MIN) {
        event.preventDefault();
        void lookUp(typed);
      }
      typed = '';
    } else if (event.key.length === 1 && typed.length < LENGTH_MAX) typed += event.key;
  });
}
