/**
 * 28,000 jobs on 1,000 simulated BMCs that lose packets, hang and die, with the appliance killed every minute.
 *
 * Engine, store and IPMI client are the daemon's own code, the BMCs speak RMCP+; datagrams, timers and firmware are
 * simulated, so that hours pass in minutes. What a kill loses is what was not committed: the database file is closed and
 * opened anew, timers and sessions are gone, and the BMCs go on. Each machine's jobs follow one another, as the rule of one
 * unfinished job wants it. There is no peer: no free job engine runs on a simulated clock; 94 % is the rate at which the stack
 * that this rebuilds ran 28,000 jobs.
 *
 * Targets, each of which ends the run with status 1 when it is missed: 99.5 % succeed; every failed job names the cause that
 * the simulation knows its BMC to have had; none is lost, doubled or stuck; no limit is exceeded; no machine is left with
 * boot flags, or with its power other than its last job was to leave it.
 *
 * Beside it, in real time: how long 200 jobs that run at once keep the main thread (jobs-pause.ts).
 */
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { decodeBootFlags } from '../src/ipmi/commands/boot-options.ts';
import { createHall, EPOCH, type Hall, nameOf } from '../test/support/job-hall.ts';
import { removeFolder, temporaryFolder } from '../test/support/temporary-folder.ts';
import { measurePause } from './jobs-pause.ts';
import { withScope } from './support/scope.ts';
import { round } from './support/stats.ts';
import type { TopicOptions, TopicResult } from './support/topic.ts';

const KINDS = [
  ...['power-cycle', 'netboot', 'power-on', 'power-off', 'reset', 'identify', 'netboot'],
] as const;
const RACK_MACHINES = 40;
const MINUTE_MS = 60_000;
const KILL_EVERY_MS = MINUTE_MS;
const LOSS_RATE = 0.05;
/** Shares of the machines; of those that hang, each does it again and again. */
const HANG_SHARE = 0.02;
const AWAY_SHARE = 0.01;
const DEAD_SHARE = 0.002;
const BEFORE_RATE = 0.94;
const SUCCESS_MIN = 0.995;
const LIMITS = { siteMax: 400, rackMax: 16 };

export async function run({ quick, log }: TopicOptions): Promise<TopicResult> {
  const machines = quick ? 500 : 1000;
  const jobsEach = quick ? 2 : 28;
  log('200 jobs on real sockets and a disk');
  const mainThread = {
    shared: await measurePause(true),
    ...(quick ? {} : { eachStepWaits: await measurePause(false) }),
  };
  const result = await withScope(async (scope) => {
    const folder = temporaryFolder('jobs');
    scope.defer(() => removeFolder(folder));
    const open = () => {
      const db = new Sqlite(join(folder, 'jobs.db'));
      db.pragma('journal_mode = WAL');
      // A killed process loses no page that it has written: only a power cut would.
      db.pragma('synchronous = OFF');
      return db;
    };
    const hall = createHall({
      ...{ db: open(), reopen: open, machines, racks: Math.ceil(machines / RACK_MACHINES) },
      ...{ limits: LIMITS, lossRate: LOSS_RATE, seed: 20_150_731 },
    });
    const trouble = makeTrouble(hall, machines);
    const startedAt = performance.now();
    await drive(hall, { machines, jobsEach, log });
    return report(hall, {
      machines,
      jobsEach,
      trouble,
      seconds: (performance.now() - startedAt) / 1000,
    });
  });
  return { ...result, ours: { ...result.ours, mainThread } };
}

interface Trouble {
  readonly dead: ReadonlySet<string>;
  readonly away: ReadonlySet<string>;
  readonly hanging: ReadonlySet<string>;
}

/**
 * What a job on this machine may truly have failed of, as the simulation made it; nothing for a BMC that is well: lost packets
 * are no excuse.
 */
function truthOf({ dead, away, hanging }: Trouble, target: string): string {
  if (dead.has(target) || away.has(target)) return 'BMC_UNREACHABLE';
  return hanging.has(target) ? 'BMC_TIMEOUT' : '';
}

