/**
 * Jobs that make a machine boot from the network once, and see it happen.
 *
 * That it did is told by the machine and not by its BMC, which may lie: the wait ends with the first DISCOVER of its
 * firmware after the power went on. A machine that does not come is sent round again, because some BMCs forget the boot
 * device when the power goes; three times are enough to call it a fault of the machine or its network.
 */
import { z } from 'zod';
import type { StoredEvent } from '../../events.ts';
import { MACHINE_STATES } from '../../inventory/states.ts';
import { defineJob, type JobParams, wait } from '../definition.ts';
import { discharge, look, powerOff, powerOnFresh, pxeOnce } from './steps.ts';

const MINUTE_MS = 60_000;
/** A server with much memory trains it for minutes; ten are more than any that was measured. */
const FIRMWARE_MS = 10 * MINUTE_MS;
const ROUNDS_MAX = 2;

const params = z.strictObject({
  uefi: z.boolean().default(true).describe('The boot flag for UEFI; false for BIOS.'),
}) as z.ZodType<JobParams>;

/** What came up instead was seen: the next round need not wait for the end of this one. */
const overrideIgnored = {
  event: 'boot.diagnosed',
  cause: (event: StoredEvent) =>
    event.name === 'boot.diagnosed' && event.data.diagnosis === 'boot-override-ignored'
      ? { code: 'JOB_NO_EVENT' as const, detail: event.data.title, again: true }
      : undefined,
} as const;

const booting = wait('booting', {
  withinMs: FIRMWARE_MS,
  event: 'boot.started',
  since: 'power-on',
  fails: overrideIgnored,
  again: { from: 'power-off', timesMax: ROUNDS_MAX },
  overdue: {
    code: 'JOB_NO_EVENT',
    detail: 'It was switched on to boot from the network, and has not asked for an address.',
  },
});

export const netboot = defineJob<JobParams>('netboot', 1, {
  says: 'Boots the machine from the network, once, and waits until it does.',
  params,
  allowedFrom: MACHINE_STATES,
  interrupts: true,
  destructive: false,
  steps: [look, powerOff, discharge, pxeOnce, powerOnFresh, booting],
});

export const recon = defineJob<JobParams>('recon', 1, {
  says: 'Boots the machine into pxeimage and waits for a new recon report.',
  params,
  // In the other states pxeimage is not what it boots (docs/states.md), and no report would come.
  allowedFrom: ['available', 'held', 'broken'],
  interrupts: true,
  destructive: false,
  steps: [
    look,
    powerOff,
    discharge,
    pxeOnce,
    powerOnFresh,
    booting,
    wait('reported', {
      withinMs: 15 * MINUTE_MS,
      event: 'recon.received',
      since: 'power-on',
      again: { from: 'power-off', timesMax: ROUNDS_MAX },
      overdue: {
        code: 'JOB_NO_EVENT',
        detail:
          'It has booted from the network, and no report has come; its timeline says how far it got.',
      },
    }),
  ],
});
