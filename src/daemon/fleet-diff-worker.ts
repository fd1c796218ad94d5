/** The thread that compares (fleet-diff.ts). It is made for one comparison, and gives way to everything else on the machine. */
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { parseConfig } from '../config.ts';
import { AppError } from '../errors.ts';
import { diffFleetIn } from './fleet-diff.ts';
import type { FleetDiffNews, FleetDiffWorkIn } from './fleet-diff-desk.ts';

const NICE = 10;

const { folder, current, change } = workerData as FleetDiffWorkIn;
// With Linux' threads this is the priority of this thread alone (setpriority(2), "C library/kernel differences").
setPriority(NICE);
const say = (news: FleetDiffNews): void => parentPort?.postMessage(news);
try {
  const { config, ...rest } = change;
  const next = config === undefined ? undefined : { config: parseConfig(config) };
  const diff = diffFleetIn(folder, parseConfig(current), { ...rest, ...next });
  say({ kind: 'done', diff });
} catch (error) {
  if (!(error instanceof AppError)) throw error;
  const { code, detail, path } = error;
  say({ kind: 'refused', code, detail, path });
}
