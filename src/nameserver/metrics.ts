/**
 * The name server's figures for Prometheus: read from the threads' counters when somebody asks, never pushed.
 */
import { Counter, Gauge, type Registry } from 'prom-client';
import { formatRcode } from '../dns/types.ts';
import type { Nameserver } from './server.ts';
import { COUNTER } from './udp-protocol.ts';

export function registerDnsMetrics(registry: Registry, nameserver: () => Nameserver): void {
  const gauge = (name: string, help: string, labelNames: string[], read: Read) =>
    new Gauge({
      ...{ name, help, labelNames, registers: [registry] },
      collect() {
        this.reset();
        for (const [labels, value] of read(nameserver())) this.set(labels, value);
      },
    });
  // The threads count; what they have counted is read, so that nothing of it is lost between two readings.
  const counter = (name: string, help: string, labelNames: string[], read: Read) =>
    new Counter({
      ...{ name, help, labelNames, registers: [registry] },
      collect() {
        this.reset();
        for (const [labels, value] of read(nameserver())) this.inc(labels, value);
      },
    });
  counter('reveille_dns_udp_total', 'DNS over UDP by outcome', ['outcome'], (server) => {
    const { udp } = server.counters();
    const named = ['questions', 'dropped', 'limited', 'forwarded', 'truncated'] as const;
    return named.map((outcome) => [{ outcome }, udp[COUNTER[outcome]] ?? 0]);
  });
  counter(
    'reveille_dns_udp_answers_total',
    'DNS answers over UDP by rcode',
    ['rcode'],
    (server) => {
      const { udp } = server.counters();
      return Array.from({ length: 7 }, (_, rcode) => [
        { rcode: rcode === 6 ? 'other' : formatRcode(rcode) },
        udp[COUNTER.rcodes + rcode] ?? 0,
      ]);
    },
  );
  counter(
    'reveille_dns_signatures_total',
    'DNSSEC signatures made by UDP threads',
    [],
    (server) => [[{}, server.counters().udp[COUNTER.signatures] ?? 0]],
  );
  gauge('reveille_dns_udp_threads', 'UDP threads by state', ['state'], (server) => {
    const { threads, running, restarts } = server.health();
    return [
      [{ state: 'running' }, running],
      [{ state: 'missing' }, threads - running],
      [{ state: 'restarted' }, restarts],
    ];
  });
  gauge('reveille_dns_tcp_connections', 'Open DNS connections', [], (server) => [
    [{}, server.counters().tcpConnections],
  ]);
  gauge('reveille_dns_generation', 'Number of the generation that is served', [], (server) => [
    [{}, server.keeper.currentGeneration()],
  ]);
  gauge('reveille_dns_records', 'Records that are served', [], (server) => [
    [{}, [...server.keeper.zones().values()].reduce((sum, zone) => sum + zone.records, 0)],
  ]);
}

type Read = (server: Nameserver) => Iterable<readonly [Record<string, string>, number]>;
