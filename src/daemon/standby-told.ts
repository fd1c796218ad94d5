/** The file beside the database that keeps what a member has told machines while it was not active. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { lastingMs } from '../platform/lasting-clock.ts';
import { sync } from '../platform/private-files.ts';
import { createTold, type Told } from '../standby/told.ts';
import type { Mac } from '../wire/mac.ts';

/** While many machines ask, what they are told is written together. */
const GATHER_MS = 20;

/** `until` is a time of day. */
const schema = z.array(z.strictObject({ address: z.string(), mac: z.string(), until: z.number() }));

/**
 * @param longestMs no lease is longer: what seems to last for longer was written by a clock that was ahead of ours
 * @throws AppError CONFIG_INVALID for a file that is none of ours
 */
export function openTold(file: string, longestMs: number): Told {
  const now = Date.now();
  return createTold({
    before: read(file).map(({ address, mac, until }) => ({
      ...{ address, mac: mac as Mac, leftMs: Math.min(until - now, longestMs) },
    })),
    mono: lastingMs,
    soon: (task) => void setTimeout(task, GATHER_MS),
    keep(told) {
      const at = Date.now();
      const kept = told.map(({ leftMs, ...one }) => ({ ...one, until: at + leftMs }));
      writeFileSync(`${file}.new`, JSON.stringify(kept), { mode: 0o600, flush: true });
      renameSync(`${file}.new`, file);
      sync(dirname(file));
    },
  });
}

function read(file: string): z.output<typeof schema> {
  if (!existsSync(file)) return [];
  try {
    return schema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    throw new AppError('CONFIG_INVALID', { detail: `(${file} cannot be used)`, cause });
  }
}
