/**
 * Ingestion: one recon report becomes a machine on record, in one transaction, as often as it is delivered.
 *
 * The token says which boot of which NIC is speaking; the report must contain that NIC. A repeated report (the answer
 * was lost, the daemon was killed) is answered again and changes nothing. What the report means is decided by
 * `identity.ts` and `claims.ts`; `carry-out.ts` does it.
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { HardwareChange } from '../events.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Clock } from '../wire/time.ts';
import type { BootKeeping } from './boot-keeping.ts';
import type { Boot, Boots } from './boots.ts';
import { carryOut } from './carry-out.ts';
import { claimsOf } from './claims.ts';
import type { EventStore } from './event-store.ts';
import {
  identify,
  type KnownMachine,
  type KnownMachines,
  serialKey,
  serialOf,
  usableUuid,
} from './identity.ts';
import type { Machine, MachineFacts, Machines } from './machines.ts';
import type { Ownership } from './ownership.ts';
import { type PartSwap, partIds, partSwapOf } from './part-swap.ts';
import { macsOf, parseReport, type ReconReport } from './report.ts';
import { keepsParts } from './states.ts';
import type { Token } from './tokens.ts';

export interface IngestParts {
  readonly db: Database;
  readonly clock: Clock;
  readonly events: EventStore;
  readonly boots: Boots;
  readonly bootKeeping: Pick<BootKeeping, 'keepReport'>;
  readonly machines: Machines;
  readonly ownership: Ownership;
  transaction<T>(run: () => T): T;
  /** What else follows from a report (hardware type, place, policy), inside the same transaction. */
  onReport(machine: Machine, changes: readonly HardwareChange[]): void;
}

export interface Delivery {
  readonly token: Token;
  readonly body: Uint8Array;
}

export interface Ingested {
  readonly machine: Machine;
  /** This boot had delivered the same report before. */
  readonly repeated: boolean;
}

/** @throws AppError REPORT_INVALID (with `path`), TOKEN_MISMATCH, REPORT_CHANGED; each is recorded as `recon.refused`. */
export function createIngest(parts: IngestParts): (delivery: Delivery) => Ingested {
  return (delivery) => {
    try {
      const report = parse(delivery);
      const digest = createHash('sha256').update(delivery.body).digest('hex');
      const compressed = gzipSync(delivery.body);
      return parts.transaction(() => {
        const ingested = record(parts, delivery, { report, digest });
        if (!ingested.repeated) {
          const { hardwarename } = ingested.machine;
          const { boot } = delivery.token;
          const at = parts.clock();
          parts.bootKeeping.keepReport({ digest, hardwarename, boot, at, body: compressed });
        }
        return ingested;
      });
    } catch (error) {
      if (error instanceof AppError) refuse(parts, delivery.token, error);
      throw error;
    }
  };
}

function parse({ token, body }: Delivery): ReconReport {
  const parsed = parseReport(body);
  if (!parsed.ok) throw new AppError('REPORT_INVALID', { detail: parsed.why, path: parsed.path });
  const { report } = parsed;
  const macs = [...macsOf(report), ...report.nics.map(({ mac }) => mac)];
  if (!macs.includes(token.mac)) {
    throw new AppError('TOKEN_MISMATCH', {
      detail: `No NIC of the report is ${token.mac}.`,
      path: '/nics',
    });
  }
  if (!macs.includes(report.bootMac)) {
    throw new AppError('REPORT_INVALID', { detail: 'is no NIC of the report', path: '/bootMac' });
  }
  return report;
}

function refuse({ transaction, events }: IngestParts, token: Token, error: AppError): void {
  transaction(() =>
    events.append({
      name: 'recon.refused',
      mac: token.mac,
      boot: token.boot,
      data: { code: error.code, path: error.path ?? '', why: error.detail ?? error.message },
    }),
  );
}

interface Reported {
  readonly report: ReconReport;
  readonly digest: string;
}

