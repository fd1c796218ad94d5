/** The board in a terminal: a line for each machine, redrawn in place. */

import type { BoardRow } from '../src/http/people/board.ts';
import { STEP_NAMES } from '../src/inventory/timeline.ts';

const SIGNS = { done: '●', running: '◐', failed: '✗', skipped: '–', waiting: '·' } as const;

/** @param columns what of a line fits the terminal; the rest is left out */
export function drawBoard(
  rows: readonly BoardRow[],
  now: number,
  columns = Number.POSITIVE_INFINITY,
): string {
  // Narrow: signs alone, and what the machine is beside them.
  const narrow = columns < 20 + 11 * STEP_NAMES.length;
  const width = narrow ? 2 : Math.max(8, ...STEP_NAMES.map((name) => name.length + 1));
  const titles = narrow ? 'boot' : STEP_NAMES.map((name) => name.padEnd(width)).join('');
  const head = `${'machine'.padEnd(20)}${titles}`;
  const lines = rows.map(({ timeline, machine }) => {
    const cells = timeline.steps.map(({ state, tookMs }) => {
      const took =
        !narrow && state === 'done' && tookMs !== undefined ? ` ${(tookMs / 1000).toFixed(1)}` : '';
      return `${SIGNS[state]}${took}`.padEnd(width);
    });
    const label = machine?.hardwarename ?? timeline.mac;
    const state = machine
      ? `${machine.state}, ${machine.threads} CPU, ${Math.round(machine.memoryBytes / 2 ** 20)} MB, ${machine.disks.length} disk(s), ${machine.nics.map(({ mac }) => mac).join(' ')}`
      : (timeline.stall?.cause ?? `${Math.round((now - timeline.startedAt) / 1000)} s`);
    return `${label.padEnd(20)}${cells.join('')}${state}`;
  });
  return [head, ...lines].map((line) => [...line].slice(0, columns).join('')).join('\n');
}