/** Which machines are in which trouble: spread over the racks, none in two. */
function makeTrouble(hall: Hall, machines: number): Trouble {
  const order = Array.from({ length: machines }, (_, index) => index);
  for (let index = machines - 1; index > 0; index--) {
    const other = Math.floor(hall.time.random() * (index + 1));
    [order[index], order[other]] = [order[other] ?? 0, order[index] ?? 0];
  }
  const take = (share: number) => order.splice(0, Math.max(1, Math.round(machines * share)));
  const [dead, away, hanging] = [take(DEAD_SHARE), take(AWAY_SHARE), take(HANG_SHARE)];
  const { time } = hall;
  for (const index of dead) hall.machine(index).silentUntil = Number.POSITIVE_INFINITY;
  for (const index of away) {
    const from = time.now() + time.random() * 10 * MINUTE_MS;
    time.at(from, () => {
      hall.machine(index).silentUntil = from + (10 + time.random() * 20) * MINUTE_MS;
    });
  }
  for (const index of hanging) {
    const again = () => {
      hall.machine(index).hungUntil = time.now() + (20 + time.random() * 70) * 1000;
      time.at(time.now() + (2 + time.random() * 6) * MINUTE_MS, again);
    };
    time.at(time.now() + time.random() * 5 * MINUTE_MS, again);
  }
  const names = (list: readonly number[]) => new Set<string>(list.map(nameOf));
  return { dead: names(dead), away: names(away), hanging: names(hanging) };
}

/** Whoever asks for the jobs: looks at what has ended, asks for the next. Survives the appliance. */
async function drive(
  hall: Hall,
  { machines, jobsEach, log }: { machines: number; jobsEach: number; log(line: string): void },
): Promise<void> {
  const asked = new Array<number>(machines).fill(0);
  const left = new Set(asked.map((_, index) => index));
  let killAt = hall.time.now() + KILL_EVERY_MS;
  let toldAt = performance.now();
  while (true) {
    const { desk, inventory } = hall.now;
    const busy = new Set(desk.store.unfinished().map(({ target }) => target as string));
    if (left.size === 0 && busy.size === 0) break;
    inventory.transaction(() => {
      for (const index of left) {
        const count = asked[index] ?? 0;
        if (busy.has(nameOf(index))) continue;
        hall.submit(KINDS[(index + count) % KINDS.length] ?? 'power-on', index, {});
        asked[index] = count + 1;
        if (count + 1 >= jobsEach) left.delete(index);
      }
    });
    await hall.time.pass(Math.min(1000, Math.max(10, killAt - hall.time.now())));
    if (hall.time.now() >= killAt) {
      hall.crash();
      await hall.time.pass(10);
      killAt = hall.time.now() + KILL_EVERY_MS;
    }
    if (performance.now() - toldAt > 10_000) {
      toldAt = performance.now();
      const { finished, failed } = hall.now.desk.store.countByStatus();
      const minutes = Math.round(hall.time.now() / MINUTE_MS);
      log(
        `${finished + failed} jobs ended, ${failed} failed, minute ${minutes}, ${hall.crashes} kills`,
      );
    }
  }
}

interface JobRow {
  number: number;
  id: string;
  kind: string;
  target: string;
  status: string;
  code: string;
  retries: number;
  ms: number;
}

