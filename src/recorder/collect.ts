/**
 * Puts the flight record of one boot together: the boot's events, its packets, what the BMC was told around it, the boots of
 * the same NIC before it, and what ServerDb knows of the machine. Reads only.
 */
import type { Database } from 'better-sqlite3';
import {
  FLIGHT_FORMAT,
  FLIGHT_VERSION,
  type Flight,
  type FlightEntry,
  type PreviousBoot,
  type TcpFigures,
} from '../diagnose/flight.ts';
import { isWaiting } from '../diagnose/rule.ts';
import type { StoredEvent } from '../events.ts';
import type { Boot } from '../inventory/boots.ts';
import type { ConsoleStore } from '../inventory/consoles.ts';
import type { Machine } from '../inventory/machines.ts';
import { limit } from '../limits.ts';
import type { BootId, Hardwarename } from '../wire/ids.ts';
import type { Mac } from '../wire/mac.ts';
import { createConsoleLines } from './console-lines.ts';
import { entriesOf } from './entries.ts';
import type { KeptPacket } from './packets.ts';
import type { FlightStore } from './store.ts';

/** What the collector asks of the inventory. */
export interface CollectorParts {
  readonly db: Database;
  readonly events: {
    ofBoot(boot: BootId, max: number): StoredEvent[];
    ofMachine(hardwarename: Hardwarename, count: number): StoredEvent[];
  };
  readonly boots: { byId(id: BootId): Boot | undefined };
  readonly machines: {
    byHardwarename(name: Hardwarename): Machine | undefined;
    byMac(mac: Mac): Machine | undefined;
  };
  readonly store: FlightStore;
  readonly consoles: Pick<ConsoleStore, 'ofBoot' | 'parts'>;
  /** Packets that are not written yet. */
  packets(boot: BootId): readonly KeptPacket[];
  /** What the kernel counts of a download that runs. */
  live(boot: BootId): TcpFigures | undefined;
  /** Names of the segments that are ProxyDHCP ones. */
  readonly proxied: ReadonlySet<string>;
}

/** What the BMC was told belongs to a boot that begins within this time. */
const POWER_BEFORE_MS = 900_000;
const MACHINE_EVENTS_MAX = 400;

interface BootRow {
  id: string;
  started_at: number;
  last_at: number;
  client: string;
  report_digest: string | null;
}

export type Collector = ReturnType<typeof createCollector>;

