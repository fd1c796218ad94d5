/** What the agent tells of the disks that it is to erase, and of each one when it is done; parsed strictly at the door. */
import { z } from 'zod';
import { reportedDisk } from '../inventory/report.ts';
import { limit } from '../limits.ts';

const text = z.string().max(limit('reportTextCharsMax'));
const bytes = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
/** It becomes a path in /dev. */
const diskName = z.string().regex(/^[a-z][a-z0-9]{0,31}$/);

const disk = reportedDisk.extend({
  name: diskName,
  /** Methods that the disk says it has. */
  offers: z
    .array(z.string().regex(/^[a-z][a-z-]{0,31}$/))
    .max(32)
    .default([]),
});
export type ErasableDisk = z.output<typeof disk>;

export const seenForRecycle = z.strictObject({
  bootMode: z.enum(['bios', 'uefi']),
  disks: z.array(disk).max(limit('reportItemsMax')),
});
export type SeenForRecycle = z.output<typeof seenForRecycle>;

/** One disk is over, well or badly. */
export const erasedSchema = z.strictObject({
  name: diskName,
  serial: text.default(''),
  model: text.default(''),
  interface: text.default(''),
  sizeBytes: bytes,
  /** The one that did it; '' when none did. */
  method: z
    .string()
    .regex(/^([a-z][a-z-]{0,31})?$/)
    .default(''),
  ok: z.boolean(),
  /** Why it is not clean, or what was tried before. */
  detail: z
    .string()
    .max(limit('reportTextCharsMax') * 4)
    .default(''),
  seconds: z.number().int().min(0).max(31_536_000),
  /** Blocks whose marker was seen before and not after. */
  samples: z.number().int().min(0).max(1_000_000),
  /** Every block was read back and held zeros. */
  full: z.boolean().default(false),
});
export type Erased = z.output<typeof erasedSchema>;
