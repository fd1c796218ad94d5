/**
 * One key for whoever has a keyboard: `/` goes to the search of the page, or to the board's where a page has none. A hand
 * scanner's burst may have a slash in it, and is left to scan-wedge.ts.
 */
import { go } from './router.ts';

const BURST_MS = 45;

export function startShortcuts(): void {
  let lastAt = 0;
  addEventListener('keydown', (event) => {
    const isBurst = event.timeStamp - lastAt <= BURST_MS;
    lastAt = event.timeStamp;
    if (event.key !== '/' || isBurst || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target as HTMLElement;
    if (target.closest('input, textarea, select, [contenteditable], .xterm')) return;
    if (document.querySelector('dialog[open]')) return;
    event.preventDefault();
    if (!document.getElementById('search')) go('/');
    // The board is drawn before the next frame.
    requestAnimationFrame(() => document.getElementById('search')?.focus());
  });
}
