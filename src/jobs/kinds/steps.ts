/**
 * Steps that several kinds share. Each may be run twice: it looks before it acts, or what it does the second time changes
 * nothing. Power goes off and on again in two steps that can be looked at, never by "cycle", whose lost reply nobody can
 * tell from a lost command.
 */
import { AppError } from '../../errors.ts';
import { limit } from '../../limits.ts';
import { type JobParams, later, type Output, type StepContext, step } from '../definition.ts';

const MINUTE_MS = 60_000;
/** One attempt: ten seconds for a session, a minute until the power has settled, and as much again. */
export const ATTEMPT_MS = 150_000;
/** A BMC that is flashed, reset or behind a dead switch comes back in this time or needs a person. */
export const BMC_WITHIN_MS = 60 * MINUTE_MS;

type Context = StepContext<JobParams>;

/** What was there before the job: undoing goes back to it, and what another round finds is the job's own doing. */
export const look = step<JobParams>('look', {
  timeoutMs: ATTEMPT_MS,
  withinMs: BMC_WITHIN_MS,
  async run(context) {
    const { look: seen } = context.outputs;
    if (seen?.on !== undefined) return seen;
    return context.withBmc(async (bmc) => ({ on: await bmc.powerOn() }));
  },
});

export const powerOff = step<JobParams>('power-off', {
  timeoutMs: ATTEMPT_MS,
  withinMs: BMC_WITHIN_MS,
  run: (context) => switchTo(context, 'off'),
  undo: (context) => restore(context),
});

/** Supplies discharge: less than a few seconds leaves some boards half on. */
export const discharge = step<JobParams>('discharge', {
  timeoutMs: ATTEMPT_MS,
  withinMs: BMC_WITHIN_MS,
  async run({ outputs, now, sinceAt }) {
    const leftMs = sinceAt + limit('powerOffPauseMs') - now();
    if (outputs['power-off']?.already === true || leftMs <= 0) return undefined;
    return later(leftMs, 'its power supplies to discharge');
  },
});

export const powerOn = step<JobParams>('power-on', {
  timeoutMs: ATTEMPT_MS,
  withinMs: BMC_WITHIN_MS,
  run: (context) => switchTo(context, 'on'),
});

/**
 * Asks the operating system; one that does not listen is dealt with by the steps after it. There is no undo: a system that
 * has begun to go down goes down.
 */
export const softOff = step<JobParams>('soft-off', {
  timeoutMs: ATTEMPT_MS,
  withinMs: BMC_WITHIN_MS,
  run: (context) =>
    context.withBmc(async (bmc) => {
      // Asked once: where the reply was lost, the power itself says what came of it, and the grace is there for that.
      const { outcome } = await bmc.setPower('soft');
      return { asked: outcome !== 'already' };
    }),
});

/** Until the power is off or the grace is over: `graceMs` counts from the first look, also across restarts. */
export const goneDown = step<JobParams>('gone-down', {
  timeoutMs: ATTEMPT_MS,
  withinMs: 2 * BMC_WITHIN_MS,
  async run(context) {
    if (!context.outputs['soft-off']?.asked) return { down: true };
    const on = await context.withBmc((bmc) => bmc.powerOn());
    if (!on) return { down: true };
    const graceMs = Number(context.params.graceSeconds) * 1000;
    if (context.now() - context.sinceAt >= graceMs) {
      context.note('the operating system has not gone down in time');
      return { down: false };
    }
    return later(limit('jobPowerPollMs'), 'the operating system to go down');
  },
});

/**
 * One-time network boot, read back. A BMC that says yes and forgets is asked again; one that forgets after a minute is
 * asked anew right before the power goes on.
 */
export const pxeOnce = step<JobParams>('pxe-once', {
  timeoutMs: ATTEMPT_MS,
  withinMs: BMC_WITHIN_MS,
  run: setPxe,
  undo: (context) =>
    context.withBmc(async (bmc) => {
      await bmc.setBoot({ target: 'none', uefi: false, persistent: false });
    }),
});

/** IPMI forgets boot flags after 60 s where parameter 3 is missing; a session and a switch take up to 15 of them. */
const FLAGS_GOOD_MS = 40_000;

export const powerOnFresh = step<JobParams>('power-on', {
  timeoutMs: ATTEMPT_MS,
  withinMs: BMC_WITHIN_MS,
  async run(context) {
    const { expires, setAt } = context.outputs['pxe-once'] ?? {};
    const stale = expires === true && context.now() - Number(setAt) > FLAGS_GOOD_MS;
    if (stale && !(await context.withBmc((bmc) => bmc.powerOn()))) await setPxe(context);
    return switchTo(context, 'on');
  },
});

/** As asked for; a job that has looked at the machine's last report goes by that. */
function uefiOf({ params, outputs }: Context): boolean {
  return (outputs.prepare?.uefi ?? params.uefi) === true;
}

async function setPxe(context: Context): Promise<Output> {
  const { verified, expires } = await context.withBmc(async (bmc) => {
    if (await bmc.upkeep?.calmWatchdog())
      context.note('an earlier system had left a watchdog running: it is stopped');
    return bmc.setBoot({ target: 'pxe', uefi: uefiOf(context), persistent: false });
  });
  if (!verified) {
    const detail =
      'It says that it took the network for the next boot, and reads back something else.';
    throw new AppError('BOOT_NOT_SET', { detail });
  }
  return { expires, setAt: context.now() };
}

async function switchTo(context: Context, action: 'on' | 'off'): Promise<Output> {
  const { outcome } = await context.withBmc((bmc) => bmc.setPower(action));
  if (action === 'off') context.work.gone(context.machine.hardwarename);
  return { already: outcome === 'already' };
}

/** Back on, if it was on before the job. */
async function restore(context: Context): Promise<void> {
  if (context.outputs.look?.on) await switchTo(context, 'on');
}
