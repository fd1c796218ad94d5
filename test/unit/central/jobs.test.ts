/** Which of the jobs that were asked for at central a list finds: those that are like it, however many others came since. */
import { afterEach, describe, expect, it } from 'vitest';
import { putIntent } from '../../../src/central/intents.ts';
import { type JobFilter, openFleetJobs } from '../../../src/central/jobs.ts';
import { migrateFleet } from '../../../src/central/schema.ts';
import { type FleetDatabase, openFleetDatabase } from '../../../src/central/sql.ts';
import { limit } from '../../../src/limits.ts';
import type { Clock, Millis } from '../../../src/wire/time.ts';

const NOW = 1_000_000;
const clock: Clock = () => NOW as Millis;

let db: FleetDatabase | undefined;
afterEach(() => db?.close());

interface Asked {
  readonly target: string;
  readonly at: number;
  readonly site?: string;
  readonly action?: string;
  readonly who?: string;
}

async function openJobs(asked: readonly Asked[]) {
  const opened = openFleetDatabase('sqlite::memory:');
  db = opened;
  await migrateFleet(opened);
  for (const { site = 'lon', action = 'inspect', who = 'ann', target, at } of asked)
    await putIntent(opened, {
      ...{ id: `${target}-${at}`, site, who, now: at },
      body: { kind: 'job', action, target, params: {} },
    });
  const jobs = openFleetJobs(opened, clock);
  const list = async (of: JobFilter, count: number) => (await jobs.page(of, { count })).jobs;
  return { sql: opened, jobs, list };
}

/** More than one reading, several of them in one millisecond. */
const MANY = limit('fleetPageMax') + 100;
const others = Array.from({ length: MANY }, (_, n) => ({
  ...{ target: `M-${n}`, at: 100 + Math.floor(n / 7) },
}));
const ids = (found: readonly { id: string }[]) => found.map(({ id }) => id);

describe('a list of jobs', () => {
  it.each([
    ['target', { target: 'OLD_1' }],
    ['site', { site: 'sto' }],
    ['requester', { requester: 'eve' }],
    ['action', { action: 'wipe' }],
  ])('finds by %s what is older than everything else', async (_, of) => {
    const old = { target: 'OLD_1', at: 1, site: 'sto', action: 'wipe', who: 'eve' };
    const { list } = await openJobs([...others, old]);
    expect(ids(await list(of, 5))).toEqual(['OLD_1-1']);
  });

  it('finds by status what is older than everything else', async () => {
    const { sql, list } = await openJobs([...others, { target: 'OLD', at: 1 }]);
    const values = [JSON.stringify({ code: 'MACHINE_PROTECTED' }), 'OLD-1'];
    await sql.run("UPDATE intents SET status = 'refused', result = ? WHERE id = ?", values);
    expect(ids(await list({ status: 'failed,cancelled' }, 5))).toEqual(['OLD-1']);
  });

  it('takes no sign of a target for anything but itself', async () => {
    const { list } = await openJobs([
      { target: 'A_1', at: 1 },
      { target: 'AX1', at: 2 },
      { target: 'a_1', at: 3 },
    ]);
    expect(ids(await list({ target: 'A_1' }, 5))).toEqual(['A_1-1']);
    expect(ids(await list({ target: '%' }, 5))).toEqual([]);
  });

  it('has the newest first, each once, and no more than were asked for', async () => {
    const { list } = await openJobs(others);
    const newest = others.map(({ target, at }) => ({ at, id: `${target}-${at}` }));
    newest.sort((one, other) => other.at - one.at || (one.id < other.id ? -1 : 1));
    expect(ids(await list({ status: 'queued' }, MANY))).toEqual(ids(newest));
    expect(ids(await list({}, 7))).toEqual(ids(newest).slice(0, 7));
  });
});
