/**
 * How long jobs keep the main thread: 200 of them running at once on the daemon's own parts, over real sockets, a real clock
 * and a database file on a disk, while `monitorEventLoopDelay` looks on. The BMCs are in a process of their own. The same is
 * measured once more with every step waiting for the disk where it is, which is what sharing syncs saves.
 */
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import pino from 'pino';
import { Registry } from 'prom-client';
import { parseConfig } from '../src/config.ts';
import { openBmcService } from '../src/daemon/bmcs.ts';
import { openJobs, startJobs } from '../src/daemon/jobs.ts';
import { openInventory } from '../src/inventory/inventory.ts';
import { createSecretBox } from '../src/inventory/secrets.ts';
import { openDatabase, openGroupCommit, startCheckpoints } from '../src/platform/sqlite.ts';
import type { Hardwarename } from '../src/wire/ids.ts';
import type { Millis } from '../src/wire/time.ts';
import { removeFolder, temporaryFolder } from '../test/support/temporary-folder.ts';
import { bmcAddress } from './support/ipmi-addresses.ts';
import { start } from './support/process.ts';
import { withScope } from './support/scope.ts';
import { round } from './support/stats.ts';

const RUNNING = 200;
const ROUNDS = 3;
const CAUSE = { who: 'bench', why: 'bench' };

export interface Pause {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly seconds: number;
  readonly stepsPerSecond: number;
}

/** @param shared false: each step waits for the disk on the main thread */
export function measurePause(shared: boolean): Promise<Pause> {
  return withScope(async (scope) => {
    const bmcs = start({
      scope,
      cpus: '1',
      command: [process.execPath, `${import.meta.dirname}/support/ipmi-bmcs.ts`, String(RUNNING)],
    });
    await bmcs.line(/^ready/);
    const folder = temporaryFolder('pause');
    scope.defer(() => removeFolder(folder));
    const db = openDatabase(join(folder, 'jobs.db'));
    const groupCommit = openGroupCommit(db);
    const clock = () => Date.now() as Millis;
    const opened = openInventory({
      ...{ db, clock, waitForDisk: groupCommit.waitForDisk },
      secrets: createSecretBox(() => new Uint8Array(32).fill(7)),
    });
    const inventory = shared ? opened : { ...opened, transactionUnsynced: opened.transaction };
    const whenDurable = shared ? groupCommit.whenDurable : (done: () => void) => done();
    const config = parseConfig(`jobs: { siteMax: ${2 * RUNNING}, rackMax: 1000 }`);
    const closers: (() => unknown)[] = [];
    const log = pino({ level: 'error' });
    const metrics = { registry: new Registry() };
    const parts = { db, inventory, config, clock, log, closers, metrics };
    const service = await openBmcService(parts);
    const jobs = openJobs(parts);
    startJobs({ ...parts, groupCommit: { whenDurable } }, { desk: jobs, access: service.access });
    const endCheckpoints = startCheckpoints(db, (error) => log.error(error));
    scope.defer(async () => {
      for (const close of closers.reverse()) await close();
      await endCheckpoints();
      groupCommit.close();
      db.close();
    });
    const names = enter(inventory);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    const startedAt = performance.now();
    delay.enable();
    await cycleAll({ inventory, jobs, names });
    delay.disable();
    const seconds = (performance.now() - startedAt) / 1000;
    const { steps } = db.prepare('SELECT count(*) AS steps FROM job_steps').get() as {
      steps: number;
    };
    // The resolution is in every sample.
    const ms = (nanoseconds: number) => round(Math.max(0, nanoseconds / 1e6 - 1), 1);
    return {
      ...{ p50Ms: ms(delay.percentile(50)), p99Ms: ms(delay.percentile(99)) },
      ...{ maxMs: ms(delay.max), seconds: round(seconds) },
      stepsPerSecond: Math.round(steps / seconds),
    };
  });
}

type Parts = Parameters<typeof openJobs>[0];

function enter({ serverdb, transaction }: Parts['inventory']): Hardwarename[] {
  const login = { name: 'site', squad: '', username: 'admin', notes: '', password: 'secret' };
  transaction(() => serverdb.credentials.put(login, CAUSE));
  return Array.from({ length: RUNNING }, (_, index) => {
    const serial = `PAUSE${index}`;
    const entry = { serial, manufacturer: 'LabCorp', product: 'X', state: 'held', nics: [] };
    const bmc = { bmcAddress: bmcAddress(index), bmcCredential: 'site' };
    transaction(() => serverdb.editor.enter({ ...entry, ...bmc } as never, CAUSE));
    return serial as Hardwarename;
  });
}

/** Each machine is cycled, and again as soon as it was: all of them are at it all the time. */
function cycleAll({
  inventory,
  jobs,
  names,
}: Pick<Parts, 'inventory'> & {
  jobs: ReturnType<typeof openJobs>;
  names: readonly Hardwarename[];
}): Promise<void> {
  const left = new Map(names.map((name) => [name, ROUNDS]));
  return new Promise((resolve, reject) => {
    const ask = () => {
      const idle = [...left].filter(([name]) => !jobs.store.unfinishedOf(name));
      for (const [name, rounds] of idle) {
        if (rounds === 0) left.delete(name);
        else
          inventory.transactionUnsynced(() => {
            left.set(name, rounds - 1);
            jobs.create({ action: 'power-cycle', target: name, requester: 'bench', release: name });
          });
      }
      const { failed } = jobs.store.countByStatus();
      if (failed > 0 || left.size === 0) {
        clearInterval(timer);
        if (failed > 0) reject(new Error(`${failed} jobs failed`));
        else resolve();
      }
    };
    const timer = setInterval(ask, 250);
  });
}