function report(
  hall: Hall,
  run: { machines: number; jobsEach: number; trouble: Trouble; seconds: number },
): TopicResult {
  const { machines, jobsEach, trouble, seconds } = run;
  const db = hall.database();
  const rows = db
    .prepare<[], JobRow>(
      'SELECT number, id, kind, target, status, code, retries, ended_at - created_at AS ms FROM jobs ORDER BY number',
    )
    .all();
  const total = machines * jobsEach;
  const finished = rows.filter(({ status }) => status === 'finished').length;
  const failed = rows.filter(({ status }) => status === 'failed');
  const causes = failed.map(({ target, code }) => ({ told: code, is: truthOf(trouble, target) }));
  const wrongly = causes.filter((cause) => cause.is === '').length;
  const misnamed = causes.filter((cause) => cause.is !== '' && cause.told !== cause.is).length;
  const { missed, ...counts } = judge(hall, rows, total);
  if (wrongly > 0) missed.push(`${wrongly} jobs failed on BMCs that are well`);
  if (misnamed > 0) missed.push(`${misnamed} failed with another cause than the true one`);
  if (finished < SUCCESS_MIN * total)
    missed.push(`${finished} of ${total} succeeded, less than ${100 * SUCCESS_MIN} %`);
  const successRate = finished / total;
  const hours = (hall.clock() - EPOCH) / 3_600_000;
  return {
    topic: 'jobs',
    ours: {
      ...{ jobs: total, machines, finished, failed: failed.length },
      successPercent: round(100 * successRate, 3),
      failedByCause: countBy(causes.map(({ told, is }) => `${told} of ${is || 'nothing'}`)),
      failedOnHealthyBmcs: wrongly,
      failedWithAnotherCause: misnamed,
      ...{ kills: hall.crashes, retries: rows.reduce((sum, { retries }) => sum + retries, 0) },
      ...counts,
      simulatedHours: round(hours),
      jobsPerSecond: Math.round(total / seconds),
      sessionsAtOnce: hall.open.siteMost,
      sessionsOfOneBmc: hall.open.bmcMost,
      sessionsOfOneRack: hall.racksOpen.most,
    },
    peers: {},
    missed,
    ratio: { 'success rate over that of the stack before': round(successRate / BEFORE_RATE, 4) },
    notes: [
      `5 % of datagrams lost each way; ${trouble.hanging.size} BMCs hang again and again, ${trouble.away.size} are away for 10 to 30 minutes, ${trouble.dead.size} for good`,
      'killed every simulated minute: the database file is closed, timers and sessions are lost, the BMCs go on',
      'no peer runs on a simulated clock; the rate to beat is 94 %, of the stack that this rebuilds',
    ],
  };
}

function judge(
  hall: Hall,
  rows: readonly JobRow[],
  total: number,
): { lost: number; doubled: number; stuck: number; unstable: number; missed: string[] } {
  const db = hall.database();
  const count = (sql: string): number => (db.prepare(sql).get() as { n: number }).n;
  const ended = `SELECT job FROM job_log WHERE json_extract(entry, '$.is') = 'ended' GROUP BY job`;
  const lost = total - rows.length;
  const doubled = count(`SELECT count(*) AS n FROM (${ended} HAVING count(*) > 1)`);
  const stuck = rows.length - count(`SELECT count(*) AS n FROM (${ended})`);
  const told = count(
    `SELECT count(*) AS n FROM events WHERE name IN ('job.finished', 'job.failed')`,
  );
  const { bmcMost, siteMost } = hall.open;
  const missed: string[] = [];
  if (lost !== 0 || doubled !== 0 || stuck !== 0)
    missed.push(`${lost} lost, ${doubled} doubled, ${stuck} stuck`);
  if (told !== total) missed.push(`${told} ends were told`);
  if (bmcMost > 1) missed.push(`${bmcMost} sessions with one BMC`);
  if (siteMost > LIMITS.siteMax) missed.push(`${siteMost} sessions at once`);
  if (hall.racksOpen.most > LIMITS.rackMax) missed.push(`${hall.racksOpen.most} in one rack`);
  const unstable = unstableMachines(hall, rows);
  if (unstable > 0) missed.push(`${unstable} machines are not as their last job left them`);
  return { lost, doubled, stuck, unstable, missed };
}

/** Flags that are still set, and power that is not what the newest job was for, where that job finished. */
function unstableMachines(hall: Hall, rows: readonly JobRow[]): number {
  const newest = new Map(rows.map((row) => [row.target, row]));
  let count = 0;
  for (const { target, kind, status } of newest.values()) {
    const machine = hall.machine(Number(target.slice(3)));
    const flags = decodeBootFlags(machine.state.bootOptions.get(5) ?? new Uint8Array());
    const wrongPower =
      status === 'finished' &&
      ((kind === 'power-off' && machine.isOn()) ||
        (['power-on', 'power-cycle', 'netboot', 'reset'].includes(kind) && !machine.isOn()));
    if (flags?.valid || wrongPower) count += 1;
  }
  return count;
}

function countBy(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}
