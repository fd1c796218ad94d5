/** Figures of jobs: each group by its own newest entries within the window, whatever others do; read again only when touched. */
import Sqlite from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../../src/errors.ts';
import { openInventory } from '../../../src/inventory/inventory.ts';
import { openJobDesk } from '../../../src/jobs/desk.ts';
import { NO_BMC_POLICY } from '../../../src/jobs/kinds/bmc-setup.ts';
import { jobKinds } from '../../../src/jobs/kinds/index.ts';
import { forgetSome } from '../../../src/jobs/retention.ts';
import { durationsOf } from '../../../src/jobs/stats.ts';
import { limit } from '../../../src/limits.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import type { Millis } from '../../../src/wire/time.ts';

const DAY_MS = 86_400_000;

function world() {
  let now = 1_700_000_000_000;
  const clock = () => now as Millis;
  const db = new Sqlite(':memory:');
  const inventory = openInventory({ db, clock });
  const desk = openJobDesk({
    ...inventory,
    db,
    clock,
    kinds: jobKinds({ bmcSetup: NO_BMC_POLICY }),
  });
  let count = 0;
  return {
    ...{ db, desk, inventory, now: clock },
    pass(ms: number) {
      now += ms;
    },
    /** A job of one step that took so long, and ended like this. */
    job(kind: string, tookMs: number, more: Partial<typeof USUAL> = {}): void {
      const { type, bmc, code, retries, step } = { ...USUAL, ...more };
      count += 1;
      inventory.transaction(() => {
        const job = desk.store.insert({
          ...{ id: `job-${count}`, kind, version: 1, target: `M-${bmc}` as Hardwarename },
          ...{ params: {}, requester: 'x', user: 'x', priority: 0, bmc, hardwareType: type },
        });
        const begun = { attempt: 1, cursor: 0, deadlineAt: now + DAY_MS };
        desk.store.append(job, { is: 'started', step, ...begun });
        for (let each = 0; each < retries; each++)
          desk.store.append(job, {
            ...{ is: 'failed', step, code: 'BMC_TIMEOUT' },
            detail: '',
            retryAt: now + 1,
          });
        now += tookMs;
        if (code === '')
          desk.store.append(job, { is: 'succeeded', step, output: {} }, { durationMs: tookMs });
        const status = code === '' ? 'finished' : 'failed';
        desk.store.append(job, { is: 'ended', status, code, detail: '' });
      });
    },
  };
}
const USUAL = {
  type: 'small',
  bmc: '10.0.0.1',
  code: '' as ErrorCode | '',
  retries: 0,
  step: 'light',
};

const USUAL_ROW = {
  ...{ kind: 'identify', version: 1, target: 'WAITS' as Hardwarename, params: {} },
  ...{ requester: 'x', user: 'x', priority: 0, bmc: '', hardwareType: '' },
};

