/**
 * One attempt at a step: what the step is handed, and what came of it.
 *
 * An attempt that takes too long is over for the job at that moment, but its code may still be waiting for a BMC. From then
 * on everything that it is handed refuses, so that it can do nothing more; `settled` says when it has really ended, and
 * until then its BMC is not asked anything by another job.
 */
import { AppError } from '../errors.ts';
import type { Millis } from '../wire/time.ts';
import type { Later, Output, Step, StepContext } from './definition.ts';
import type { JobBmc, JobMachine, JobTimers, JobWork, JobWorld } from './ports.ts';

export type Outcome =
  | { readonly is: 'done'; readonly output: Output }
  | { readonly is: 'later'; readonly later: Later }
  | { readonly is: 'failed'; readonly error: unknown };

export interface Attempt {
  readonly outcome: Promise<Outcome>;
  readonly settled: Promise<void>;
}

export interface AttemptInput {
  readonly job: string;
  readonly requester: string;
  readonly step: Step;
  readonly how: 'run' | 'ask-then-run' | 'undo';
  readonly machine: JobMachine;
  readonly facts: Pick<StepContext, 'params' | 'outputs' | 'sinceAt' | 'inDoubt'>;
  readonly world: JobWorld;
  readonly timers: JobTimers;
  note(text: string): void;
  transaction(run: () => void): void;
}

export function beginAttempt(input: AttemptInput): Attempt {
  const { step, timers } = input;
  let over = false;
  const alive = (): void => {
    if (over) throw lateBy(step);
  };
  const work = perform(input, createContext(input, alive));
  const outcome = new Promise<Outcome>((resolve) => {
    const cancel = timers.after(step.timeoutMs, () => {
      over = true;
      resolve({ is: 'failed', error: lateBy(step) });
    });
    work.then((result) => {
      cancel();
      over = true;
      resolve(result);
    });
  });
  return { outcome, settled: work.then(() => undefined) };
}

function lateBy({ name, timeoutMs }: Step): AppError {
  return new AppError('JOB_ATTEMPT_LATE', { detail: `${name}: more than ${timeoutMs / 1000} s.` });
}

/** Never rejects. */
async function perform({ step, how }: AttemptInput, context: StepContext): Promise<Outcome> {
  try {
    if (how === 'undo') {
      await step.undo?.(context);
      return { is: 'done', output: {} };
    }
    const before = how === 'ask-then-run' ? await step.done?.(context) : undefined;
    if (before) return { is: 'done', output: before };
    const result = await step.run(context);
    if (result && isLater(result)) return { is: 'later', later: result };
    return { is: 'done', output: result ?? {} };
  } catch (error) {
    return { is: 'failed', error };
  }
}

function isLater(result: Output | Later): result is Later {
  return 'laterMs' in result && 'why' in result;
}

function createContext(input: AttemptInput, alive: () => void): StepContext {
  const { machine, facts, world, timers } = input;
  return {
    ...{
      job: input.job,
      requester: input.requester,
      machine,
      ...facts,
      work: guardedWork(input, alive),
    },
    now: (): Millis => timers.now(),
    async withBmc(use, credential) {
      alive();
      const bmc = await world.openBmc(machine, credential);
      try {
        alive();
        return await use(guarded(bmc, alive));
      } finally {
        await bmc.close();
      }
    },
    login(credential) {
      alive();
      return world.login(credential);
    },
    adopt(credential, why) {
      alive();
      input.transaction(() => world.adopt(machine.hardwarename, credential, why));
    },
    note(text) {
      alive();
      input.note(text);
    },
  };
}

/** A BMC that does nothing for an attempt that is over. */
function guarded(bmc: JobBmc, alive: () => void): JobBmc {
  const { accounts, upkeep } = bmc;
  const first = <Args extends unknown[], Result>(call: (...args: Args) => Promise<Result>) => {
    return async (...args: Args): Promise<Result> => {
      alive();
      return call(...args);
    };
  };
  return {
    powerOn: first(() => bmc.powerOn()),
    setPower: first((action) => bmc.setPower(action)),
    startMark: first(() => bmc.startMark()),
    startedSince: first((mark) => bmc.startedSince(mark)),
    setBoot: first((wish) => bmc.setBoot(wish)),
    identify: first((seconds) => bmc.identify(seconds)),
    accounts: accounts && {
      put: first((user) => accounts.put(user)),
      disable: first((name) => accounts.disable(name)),
      closeOthers: first((keep) => accounts.closeOthers(keep)),
    },
    upkeep: upkeep && {
      restorePolicy: first((wish) => upkeep.restorePolicy(wish)),
      setClock: first((seconds) => upkeep.setClock(seconds)),
      useDhcp: first(() => upkeep.useDhcp()),
      calmWatchdog: first(() => upkeep.calmWatchdog()),
    },
    close: () => bmc.close(),
  };
}

/** The same for work: an attempt that is over arms nothing. Each call is one transaction. */
function guardedWork({ world: { work }, transaction }: AttemptInput, alive: () => void): JobWork {
  const inside = <Args extends unknown[], Result>(call: (...args: Args) => Result) => {
    return (...args: Args): Result => {
      alive();
      let result: { value: Result } | undefined;
      transaction(() => {
        result = { value: call(...args) };
      });
      if (!result) throw new Error('a transaction ended without running');
      return result.value;
    };
  };
  return {
    prepareInstall: inside((wanted) => work.prepareInstall(wanted)),
    armInstall: inside((wanted) => work.armInstall(wanted)),
    prepareRecycle: inside((machine) => work.prepareRecycle(machine)),
    armRecycle: inside((wanted) => work.armRecycle(wanted)),
    takeBack: inside((job, machine) => work.takeBack(job, machine)),
    arm: inside((armed) => work.arm(armed)),
    end: inside((job, why) => work.end(job, why)),
    result: (job) => work.result(job),
    bootsByUefi: (machine) => work.bootsByUefi(machine),
    isTaken: (job) => work.isTaken(job),
    isListening: (machine) => work.isListening(machine),
    gone: inside((machine) => work.gone(machine)),
    restoreAddress: inside((of) => work.restoreAddress(of)),
    restoreNames: inside((machine, names) => work.restoreNames(machine, names)),
  };
}
