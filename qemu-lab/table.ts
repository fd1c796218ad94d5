/** The board in a terminal: a line for each machine, redrawn in place. */

import type { BoardRow } from '../src/http/people/board.ts';
import { STEP_NAMES } from '../src/inventory/timeline.ts';

const SIGNS = { done: '●', running: '◐', failed: '✗', skipped: '–', waiting: '·' } as const;

export function drawBoard(rows: readonly BoardRow[], now: number): string {
  const width = Math.max(8, ...STEP_NAMES.map((name) => name.length + 1));
  const head = `${'machine'.padEnd(20)}${STEP_NAMES.map((name) => name.padEnd(width)).join('')}`;
  const lines = rows.map(({ timeline, machine }) => {
    const cells = timeline.steps.map(({ state, tookMs }) => {
      const took = state === 'done' && tookMs !== undefined ? ` ${(tookMs / 1000).toFixed(1)}` : '';
      return `${SIGNS[state]}${took}`.padEnd(width);
    });
    const label = machine?.hardwarename ?? timeline.mac;
    const state = machine
      ? `${machine.state}, ${machine.threads} CPU, ${Math.round(machine.memoryBytes / 2 ** 20)} MB, ${machine.disks.length} disk(s), ${machine.nics.map(({ mac }) => mac).join(' ')}`
      : (timeline.stall?.cause ?? `${Math.round((now - timeline.startedAt) / 1000)} s`);
    return `${label.padEnd(20)}${cells.join('')}${state}`;
  });
  return [head, ...lines].join('\n');
}