function record(parts: IngestParts, delivery: Delivery, reported: Reported): Ingested {
  const { boots, events, machines } = parts;
  const { token, body } = delivery;
  const { report, digest } = reported;
  const boot = boots.byId(token.boot);
  const before = boot && machineOfReport(boot, machines);
  if (before) {
    if (boot.reportDigest !== digest) throw new AppError('REPORT_CHANGED');
    return { machine: before, repeated: true };
  }
  const verdict = identify(report, knownMachines(machines), token.mac);
  const hardwarename =
    verdict.kind === 'known' ? verdict.machine.hardwarename : verdict.hardwarename;
  const subject = { mac: token.mac, boot: token.boot, hardwarename };
  events.append({
    ...subject,
    name: 'recon.received',
    data: { digest, sizeBytes: body.length, repeated: false },
  });
  const claims = claimsOf(report, hardwarename, parts.ownership);
  const isNewcomer = verdict.kind !== 'known' || !verdict.machine.reported;
  const swap = isNewcomer ? swapOf(machines, report, hardwarename) : undefined;
  const facts = factsOf(hardwarename, reported);
  const changes = carryOut(parts, verdict, { facts, claims, swap });
  boots.reported(token.boot, digest, hardwarename);
  const recorded = () => {
    const machine = machines.byHardwarename(hardwarename);
    if (!machine) throw new Error(`${hardwarename} vanished inside its own transaction`);
    return machine;
  };
  const machine = recorded();
  if (verdict.kind !== 'known') {
    const { serial, manufacturer, product } = machine;
    events.append({
      ...subject,
      name: 'machine.registered',
      data: { serial, manufacturer, product },
    });
  }
  parts.onReport(machine, changes);
  return { machine: recorded(), repeated: false };
}

/** Whose report this boot has delivered: not whose NIC it came from, which may be a matter of dispute. */
export function machineOfReport(
  { reportDigest, hardwarename, mac }: Boot,
  machines: Pick<Machines, 'byHardwarename' | 'byMac'>,
): Machine | undefined {
  if (reportDigest === undefined) return undefined;
  return (hardwarename && machines.byHardwarename(hardwarename)) ?? machines.byMac(mac);
}

/** How many records that share a part with a report are compared with it: a handful, unless the parts identify nothing. */
const SWAPS_LOOKED_AT = 16;

function swapOf(
  machines: Machines,
  report: ReconReport,
  newcomer: Hardwarename,
): PartSwap | undefined {
  const names = machines.search.holding(partIds(report), SWAPS_LOOKED_AT);
  const others = names.filter((name) => name !== newcomer);
  return partSwapOf(
    report,
    others.flatMap((name) => machines.byHardwarename(name) ?? []),
  );
}

function factsOf(hardwarename: Hardwarename, { report, digest }: Reported): MachineFacts {
  const serial = serialOf(report);
  return {
    hardwarename,
    serial: serial ?? report.dmi.serial ?? '',
    serialKey: serial === undefined ? undefined : serialKey(serial),
    uuid: usableUuid(report.dmi.uuid) ?? '',
    manufacturer: report.dmi.manufacturer ?? '',
    product: report.dmi.product ?? '',
    bootMac: report.bootMac,
    hardware: report,
    digest,
  };
}

function knownMachines(machines: Machines): KnownMachines {
  const view = (machine: Machine): KnownMachine => ({
    ...machine,
    macs: machine.nics.map(({ mac }) => mac),
    keeps: keepsParts(machine),
    claimed: machine.conflictWith === '' ? [] : macsOf(machine.hardware),
  });
  const viewed = (machine: Machine | undefined) => machine && view(machine);
  return {
    bySerialKey: (key) => machines.bySerialKey(key).map(view),
    byMac: (mac) => viewed(machines.byMac(mac)),
    byName: (hardwarename) => viewed(machines.byHardwarename(hardwarename)),
  };
}