describe('figures of jobs', () => {
  it('are of each kind, type and step, over the newest entries of that group', () => {
    const { desk, job } = world();
    job('recon', 60_000, { step: 'reported' });
    for (let each = 1; each <= limit('jobHistoryMax') + 50; each++) job('identify', each);
    job('identify', 5000, { type: 'large' });
    const { kinds, steps, window } = desk.stats.read();
    expect(window).toEqual({ days: 90, newest: limit('jobHistoryMax') });
    const figures = kinds.map(({ action, hardwareType, finished, duration }) => [
      ...[action, hardwareType, finished, duration.p50Ms, duration.p99Ms],
    ]);
    // 51 to 1050 of the small ones; of all of them 52 to 1050 and the large one.
    expect(figures).toEqual([
      ['identify', '', 1000, 551, 1041],
      ['identify', 'large', 1, 5000, 5000],
      ['identify', 'small', 1000, 550, 1040],
      ['recon', '', 1, 60_000, 60_000],
      ['recon', 'small', 1, 60_000, 60_000],
    ]);
    expect(
      steps.map((each) => [each.action, each.hardwareType, each.step, each.duration.p50Ms]),
    ).toEqual([
      ['identify', '', 'light', 551],
      ['identify', 'large', 'light', 5000],
      ['identify', 'small', 'light', 550],
      ['recon', '', 'reported', 60_000],
      ['recon', 'small', 'reported', 60_000],
    ]);
  });

  it('leave out what is older than the window, without anything new happening', () => {
    const { desk, job, pass } = world();
    job('identify', 1000, { retries: 2 });
    expect(desk.stats.read().kinds).toHaveLength(2);
    pass(limit('jobStatsMs') + DAY_MS);
    expect(desk.stats.read()).toMatchObject({ kinds: [], steps: [], worstBmcs: [] });
  });

  it('see what has just ended', () => {
    const { desk, job } = world();
    job('identify', 1000);
    expect(desk.stats.read().kinds[0]).toMatchObject({ finished: 1, failed: 0 });
    job('identify', 1000, { code: 'BMC_UNREACHABLE' });
    expect(desk.stats.read()).toMatchObject({
      kinds: [{ finished: 1, failed: 1, successRate: 0.5 }, { hardwareType: 'small' }],
      failures: [{ code: 'BMC_UNREACHABLE', jobs: 1 }],
    });
  });

  it('tell how long a step usually takes: on this type where enough is known of it', () => {
    const { desk, job } = world();
    expect(desk.stats.medianMs('identify', 'light', 'small')).toBeUndefined();
    for (const ms of [100, 100, 100, 100]) job('identify', ms);
    job('identify', 900, { type: 'large' });
    expect(desk.stats.medianMs('identify', 'light', 'large')).toBe(100);
    job('identify', 900, { type: 'large' });
    job('identify', 900, { type: 'large' });
    expect(desk.stats.medianMs('identify', 'light', 'large')).toBe(900);
    expect(desk.stats.medianMs('identify', 'light', 'unheard of')).toBe(100);
  });

  it('name the ten worst BMCs, those that failed first', () => {
    const { desk, job } = world();
    for (let bmc = 1; bmc <= 14; bmc++) job('identify', 10, { bmc: `10.0.0.${bmc}`, retries: bmc });
    job('identify', 10, { bmc: '10.0.0.1', code: 'BMC_UNREACHABLE' });
    job('identify', 10, { bmc: '10.0.0.2', code: 'DISK_FAILED' });
    job('identify', 10, { bmc: '10.0.0.99' });
    const { worstBmcs } = desk.stats.read();
    expect(worstBmcs).toHaveLength(10);
    expect(worstBmcs[0]).toEqual({
      ...{ bmc: '10.0.0.1', target: 'M-10.0.0.1', jobs: 2, failed: 1, retries: 1 },
      code: 'BMC_UNREACHABLE',
    });
    expect(worstBmcs.slice(1).map(({ bmc }) => bmc)).toEqual(
      [14, 13, 12, 11, 10, 9, 8, 7, 6].map((last) => `10.0.0.${last}`),
    );
  });

  it('of a long history cost what has changed', () => {
    const { db, desk, job } = world();
    for (let each = 0; each < 300; each++) job(each % 2 ? 'identify' : 'recon', 10);
    desk.stats.read();
    const plans = ['job_steps', 'jobs'].flatMap((table) =>
      db
        .prepare(
          table === 'jobs'
            ? `EXPLAIN QUERY PLAN SELECT status FROM jobs WHERE ended_at > 0 AND ended_at > 1 AND kind = 'a'
               AND hardware_type = 'b' ORDER BY ended_at DESC LIMIT 9`
            : `EXPLAIN QUERY PLAN SELECT duration_ms FROM job_steps WHERE kind = 'a' AND hardware_type = 'b'
               AND step = 'c' AND at > 1 ORDER BY at DESC LIMIT 9`,
        )
        .all()
        .map((row) => (row as { detail: string }).detail),
    );
    expect(plans).toEqual([
      expect.stringMatching(/USING COVERING INDEX job_steps_by_type/),
      expect.stringMatching(/USING COVERING INDEX jobs_by_type/),
    ]);
  });
});

describe('what is kept', () => {
  const days = (count: number) => ({ days: count, most: 1_000_000 });

  it('goes after so many days with its log, its times and its work; the newest burn-in stays', () => {
    const { db, desk, job, pass, inventory, now } = world();
    job('burn-in', 10, { bmc: '10.0.0.1' });
    job('burn-in', 10, { bmc: '10.0.0.1', code: 'DISK_FAILED' });
    for (let each = 0; each < limit('jobForgetMax') + 5; each++) job('identify', 10);
    pass(2 * DAY_MS);
    job('identify', 10);
    const arm = { job: 'job-3', hardwarename: 'M-10.0.0.1' as Hardwarename };
    inventory.work.arm({ ...arm, purpose: 'burn-in', detail: {} });
    expect(forgetSome(desk.store, days(3), now())).toBe(false);
    expect(forgetSome(desk.store, days(1), now())).toBe(true);
    expect(forgetSome(desk.store, days(1), now())).toBe(false);
    expect(desk.store.page({}, 1000).map(({ kind, code }) => [kind, code])).toEqual([
      ['identify', ''],
      ['burn-in', 'DISK_FAILED'],
    ]);
    const rows = (sql: string) => db.prepare<[], { job: number }>(sql).all();
    expect(rows('SELECT DISTINCT job FROM job_log')).toHaveLength(2);
    expect(rows('SELECT job FROM job_steps')).toHaveLength(1);
    expect(rows('SELECT job FROM work_orders')).toEqual([]);
  });

  it('is no more than so many, and never an unfinished one', () => {
    const { desk, job, now, inventory } = world();
    const waiting = { ...USUAL_ROW, id: 'waiting' };
    inventory.transaction(() => desk.store.insert(waiting));
    for (let each = 0; each < 30; each++) job('identify', 10);
    expect(forgetSome(desk.store, { days: 365, most: 20 }, now())).toBe(false);
    const left = desk.store.page({}, 1000);
    expect(left.map(({ id }) => id).sort()).toEqual(
      ['waiting', ...Array.from({ length: 20 }, (_, index) => `job-${index + 11}`)].sort(),
    );
  });
});

describe('nearest rank', () => {
  it.each([
    [[], [0, 0, 0, 0]],
    [[7], [1, 7, 7, 7]],
    [Array.from({ length: 100 }, (_, index) => 100 - index), [100, 50, 90, 99]],
  ])('of %j', (times, [count, p50Ms, p90Ms, p99Ms]) => {
    expect(durationsOf(times)).toEqual({ count, p50Ms, p90Ms, p99Ms });
  });
});
