/**
 * A time of day that jumps, for programs of the lab: `node --import file:///…/jumping-clock.ts?file=PATH` adds to `Date.now()` the
 * milliseconds that the file holds, as it is changed. The machine's own clock stays right, and so does what measures durations.
 */
import { readFileSync } from 'node:fs';

const READ_MS = 50;
const file = new URL(import.meta.url).searchParams.get('file') ?? '';
const now = Date.now.bind(Date);
let ahead = 0;

function read(): void {
  try {
    ahead = Number(readFileSync(file, 'utf8')) || 0;
  } catch {
    // Not yet written, or half: the next look is soon.
  }
}

read();
setInterval(read, READ_MS).unref();
Date.now = () => now() + ahead;
