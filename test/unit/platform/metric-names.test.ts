/** Names of metrics as Prometheus has them: counters end in `_total`, nothing else does, and each says what it is. */
import Sqlite from 'better-sqlite3';
import { expect, it } from 'vitest';
import { openMetrics } from '../../../src/daemon/metrics.ts';
import { openInventory } from '../../../src/inventory/inventory.ts';
import { registerDnsMetrics } from '../../../src/nameserver/metrics.ts';
import type { Millis } from '../../../src/wire/time.ts';

it('are those of counters and of gauges', () => {
  const inventory = openInventory({ db: new Sqlite(':memory:'), clock: () => 0 as Millis });
  const { registry } = openMetrics(inventory);
  registerDnsMetrics(registry, () => {
    throw new Error('nobody asks here');
  });
  const ours = registry.getMetricsAsArray().filter(({ name }) => name.startsWith('reveille_'));
  expect(ours.length).toBeGreaterThan(15);
  for (const metric of ours) {
    const { name, help } = metric;
    expect([name, metric.constructor.name === 'Counter']).toEqual([name, name.endsWith('_total')]);
    expect(name).toMatch(/^[a-z0-9_]+$/);
    expect(name).not.toMatch(/_(ms|millis|kb|mb|percent|count)(_total)?$/);
    expect(help.length).toBeGreaterThan(10);
  }
});
