/**
 * Power, with what real BMCs make of it: the state lags behind the command, "cycle" of a machine that is off is refused
 * (0xd5), some have no "cycle" at all, and a reset can swallow its own reply.
 *
 * Nothing is ever sent twice without looking first. Where looking cannot tell (a reset whose reply was lost), the outcome
 * is `uncertain` and the caller, who sees the machine boot or not, decides.
 */
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import type { Caller } from './command.ts';
import { getChassisStatus } from './commands/chassis-status.ts';
import { type ChassisControl, chassisControl } from './commands/power-control.ts';
import { COMPLETION, CompletionError } from './completion.ts';
import type { Timers } from './ports.ts';

export type PowerAction = Exclude<ChassisControl, 'nmi'>;

export interface PowerOutcome {
  /** `already`: there was nothing to do. `uncertain`: the reply was lost, and the power state cannot tell. */
  readonly outcome: 'done' | 'already' | 'uncertain';
  /** What was sent at last: `cycle` of a machine that is off becomes `on`. */
  readonly sent: ChassisControl | 'nothing';
}

export async function powerIsOn(caller: Caller): Promise<boolean> {
  return (await caller.call(getChassisStatus, undefined)).powerOn;
}

/**
 * Does one thing to the power. `on` and `off` wait until the BMC says so; `soft` only asks the operating system.
 * @throws CompletionError, AppError BMC_TIMEOUT when the state never comes
 */
export async function setPower(
  caller: Caller,
  timers: Timers,
  action: PowerAction,
): Promise<PowerOutcome> {
  const on = await powerIsOn(caller);
  switch (action) {
    case 'on':
      return on ? { outcome: 'already', sent: 'nothing' } : switchTo(caller, timers, true);
    case 'off':
      return on ? switchTo(caller, timers, false) : { outcome: 'already', sent: 'nothing' };
    case 'soft':
      return on ? once(caller, 'soft') : { outcome: 'already', sent: 'nothing' };
    case 'reset':
      return on ? once(caller, 'reset') : switchTo(caller, timers, true);
    case 'cycle':
      return on ? cycle(caller, timers) : switchTo(caller, timers, true);
  }
}

/** Waits for a power state. @throws AppError BMC_TIMEOUT */
export async function waitForPower(caller: Caller, timers: Timers, on: boolean): Promise<void> {
  const untilMs = timers.nowMs() + limit('powerSettleMs');
  while ((await powerIsOn(caller)) !== on) {
    if (timers.nowMs() >= untilMs) {
      const detail = `The power is not ${on ? 'on' : 'off'} after ${limit('powerSettleMs') / 1000} s.`;
      throw new AppError('BMC_TIMEOUT', { detail });
    }
    await sleep(timers, limit('powerPollMs'));
  }
}

export function sleep(timers: Timers, ms: number): Promise<void> {
  return new Promise((resolve) => timers.at(timers.nowMs() + ms, resolve));
}

async function switchTo(caller: Caller, timers: Timers, on: boolean): Promise<PowerOutcome> {
  const sent = on ? 'on' : 'off';
  const { outcome } = await once(caller, sent);
  // "On" and "off" can be said again: a second one changes nothing if the first arrived.
  if (outcome === 'uncertain' && (await powerIsOn(caller)) !== on) await once(caller, sent);
  await waitForPower(caller, timers, on);
  return { outcome: 'done', sent };
}

async function cycle(caller: Caller, timers: Timers): Promise<PowerOutcome> {
  try {
    return await once(caller, 'cycle');
  } catch (error) {
    if (!(error instanceof CompletionError)) throw error;
    // It went off in between: switching it on is what was wanted.
    if (error.completion === COMPLETION.wrongState) return switchTo(caller, timers, true);
    const missing: readonly number[] = [COMPLETION.invalidCommand, COMPLETION.invalidField];
    if (!missing.includes(error.completion)) throw error;
  }
  await switchTo(caller, timers, false);
  await sleep(timers, limit('powerOffPauseMs'));
  return switchTo(caller, timers, true);
}

async function once(caller: Caller, control: ChassisControl): Promise<PowerOutcome> {
  try {
    await caller.call(chassisControl, { control });
    return { outcome: 'done', sent: control };
  } catch (error) {
    if (error instanceof AppError && error.code === 'BMC_TIMEOUT') {
      return { outcome: 'uncertain', sent: control };
    }
    throw error;
  }
}
