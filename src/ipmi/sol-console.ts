/**
 * A serial console through a BMC: activates Serial over LAN in a session and carries bytes both ways (`sol.ts` has the
 * rules of the line). The session should be opened with `keepAlive`.
 *
 * Deferred alerts are asked for first, because BMCs of Intel's Windmill design need them, and failing ones when that is
 * refused. A console that somebody else has open is taken over only when the caller says so.
 */
import { AppError } from '../errors.ts';
import type { BmcSession } from './client.ts';
import { activateSol, deactivateSol, type SolActivation } from './commands/payload.ts';
import { COMPLETION, CompletionError } from './completion.ts';
import type { Timers } from './ports.ts';
import type { QuirkName } from './quirks.ts';
import { decodeSol, SOL_BMC, SOL_CONSOLE, SolLink, type SolStep, solDataBytes } from './sol.ts';

export interface SolConsole {
  /** False when the buffer is full: try again after the next data. */
  write(bytes: Uint8Array): boolean;
  /** A serial break; false while something is on its way. */
  break(): boolean;
  /** Deactivates SOL; the session stays open. */
  close(): Promise<void>;
}

export interface SolOptions {
  readonly timers: Timers;
  readonly onData: (bytes: Uint8Array) => void;
  readonly onEnd: (error: AppError) => void;
  /** A break that was accepted here has been refused by the BMC for as long as it is worth trying. */
  readonly onBreakRefused?: () => void;
  /** Ends another session's console instead of being refused. */
  readonly takeOver?: boolean;
  readonly quirks?: ReadonlySet<QuirkName>;
}

const INSTANCE = 1;
const ALREADY_ACTIVE = 0x80;
const INSTANCE_REFUSALS: readonly number[] = [
  COMPLETION.invalidField,
  COMPLETION.outOfRange,
  COMPLETION.unspecified,
];

/** @throws CompletionError (0x80: somebody else has it), AppError BMC_TIMEOUT */
export async function openSol(session: BmcSession, options: SolOptions): Promise<SolConsole> {
  const activation = await activate(session, options);
  const { timers } = options;
  const link = new SolLink(solDataBytes(activation.inboundBytes));
  let cancelTimer: (() => void) | undefined;
  let over = false;

  const end = (detail: string) => {
    if (over) return;
    over = true;
    cancelTimer?.();
    options.onEnd(new AppError('BMC_TIMEOUT', { detail: `Serial over LAN: ${detail}.` }));
  };
  const take = (step: SolStep) => {
    for (const payload of step.send) session.sendSol(payload);
    cancelTimer?.();
    cancelTimer =
      step.wakeAtMs === undefined || over
        ? undefined
        : timers.at(step.wakeAtMs, () => take(link.onDeadline(timers.nowMs())));
    for (const bytes of step.deliver) options.onData(bytes);
    if (step.breakRefused) options.onBreakRefused?.();
    if (step.ended) end(step.ended);
  };
  session.onSol((bytes) => {
    const payload = decodeSol(bytes);
    if (!payload.ok || over) return;
    take(link.onPayload(payload.value, timers.nowMs()));
    if (payload.value.flags & SOL_BMC.deactivated) end('the BMC deactivated it');
  });
  session.onEnd((error) => end(error.message));
  return {
    write(bytes) {
      const { accepted, step } = link.write(bytes, timers.nowMs());
      take(step);
      return accepted;
    },
    break() {
      const { accepted, step } = link.signal(SOL_CONSOLE.break, timers.nowMs());
      take(step);
      return accepted;
    },
    async close() {
      if (over) return;
      over = true;
      cancelTimer?.();
      await session.call(deactivateSol, { instance: INSTANCE }).catch(ignoreRefusal);
    },
  };
}

async function activate(session: BmcSession, options: SolOptions): Promise<SolActivation> {
  const encrypt = session.protection === 3 || session.protection === 17;
  const ask = (alerts: 'fail' | 'deferred') =>
    session.call(activateSol, { instance: INSTANCE, encrypt, authenticate: true, alerts });
  const first = options.quirks?.has('sol-no-handshake') ? 'fail' : 'deferred';
  try {
    return await ask(first);
  } catch (error) {
    if (!(error instanceof CompletionError)) throw error;
    if (error.completion === ALREADY_ACTIVE && options.takeOver) {
      await session.call(deactivateSol, { instance: INSTANCE }).catch(ignoreRefusal);
      return ask(first);
    }
    if (first === 'deferred' && INSTANCE_REFUSALS.includes(error.completion)) return ask('fail');
    throw error;
  }
}

function ignoreRefusal(error: unknown): void {
  if (!(error instanceof AppError)) throw error;
}
