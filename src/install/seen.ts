/** What the agent sees when it asks for a plan: the firmware that it was started by, and the disks that are there now. */
import { z } from 'zod';
import { reportedDisk } from '../inventory/report.ts';
import { limit } from '../limits.ts';
import type { SeenDisk } from './disk-rule.ts';

export interface Seen {
  readonly bootMode: 'bios' | 'uefi';
  readonly disks: readonly SeenDisk[];
}

export const seenSchema = z.strictObject({
  bootMode: z.enum(['bios', 'uefi']),
  disks: z
    /** The name becomes a path in /dev. */
    .array(reportedDisk.extend({ name: z.string().regex(/^[a-z][a-z0-9]{0,31}$/) }))
    .max(limit('reportItemsMax')),
});
