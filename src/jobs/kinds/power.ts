/** Jobs that do one thing to the power of a machine, and the light that says which one it is. */
import { z } from 'zod';
import { MACHINE_STATES } from '../../inventory/states.ts';
import { defineJob, type JobParams, step } from '../definition.ts';
import {
  ATTEMPT_MS,
  BMC_WITHIN_MS,
  discharge,
  goneDown,
  look,
  lost,
  powerOff,
  powerOn,
  softOff,
} from './steps.ts';

const nothing = z.strictObject({});

export const powerOnJob = defineJob<JobParams>('power-on', 1, {
  says: 'Switches the machine on.',
  params: nothing,
  allowedFrom: MACHINE_STATES,
  interrupts: false,
  destructive: false,
  steps: [powerOn],
});

export const powerOffJob = defineJob('power-off', 1, {
  says: 'Asks the operating system to go down, and switches off what has not after the grace.',
  params: z.strictObject({
    graceSeconds: z.number().int().min(0).max(3600).default(120),
  }) as z.ZodType<JobParams>,
  allowedFrom: MACHINE_STATES,
  interrupts: true,
  destructive: false,
  steps: [look, softOff, goneDown, powerOff],
});

export const powerCycle = defineJob<JobParams>('power-cycle', 1, {
  says: 'Switches the machine off and on again; one that was off is switched on.',
  params: nothing,
  allowedFrom: MACHINE_STATES,
  interrupts: true,
  destructive: false,
  steps: [look, powerOff, discharge, powerOn],
});

/**
 * A reset leaves nothing that could be read back. One whose reply was lost is done once more, within seconds and before
 * the firmware has got anywhere: twice is harmless, not at all is a lie.
 */
export const reset = defineJob<JobParams>('reset', 1, {
  says: 'Resets the machine, at least once; one that is off is switched on.',
  params: nothing,
  allowedFrom: MACHINE_STATES,
  interrupts: true,
  destructive: false,
  steps: [
    step('reset', {
      timeoutMs: ATTEMPT_MS,
      withinMs: BMC_WITHIN_MS,
      run: (context) =>
        context.withBmc(async (bmc) => {
          const { outcome, sent } = await bmc.setPower('reset');
          if (outcome === 'uncertain') throw lost('reset');
          return { sent };
        }),
    }),
  ],
});

/** IPMI 2.0 section 28.5: one byte of seconds. */
const IDENTIFY_SECONDS_MAX = 255;

export const identify = defineJob('identify', 1, {
  says: 'Lights the lamp that a technician looks for; 0 seconds switch it off.',
  params: z.strictObject({
    seconds: z.number().int().min(0).max(IDENTIFY_SECONDS_MAX).default(60),
  }) as z.ZodType<JobParams>,
  allowedFrom: MACHINE_STATES,
  interrupts: false,
  destructive: false,
  steps: [
    step<JobParams>('light', {
      timeoutMs: ATTEMPT_MS,
      withinMs: BMC_WITHIN_MS,
      async run(context) {
        const seconds = Number(context.params.seconds);
        await context.withBmc((bmc) => bmc.identify(seconds));
        return { seconds };
      },
      undo: (context) => context.withBmc((bmc) => bmc.identify(0)),
    }),
  ],
});
