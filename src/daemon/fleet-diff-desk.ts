/**
 * "What would change?" for a running appliance: the comparison of fleet-diff.ts on a thread of its own, one at a time, so that no
 * packet waits for it. The configuration that is in force is the text that the daemon was started with.
 */
import { Worker } from 'node:worker_threads';
import { AppError, type ErrorCode } from '../errors.ts';
import { limit } from '../limits.ts';
import type { FleetChange, FleetDiff } from './fleet-diff.ts';
import {
  makeRehearsalFolder,
  removeLeftRehearsals,
  removeRehearsalFolder,
} from './rehearsal-folder.ts';

/** As `FleetChange`, with the configuration as its text. */
export type FleetProposal = Omit<FleetChange, 'config'> & { readonly config?: string | undefined };

export interface FleetDiffWork {
  /** The text of the configuration that is in force. */
  readonly current: string;
  readonly change: FleetProposal;
}

export interface FleetDiffWorkIn extends FleetDiffWork {
  /** For the copies; it is removed when the thread has ended. */
  readonly folder: string;
}

export type FleetDiffNews =
  | { readonly kind: 'done'; readonly diff: FleetDiff }
  | {
      readonly kind: 'refused';
      readonly code: ErrorCode;
      readonly detail: string | undefined;
      readonly path: string | undefined;
    };

export interface FleetDiffDesk {
  /** @throws AppError for a proposal that would be refused; RATE_LIMITED when too many wait */
  diff(change: FleetProposal): Promise<FleetDiff>;
  close(): Promise<void>;
}

/** One comparison: its answer, and the way to call it off. */
export interface Comparison {
  readonly answer: Promise<FleetDiff>;
  end(): unknown;
}

function compareInThread(work: FleetDiffWork): Comparison {
  const folder = makeRehearsalFolder();
  const workerData: FleetDiffWorkIn = { ...work, folder };
  const worker = new Worker(new URL('./fleet-diff-worker.ts', import.meta.url), { workerData });
  // A thread that is ended from outside, or that has no memory left, runs no `finally`.
  worker.once('exit', () => removeRehearsalFolder(folder));
  const answer = new Promise<FleetDiff>((resolve, reject) => {
    worker.once('message', (news: FleetDiffNews) => {
      if (news.kind === 'done') return resolve(news.diff);
      const { code, detail, path } = news;
      // What the configuration of the daemon would end with is here the mistake of a caller.
      const asked = code === 'CONFIG_INVALID' || code === 'CONFIG_UNREADABLE';
      const options = { ...(detail && { detail }), ...(path !== undefined && { path }) };
      reject(new AppError(asked ? 'REQUEST_INVALID' : code, options));
    });
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('the thread that compares has ended early')));
  });
  return { answer, end: () => worker.terminate() };
}

/** @param begin another way to compare, for tests of the turns */
export function openFleetDiffDesk(
  current: string,
  begin: (work: FleetDiffWork) => Comparison = compareInThread,
): FleetDiffDesk {
  removeLeftRehearsals();
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();
  let running: Comparison | undefined;
  let closed = false;
  const compare = (change: FleetProposal): Promise<FleetDiff> => {
    if (closed) throw new AppError('RATE_LIMITED', { detail: 'The appliance is stopping.' });
    running = begin({ current, change });
    return running.answer;
  };
  return {
    async diff(change) {
      if (waiting >= limit('rehearsalsWaitingMax')) throw new AppError('RATE_LIMITED');
      waiting += 1;
      const turn = last.catch(() => undefined).then(() => compare(change));
      last = turn;
      try {
        return await turn;
      } finally {
        waiting -= 1;
      }
    },
    async close() {
      closed = true;
      await running?.end();
    },
  };
}
