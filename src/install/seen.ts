/** What the agent sees when it asks for a plan: the firmware that it was started by, and the disks that are there now. */
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { reportedDisk } from '../inventory/report.ts';
import { limit } from '../limits.ts';
import type { SeenDisk } from './disk-rule.ts';

export interface Seen {
  readonly bootMode: 'bios' | 'uefi';
  readonly disks: readonly SeenDisk[];
}

const seenSchema = z.strictObject({
  bootMode: z.enum(['bios', 'uefi']),
  disks: z
    /** The name becomes a path in /dev. */
    .array(reportedDisk.extend({ name: z.string().regex(/^[a-z][a-z0-9]{0,31}$/) }))
    .max(limit('reportItemsMax')),
});

/** @param body the bytes as received. @throws AppError REQUEST_INVALID */
export function parseSeen(body: unknown): Seen {
  let document: unknown;
  try {
    document = JSON.parse(body instanceof Uint8Array ? new TextDecoder().decode(body) : '');
  } catch (cause) {
    throw new AppError('REQUEST_INVALID', { detail: 'The body is not JSON.', cause });
  }
  const parsed = seenSchema.safeParse(document);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const path = `/${(issue?.path ?? []).join('/')}`;
  throw new AppError('REQUEST_INVALID', { detail: issue?.message ?? 'wrong form', path });
}
