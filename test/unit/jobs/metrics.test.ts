/** Jobs and the disk in the metrics: open jobs as they are, ended ones once each, and neither by looking through all jobs. */
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { addJobMetrics } from '../../../src/daemon/job-metrics.ts';
import { addDiskMetrics } from '../../../src/daemon/metrics.ts';
import { diskRoomOf } from '../../../src/platform/disk-room.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { jobBook } from '../../support/job-book.ts';

async function valuesOf(registry: Registry, name: string): Promise<Record<string, number>> {
  const metric = await registry.getSingleMetric(name)?.get();
  const values = metric?.values ?? [];
  return Object.fromEntries(values.map(({ labels, value }) => [labels.status ?? '', value]));
}

it('counts jobs that wait and run, and each that has ended once', async () => {
  let now = 1_700_000_000_000;
  const clock = () => now as Millis;
  const { db, asked, add, planOf } = jobBook(clock);
  let made = 0;
  const job = (ended?: 'finished' | 'failed' | 'cancelled') => {
    made += 1;
    add({ id: `job-${made}`, kind: 'power', target: `M${made}`, requester: 'x', ended });
  };
  job('failed');
  now += 1000;
  const registry = new Registry();
  asked.length = 0;
  addJobMetrics(registry, { db, clock });
  const ended = () => valuesOf(registry, 'reveille_jobs_ended_total');
  expect(await ended()).toEqual({ finished: 0, failed: 0, cancelled: 0 });
  job('finished');
  job();
  expect(await ended()).toEqual({ finished: 0, failed: 0, cancelled: 0 });
  job('finished');
  now += 1;
  job('failed');
  expect(await ended()).toEqual({ finished: 2, failed: 0, cancelled: 0 });
  now -= 500;
  expect(await ended()).toEqual({ finished: 2, failed: 0, cancelled: 0 });
  now += 1000;
  expect(await ended()).toEqual({ finished: 2, failed: 1, cancelled: 0 });
  expect(await ended()).toEqual({ finished: 2, failed: 1, cancelled: 0 });
  expect(await valuesOf(registry, 'reveille_jobs')).toEqual({ queued: 1, running: 0 });
  expect(asked).toHaveLength(2);
  for (const sql of asked)
    expect(planOf(sql)).toMatch(/^SEARCH jobs USING .*INDEX jobs_by_(status|end) \(/);
});

it('says how much room the disk has', async () => {
  const registry = new Registry();
  addDiskMetrics(registry, () => diskRoomOf('.'));
  const free = (await valuesOf(registry, 'reveille_disk_free_bytes'))[''] ?? 0;
  const size = (await valuesOf(registry, 'reveille_disk_size_bytes'))[''] ?? 0;
  expect(free).toBeGreaterThan(0);
  expect(size).toBeGreaterThanOrEqual(free);
  expect(() => diskRoomOf('/nowhere/at/all')).toThrow('ENOENT');
});
