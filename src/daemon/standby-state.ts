/**
 * What a member of a pair knows of itself, in a file beside the database: the database may be a copy of the other one's, this never is.
 * Written whole, and on disk before anything follows from it.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { makeFolder, sync } from '../platform/private-files.ts';
import { UNKNOWN_MS } from '../standby/clock-difference.ts';
import { FRESH } from '../standby/kept-right.ts';
import { TOGETHER } from '../standby/standing.ts';

const count = z.number().int().min(0);

const written = z.strictObject({
  right: z.strictObject({
    epoch: count,
    own: count,
    copy: count,
    sole: z.boolean(),
    idle: z.boolean(),
    unbegun: count.default(0),
    ahead: z.boolean().default(false),
    n: count.default(0),
  }),
  /** While the other one does not hear of what is promised: since when (times of day). 0: it does. */
  since: z.number(),
  owedSince: z.number().default(0),
  lostAt: z.number(),
  knownAt: z.number().optional(),
  /** Addresses that were promised without its word. */
  unsure: z.array(z.string()),
  /** From when on everything has ended that it may have promised unheard; what is known of it to be off. */
  wholeFrom: z.number(),
  fenced: z.boolean(),
  unheard: z.boolean(),
  quietUntil: z.number(),
  off: z.boolean().default(false),
  /** Who said so, or why it was taken over. */
  why: z.string(),
  /** When the two were last in touch, and by how much our time of day was ahead: at most, and at least. */
  touchAt: z.number(),
  aheadMs: z.number(),
  leastAheadMs: z.number().default(-UNKNOWN_MS),
  /** By how much our time of day was set, in all, while a daemon ran (`lease-clock.ts`). */
  clockSetMs: z.number().optional(),
  /** The longest lead time under which anything was promised that may still run. */
  leadMs: z.number().default(0),
});
// Before there were two times of it, one stood for both.
const schema = written.transform(({ knownAt, clockSetMs, ...state }) => ({
  ...state,
  knownAt: knownAt ?? state.lostAt,
  clockSetMs,
}));
export type PairState = z.output<typeof schema>;

export const NEW: PairState = {
  ...{ ...TOGETHER, right: FRESH, unsure: [], why: '', touchAt: 0, leadMs: 0 },
  ...{ aheadMs: UNKNOWN_MS, leastAheadMs: -UNKNOWN_MS, clockSetMs: undefined },
};

export interface PairStateFile {
  get(): PairState;
  /** What cannot be written is not so here either. */
  put(change: Partial<PairState>): void;
}

/** @throws AppError CONFIG_INVALID for a file that is none of ours: a guess could make two of them active */
export function openPairState(file: string): PairStateFile {
  let state = read(file);
  return {
    get: () => state,
    put(change) {
      const next = { ...state, ...change };
      makeFolder(dirname(file));
      writeFileSync(`${file}.new`, `${JSON.stringify(next)}\n`, { mode: 0o600, flush: true });
      renameSync(`${file}.new`, file);
      sync(dirname(file));
      state = next;
    },
  };
}

function read(file: string): PairState {
  if (!existsSync(file)) return NEW;
  try {
    return schema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    throw new AppError('CONFIG_INVALID', { detail: `(${file} cannot be used)`, cause });
  }
}
