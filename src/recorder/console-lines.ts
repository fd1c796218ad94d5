/**
 * What a machine printed during a boot, as entries of its flight record: lines of text, each with the moment at which its part of
 * the recording was written down (a flush after it was heard). Pure and total.
 *
 * A console is a terminal: firmware paints screens by moving the cursor, so a jump of the cursor ends a line here as well. Of a
 * long console the first lines and the newest are kept; what a boot failed with stands at the end. Boot tokens are hidden in the
 * whole text before it is cut into lines, because the width of a terminal breaks them.
 */
import type { FlightEntry } from '../diagnose/flight.ts';
import { type ConsolePart, type ConsoleRecording, readConsole } from '../inventory/consoles.ts';
import { limit } from '../limits.ts';

type ConsoleEntry = Extract<FlightEntry, { kind: 'console' }>;

// Written as code points, so that no control character stands in this file.
const ESC = '\\u001b';
/** ECMA-48: cursor position (CUP, HVP) and erase in display. */
const JUMP = new RegExp(`${ESC}\\[[0-9;?]*[HfJ]`, 'g');
/** Other control sequences, operating system commands, and two-byte escapes. */
const SEQUENCE = new RegExp(
  `${ESC}\\[[0-?]*[ -/]*[@-~]|${ESC}\\][^\\u0007${ESC}]*(?:\\u0007|${ESC}\\\\)|${ESC}[ -/]*[0-~]`,
  'g',
);
/** Stands for each byte of a token: start of heading, which nothing prints. */
const [HIDDEN, SOH] = [1, '\\u0001'] as const;
const TOKEN = new RegExp(`${SOH}+`, 'g');
const CONTROL = /\p{Cc}+/gu;
const FIRST_SHARE = 0.25;

/** @param startedAt of the recording: for parts of which no time is known */
export function consoleEntries(
  parts: readonly ConsolePart[],
  startedAt: number,
): readonly ConsoleEntry[] {
  // One character for each byte, so that a place in the text is a place in what was kept.
  const { kept, hidden } = readConsole(parts);
  const text = Buffer.from(kept.map((byte, place) => (hidden[place] ? HIDDEN : byte)))
    .toString('latin1')
    .replace(JUMP, (found) => '\n'.padEnd(found.length, '\n'));
  const timeOf = timesOf(parts, startedAt);
  const entries: ConsoleEntry[] = [];
  let from = 0;
  for (const raw of text.split(/[\r\n]/)) {
    const line = readable(raw);
    const at = timeOf(from);
    from += raw.length + 1;
    if (line !== '' && line !== entries.at(-1)?.text)
      entries.push({ kind: 'console', at, text: line });
  }
  return bounded(entries);
}

interface Read {
  readonly startedAt: number;
  readonly heardBytes: number;
  readonly at: number;
  readonly entries: readonly ConsoleEntry[];
}

/**
 * `consoleEntries` of recordings: those of one that has not grown since are the same again, and those that were read less than `lateMs`
 * ago are good enough for who looks again and again.
 */
export function createConsoleLines(partsOf: (number: number) => readonly ConsolePart[]) {
  const known = new Map<number, Read>();
  return (
    { number, startedAt, heardBytes }: ConsoleRecording,
    now: number,
    lateMs: number,
  ): readonly ConsoleEntry[] => {
    const before = known.get(number);
    // The number of one that was deleted is given to another; a clock may be set back.
    const isOfIt = before?.startedAt === startedAt;
    if (isOfIt && (before.heardBytes === heardBytes || Math.abs(now - before.at) < lateMs))
      return before.entries;
    known.delete(number);
    for (const oldest of known.keys())
      if (known.size >= limit('consoleLinesKeptMax')) known.delete(oldest);
    const entries = consoleEntries(partsOf(number), startedAt);
    known.set(number, { startedAt, heardBytes, at: now, entries });
    return entries;
  };
}

function readable(raw: string): string {
  return Buffer.from(raw.replace(SEQUENCE, ''), 'latin1')
    .toString('utf8')
    .replace(TOKEN, '…')
    .replace(CONTROL, ' ')
    .trim()
    .slice(0, limit('flightConsoleCharsMax'));
}

/** Asked for growing places only. */
function timesOf(parts: readonly ConsolePart[], startedAt: number): (place: number) => number {
  let index = 0;
  let end = parts[0]?.bytes.length ?? 0;
  return (place) => {
    while (place >= end && index + 1 < parts.length) {
      index += 1;
      end += parts[index]?.bytes.length ?? 0;
    }
    return parts[index]?.at || startedAt;
  };
}

function bounded<T>(lines: readonly T[]): readonly T[] {
  const max = limit('flightConsoleLinesMax');
  if (lines.length <= max) return lines;
  const first = Math.floor(max * FIRST_SHARE);
  return [...lines.slice(0, first), ...lines.slice(lines.length - (max - first))];
}
