/** The thread that compares (fleet-diff.ts). It is made for one comparison, and gives way to everything else on the machine. */
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { parseConfig } from '../config.ts';
import { AppError } from '../errors.ts';
import { diffFleet } from './fleet-diff.ts';
import type { FleetDiffNews, FleetDiffWork } from './fleet-diff-desk.ts';

const NICE = 10;

const { current, change } = workerData as FleetDiffWork;
// With Linux' threads this is the priority of this thread alone (setpriority(2), "C library/kernel differences").
setPriority(NICE);
const say = (news: FleetDiffNews): void => parentPort?.postMessage(news);
try {
  const { config, ...rest } = change;
  const next = config === undefined ? undefined : { config: parseConfig(config) };
  say({ kind: 'done', diff: diffFleet(parseConfig(current), { ...rest, ...next }) });
} catch (error) {
  if (!(error instanceof AppError)) throw error;
  const { code, detail, path } = error;
  say({ kind: 'refused', code, detail, path });
}
