/** What Prometheus is told: one registry, made by the daemon and handed to whoever counts. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { DHCP_DROPS } from '../dhcp/server.ts';
import type { PairStatus } from '../http/people/context.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { limit } from '../limits.ts';
import type { DiskRoom } from '../platform/disk-room.ts';
import { readOverruns } from '../platform/udp-overruns.ts';
import type { DiagnosisCount } from '../recorder/store.ts';
import { TFTP_DROP_REASONS } from '../tftp/ports.ts';
import { VERSION } from './core.ts';
import { createHttpMetrics } from './http.ts';
import { addPairMetrics } from './standby-metrics.ts';

/** Diagnoses by place and model, so that a bad switch shows as one problem. Read from the database when asked. */
export function addDiagnosisMetrics(
  registry: Registry,
  counts: (max: number) => readonly DiagnosisCount[],
): void {
  const labelNames = ['diagnosis', 'site', 'rack', 'switch', 'model'];
  const gauge = (name: string, help: string, of: 'total' | 'open') =>
    new Gauge({
      ...{ name, help, labelNames, registers: [registry] },
      collect() {
        this.reset();
        for (const one of counts(limit('metricSeriesMax'))) {
          const { name: diagnosis, total, open, ...where } = one;
          this.set({ diagnosis, ...where }, { total, open }[of]);
        }
      },
    });
  gauge('reveille_boot_diagnoses', 'Boots that stopped, by cause and place, ever', 'total');
  gauge('reveille_boot_diagnoses_open', 'Boots that have stopped and not gone on', 'open');
}

/** What a storm left no room for. */
export function addRecorderMetrics(
  registry: Registry,
  dropped: () => Readonly<Record<string, number>>,
): void {
  new Counter({
    name: 'reveille_flight_dropped_total',
    help: 'What the flight recorder had no room for since the start, by what it is',
    labelNames: ['what'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [what, count] of Object.entries(dropped())) this.inc({ what }, count);
    },
  });
}

/** What was lost before any of our programs could count it. */
export function addOverrunMetrics(registry: Registry, ports: readonly number[]): void {
  new Counter({
    name: 'reveille_udp_overruns_total',
    help: 'Datagrams that the kernel dropped because a receive buffer was full, by port',
    labelNames: ['port'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [port, count] of readOverruns(ports)) this.inc({ port }, count);
    },
  });
}

/** The disk that holds the database: without room on it, nothing is acknowledged any more. */
export function addDiskMetrics(registry: Registry, room: () => DiskRoom): void {
  const gauge = (name: string, help: string, of: keyof DiskRoom) =>
    new Gauge({
      ...{ name, help, registers: [registry] },
      collect() {
        this.set(room()[of]);
      },
    });
  gauge('reveille_disk_free_bytes', 'Free on the disk that holds the database', 'freeBytes');
  gauge('reveille_disk_size_bytes', 'Size of the disk that holds the database', 'sizeBytes');
}

export type Metrics = ReturnType<typeof openMetrics>;

/** Counters that the protocols add to, and gauges that read ServerDb when they are asked. */
export function openMetrics(inventory: Inventory, pair?: () => PairStatus) {
  const registers = [new Registry()] as const;
  const [registry] = registers;
  collectDefaultMetrics({ register: registry });
  if (pair) addPairMetrics(registry, pair);
  const counter = (name: string, help: string, labelNames: string[]) =>
    new Counter({ name, help, labelNames, registers: [...registers] });
  new Gauge({
    name: 'reveille_build_info',
    help: 'Always 1; which version runs',
    labelNames: ['version'],
    registers: [...registers],
  }).set({ version: VERSION }, 1);
  new Gauge({
    name: 'reveille_machines',
    help: 'Machines by state',
    labelNames: ['state'],
    registers: [...registers],
    collect() {
      this.reset();
      for (const { state, count } of inventory.machines.countByState()) this.set({ state }, count);
    },
  });
  new Gauge({
    name: 'reveille_machines_overdue',
    help: 'Machines that are stuck: the deadline of their state has passed',
    labelNames: ['state'],
    registers: [...registers],
    collect() {
      this.reset();
      for (const { state, overdue } of inventory.machines.countByState())
        this.set({ state }, overdue);
    },
  });
  new Gauge({
    name: 'reveille_events_last_id',
    help: 'Number of the newest event',
    registers: [...registers],
    collect() {
      this.set(inventory.events.lastId());
    },
  });
  const dhcpDrops = counter('reveille_dhcp_drops_total', 'DHCP packets not answered', ['reason']);
  for (const reason of DHCP_DROPS) dhcpDrops.inc({ reason }, 0);
  const tftpDrops = counter('reveille_tftp_drops_total', 'TFTP packets not served', ['reason']);
  for (const reason of TFTP_DROP_REASONS) tftpDrops.inc({ reason }, 0);
  const threadsLost = counter(
    'reveille_threads_lost_total',
    'Threads that ended without being asked to, and were started again',
    ['thread'],
  );
  for (const thread of ['tftp', 'files'] as const) threadsLost.inc({ thread }, 0);
  return {
    registry,
    threadsLost,
    tftpDrops,
    tftpTransfers: counter('reveille_tftp_transfers_total', 'TFTP transfers that ended', [
      'outcome',
    ]),
    tftpSentBytes: counter('reveille_tftp_sent_bytes_total', 'Bytes of files sent by TFTP', []),
    unsent: counter('reveille_udp_unsent_total', 'Datagrams that the kernel refused', []),
    dhcpDrops,
    dhcpReplies: counter('reveille_dhcp_replies_total', 'DHCP replies by message type', ['type']),
    http: createHttpMetrics(registry),
  };
}
