/** Jobs that do one thing to the power of a machine, and the light that says which one it is. */
import { z } from 'zod';
import { AppError } from '../../errors.ts';
import { MACHINE_STATES } from '../../inventory/states.ts';
import { limit } from '../../limits.ts';
import {
  defineJob,
  type JobParams,
  later,
  type Output,
  type StepContext,
  step,
} from '../definition.ts';
import {
  ATTEMPT_MS,
  BMC_WITHIN_MS,
  discharge,
  goneDown,
  look,
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

/** How long a start is waited for before the command counts as lost: BMCs note it within seconds. */
const RESET_SHOWS_MS = 30_000;

/** What it sent, and whether the BMC said that it did. Whatever goes wrong afterwards does not unsay it. */
async function sendReset(context: StepContext): Promise<Output> {
  let said: Output | undefined;
  try {
    await context.withBmc(async (bmc) => {
      const { outcome, sent } = await bmc.setPower('reset');
      said = { sent, certain: outcome !== 'uncertain' };
    });
  } catch (error) {
    if (!said) throw error;
  }
  return said ?? { sent: 'nothing', certain: false };
}

/** Asked before a reset is sent that may have been sent already. */
async function wasReset(context: StepContext): Promise<Output | undefined> {
  const mark = String(context.outputs.mark?.mark ?? '');
  const started = mark !== '' && (await context.withBmc((bmc) => bmc.startedSince(mark)));
  return started ? { sent: 'reset', certain: true } : undefined;
}

/** An attempt that was cut off may have sent it: then the step `seen` looks for it, as for one whose reply was lost. */
async function mayBeSent(context: StepContext): Promise<Output | undefined> {
  if (context.inDoubt) return { sent: 'reset', certain: false };
  return wasReset(context);
}

/** The same of the second one, after which there is no third. */
async function wasResetAgain(context: StepContext): Promise<Output | undefined> {
  const seen = await wasReset(context);
  if (!seen && context.inDoubt) throw new AppError('BMC_UNCERTAIN');
  return seen;
}

async function sendAgain(context: StepContext): Promise<Output> {
  const output = await sendReset(context);
  if (output.certain) return output;
  try {
    if (await wasReset(context)) return output;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
  }
  throw new AppError('BMC_UNCERTAIN');
}

const times = { timeoutMs: ATTEMPT_MS, withinMs: BMC_WITHIN_MS };

/**
 * A reset is sent once, and a second time only when its reply was lost and half a minute later nothing says that the machine
 * was started. When that reply is lost too, the job says that it does not know, and a person looks.
 */
export const reset = defineJob<JobParams>('reset', 2, {
  says: 'Resets the machine; one that is off is switched on.',
  params: nothing,
  allowedFrom: MACHINE_STATES,
  interrupts: true,
  destructive: false,
  steps: [
    step('mark', {
      ...times,
      run: (context) => context.withBmc(async (bmc) => ({ mark: await bmc.startMark() })),
    }),
    step('reset', { ...times, done: mayBeSent, run: sendReset }),
    step('seen', {
      ...times,
      async run(context) {
        if (context.outputs.reset?.certain || (await wasReset(context))) return { seen: true };
        if (context.now() - context.sinceAt >= RESET_SHOWS_MS) return { seen: false };
        return later(limit('jobPowerPollMs'), 'the BMC to show that the machine was started');
      },
    }),
    step('again', {
      ...times,
      done: async (context) => (context.outputs.seen?.seen ? {} : wasResetAgain(context)),
      async run(context) {
        if (context.outputs.seen?.seen) return {};
        context.note('the reply was lost, and nothing shows a start: it is sent once more');
        return sendAgain(context);
      },
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
  forTechnicians: true,
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
