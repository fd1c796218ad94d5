/** The load that the overview plots: of counters that the daemon has, added up as Prometheus would. */
import Sqlite from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { openMetrics } from '../../../src/daemon/metrics.ts';
import { openInventory } from '../../../src/inventory/inventory.ts';
import { registerDnsMetrics } from '../../../src/nameserver/metrics.ts';
import { COUNTED, sumMetrics } from '../../../src/ui/parts/rates.ts';
import type { Millis } from '../../../src/wire/time.ts';

function daemonMetrics() {
  const clock = () => 1_700_000_000_000 as Millis;
  const metrics = openMetrics(openInventory({ db: new Sqlite(':memory:'), clock }));
  registerDnsMetrics(metrics.registry, () => {
    throw new Error('nobody asks here');
  });
  return metrics;
}

describe('the load', () => {
  it('is of counters that the daemon has', () => {
    const { registry } = daemonMetrics();
    for (const { metrics } of COUNTED)
      for (const { metric } of metrics)
        expect(registry.getSingleMetric(metric), metric).toBeDefined();
  });

  it('is the sum over all labels, of what counts alone', async () => {
    const { dhcpReplies, tftpSentBytes, tftpDrops, dhcpDrops } = daemonMetrics();
    dhcpReplies.inc({ type: '2' }, 3);
    dhcpReplies.inc({ type: '5' }, 4);
    tftpSentBytes.inc(2e6);
    tftpDrops.inc({ reason: 'late' }, 5);
    dhcpDrops.inc({ reason: 'unknown-segment' }, 7);
    const texts = await Promise.all(
      [dhcpReplies, tftpSentBytes, tftpDrops, dhcpDrops].map(async (one) => {
        const { name, values } = await one.get();
        return values
          .map(({ labels, value }) => {
            const pairs = Object.entries(labels).map(([key, word]) => `${key}="${word}"`);
            return `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}`;
          })
          .join('\n');
      }),
    );
    const dns = [
      'reveille_dns_udp_total{outcome="questions"} 1000',
      'reveille_dns_udp_total{outcome="dropped"} 10',
      'reveille_dns_udp_total{outcome="limited"} 20',
      'reveille_dns_udp_answers_total{rcode="NOERROR"} 900',
      'reveille_dns_udp_answers_total{rcode="NXDOMAIN"} 60',
      'reveille_dns_records 5',
    ];
    const text = ['# HELP reveille_dhcp_replies_total 99', ...texts, ...dns, ''].join('\n');
    expect(sumMetrics(text)).toEqual([7, 960, 2e6, 0, 42]);
  });
});
