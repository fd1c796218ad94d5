/**
 * Power, with what real BMCs make of it: the state lags behind the command, "cycle" of a machine that is off is refused
 * (0xd5), some have no "cycle" at all, and a reset can swallow its own reply.
 *
 * Nothing is ever sent twice without looking first. A reset leaves the power as it was, so before it is sent the BMC is asked
 * for what changes with a start: the restart cause (section 28.11) and the event log, in which most BMCs note that a boot was
 * initiated. Where that cannot tell either, the outcome is `uncertain` and the caller decides; `startMark` and `startedSince`
 * let it look again later, from another session and after a crash.
 */
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import type { Caller } from './command.ts';
import { getChassisStatus, getRestartCause } from './commands/chassis-status.ts';
import { type ChassisControl, chassisControl } from './commands/power-control.ts';
import { getSelInfo } from './commands/sel.ts';
import { COMPLETION, CompletionError } from './completion.ts';
import type { Timers } from './ports.ts';
import { readSel } from './sel-log.ts';
import { BOOT_INITIATED } from './sensor-tables.ts';
import { sleep } from './sleep.ts';

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
      return on ? resetOnce(caller) : switchTo(caller, timers, true);
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

/**
 * What this BMC knows that a start of the machine changes, as text that may be kept: the restart cause, how many entries its
 * log has and when the last one came. '' where it has none of it.
 */
export async function startMark(caller: Caller): Promise<string> {
  const cause = (await unlessRefused(() => caller.call(getRestartCause, undefined)))?.cause ?? '';
  const log = await unlessRefused(() => caller.call(getSelInfo, undefined));
  if (cause === '' && log === undefined) return '';
  return `${cause} ${log?.entries ?? ''} ${log?.lastAddSeconds ?? ''}`;
}

/**
 * Whether the machine was started since the mark was taken. `false` is no proof that it was not: a BMC that was told to reset
 * twice gives the same cause twice, and not every one notes boots in its log.
 */
export async function startedSince(caller: Caller, mark: string): Promise<boolean> {
  const now = await startMark(caller);
  if (mark === '' || now === '' || now === mark) return false;
  const [[before, entries], [after]] = [mark.split(' '), now.split(' ')];
  if (before !== after) return true;
  // Something was logged, or the log was cleared: only a boot that was not there before counts.
  const log = await readSel(caller);
  return log.slice(Number(entries)).some(({ sensorType }) => sensorType === BOOT_INITIATED);
}

async function resetOnce(caller: Caller): Promise<PowerOutcome> {
  const mark = await startMark(caller);
  const sent = await once(caller, 'reset');
  if (sent.outcome !== 'uncertain') return sent;
  return settleDoubt(sent, () => startedSince(caller, mark));
}

/** What was sent stays sent when looking for its effect fails: that is doubt too, and never a reason to send it again. */
export async function settleDoubt(
  sent: PowerOutcome,
  started: () => Promise<boolean>,
): Promise<PowerOutcome> {
  try {
    return (await started()) ? { outcome: 'done', sent: sent.sent } : sent;
  } catch (error) {
    if (error instanceof AppError) return sent;
    throw error;
  }
}

async function unlessRefused<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof CompletionError) return undefined;
    throw error;
  }
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

/** Answers after which it may have been carried out all the same (table 5-2). */
const NO_ANSWER: readonly number[] = [COMPLETION.timeout, COMPLETION.noResponse];

/** Once it is on its way, only a refusal says that nothing came of it: whatever else goes wrong is doubt, not failure. */
async function once(caller: Caller, control: ChassisControl): Promise<PowerOutcome> {
  try {
    await caller.call(chassisControl, { control });
    return { outcome: 'done', sent: control };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error instanceof CompletionError && !NO_ANSWER.includes(error.completion)) throw error;
    return { outcome: 'uncertain', sent: control };
  }
}