export function createCollector(parts: CollectorParts) {
  const { db, events, boots, machines, store } = parts;
  const before = db.prepare<[string, number, number], BootRow>(
    'SELECT id, started_at, last_at, client, report_digest FROM boots WHERE mac = ? AND started_at < ? ORDER BY started_at DESC LIMIT ?',
  );
  const after = db.prepare<[string, number], BootRow>(
    'SELECT id, started_at, last_at, client, report_digest FROM boots WHERE mac = ? AND started_at > ? ORDER BY started_at LIMIT 1',
  );
  const inShort = (row: BootRow): PreviousBoot => {
    const own = events.ofBoot(row.id as BootId, limit('stallEventsMax'));
    const script = own.findLast(({ name }) => name === 'ipxe.script');
    const mode = script?.name === 'ipxe.script' ? script.data.mode : '';
    // What only waits reports nothing: it is where it should be when pxeimage runs.
    const waits = isWaiting(mode) && own.some(({ name }) => name === 'agent.progress');
    return {
      boot: row.id,
      startedAt: row.started_at,
      lastAt: row.last_at,
      mode,
      reported: row.report_digest !== null || waits,
      diagnosis: store.ofBoot(row.id)?.name ?? '',
    };
  };
  const previousOf = (mac: Mac, at: number) =>
    before.all(mac, at, limit('flightPreviousMax')).map(inShort);

  /** What jobs did to the power of this machine around a boot, and its system's call home; nothing else of its history. */
  const powerOf = (machine: Machine | undefined, from: number, to: number): StoredEvent[] =>
    machine
      ? events
          .ofMachine(machine.hardwarename, MACHINE_EVENTS_MAX)
          .filter(
            ({ at, name, boot }) =>
              !boot &&
              at <= to &&
              (name === 'os.phoned-home'
                ? at >= from + POWER_BEFORE_MS
                : name.startsWith('job.') && at >= from),
          )
      : [];
  const linesOf = createConsoleLines((number) => parts.consoles.parts(number));
  const consoleOf = (boot: string, now: number, lateMs: number): readonly FlightEntry[] => {
    const recording = parts.consoles.ofBoot(boot);
    return recording ? linesOf(recording, now, lateMs) : [];
  };

  return {
    /**
     * @param lateMs how long ago its console may have been read
     * @returns undefined for a boot that nobody knows
     */
    ofBoot(id: BootId, now: number, lateMs = 0): Flight | undefined {
      const boot = boots.byId(id);
      if (!boot) return undefined;
      const { mac, startedAt } = boot;
      const machine =
        (boot.hardwarename && machines.byHardwarename(boot.hardwarename)) ?? machines.byMac(mac);
      const next = after.get(mac, startedAt);
      const until = next?.started_at ?? now;
      const own = events.ofBoot(id, limit('flightEntriesMax'));
      const feed = [...powerOf(machine, startedAt - POWER_BEFORE_MS, until), ...own];
      const packets = [...store.packets(id), ...parts.packets(id)];
      const wires = entriesOf(feed, packets, next ? undefined : parts.live(id));
      const entries = [...wires, ...consoleOf(id, now, lateMs)].sort((a, b) => a.at - b.at);
      const started = own.find(({ name }) => name === 'boot.started');
      const card = entries.find((one) => one.kind === 'dhcp' && one.nic !== '');
      const nic = card?.kind === 'dhcp' ? card.nic : '';
      const segment = segmentOf(started);
      return {
        format: FLIGHT_FORMAT,
        version: FLIGHT_VERSION,
        source: 'daemon',
        blind: [],
        boot: id,
        mac,
        machine: machineOf(machine),
        place: { ...placeOf(machine, mac), segment, proxy: parts.proxied.has(segment) },
        client: started?.name === 'boot.started' ? started.data.client : boot.client,
        arch: boot.arch,
        startedAt,
        watchedUntil: now,
        ...(next
          ? { restartedAt: next.started_at, restartedAs: next.client as Flight['client'] }
          : {}),
        ...(nic === '' ? {} : { sameCardReachedLinux: store.cardsThatReachedLinux(nic, id) }),
        entries: ends(entries),
        previous: previousOf(mac, startedAt),
      };
    },

    /** A machine that was switched on at `since`, and of which no boot has come. */
    ofPower(
      machine: Machine,
      since: number,
      { now, firmwareMs }: { now: number; firmwareMs: number },
    ): Flight {
      const feed = events
        .ofMachine(machine.hardwarename, MACHINE_EVENTS_MAX)
        .filter(({ at, name }) => at >= since - POWER_BEFORE_MS && /^(job|dhcp)\./.test(name));
      const recent = feed.filter(({ at, name }) => name.startsWith('job.') || at >= since);
      return {
        format: FLIGHT_FORMAT,
        version: FLIGHT_VERSION,
        source: 'daemon',
        blind: [],
        boot: '',
        mac: machine.bootMac,
        machine: machineOf(machine),
        place: { ...placeOf(machine, machine.bootMac as Mac), segment: '', proxy: false },
        client: 'firmware',
        arch: '',
        startedAt: since,
        watchedUntil: now,
        firmwareMs,
        entries: entriesOf(recent, [], undefined).slice(-limit('flightEntriesMax')),
        previous: previousOf(machine.bootMac as Mac, since),
      };
    },
  };
}

/** How a boot began says what it is, and its end where it stands. */
function ends(entries: FlightEntry[]): FlightEntry[] {
  const max = limit('flightEntriesMax');
  if (entries.length <= max) return entries;
  return [...entries.slice(0, max / 4), ...entries.slice(entries.length - (3 * max) / 4)];
}

function machineOf(machine: Machine | undefined): Flight['machine'] {
  if (!machine) {
    return { hardwarename: '', manufacturer: '', product: '', firmware: '', state: 'unknown' };
  }
  const { hardwarename, manufacturer, product, state, biosVersion, reported } = machine;
  const { memoryBytes, diskCount: disks } = machine;
  return {
    ...{ hardwarename, manufacturer, product, state, firmware: biosVersion },
    ...(reported ? { memoryBytes, disks } : {}),
  };
}

/** Where it stands and where it is plugged in, as it last reported; a relay's word is for machines that never did. */
function placeOf(machine: Machine | undefined, mac: Mac) {
  const nic = machine?.nics.find((one) => one.mac === mac);
  const { site = '', rack = '' } = machine ?? {};
  return { site, rack, switch: nic?.switch ?? '', port: nic?.port ?? '' };
}

function segmentOf(started: StoredEvent | undefined): string {
  return started?.name === 'boot.started' ? started.data.iface.replace(/^relayed to /, '') : '';
}
