/**
 * Ingestion: one recon report becomes a machine on record, in one transaction, as often as it is delivered.
 *
 * The token says which boot of which NIC is speaking; the report must contain that NIC. A repeated report (the answer
 * was lost, the daemon was killed) is answered again and changes nothing. What the report means is decided by
 * `identity.ts`; this file only carries the verdict out.
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { HardwareChange } from '../events.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Clock } from '../wire/time.ts';
import type { Boots } from './boots.ts';
import { hardwareChanges } from './drift.ts';
import type { EventStore } from './event-store.ts';
import {
  identify,
  type KnownMachine,
  type KnownMachines,
  serialKey,
  serialOf,
  usableUuid,
  type Verdict,
} from './identity.ts';
import type { Machine, MachineFacts, Machines } from './machines.ts';
import { macsOf, parseReport, type ReconReport } from './report.ts';
import { isCapacity } from './states.ts';
import type { Token } from './tokens.ts';

export interface IngestParts {
  readonly db: Database;
  readonly clock: Clock;
  readonly events: EventStore;
  readonly boots: Boots;
  readonly machines: Machines;
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
  const saveReport = parts.db.prepare(
    'INSERT INTO reports (digest, hardwarename, boot, at, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
  );
  return (delivery) => {
    try {
      const report = parse(delivery);
      const digest = createHash('sha256').update(delivery.body).digest('hex');
      const compressed = gzipSync(delivery.body);
      return parts.transaction(() => {
        const ingested = record(parts, delivery, { report, digest });
        if (!ingested.repeated) {
          const { hardwarename } = ingested.machine;
          saveReport.run(digest, hardwarename, delivery.token.boot, parts.clock(), compressed);
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

function record(
  parts: IngestParts,
  { token, body }: Delivery,
  { report, digest }: Reported,
): Ingested {
  const { boots, events, machines } = parts;
  const boot = boots.byId(token.boot);
  const before = boot?.reportDigest === undefined ? undefined : machines.byMac(token.mac);
  if (before) {
    if (boot?.reportDigest !== digest) throw new AppError('REPORT_CHANGED');
    return { machine: before, repeated: true };
  }
  const verdict = identify(report, knownMachines(machines));
  const hardwarename =
    verdict.kind === 'known' ? verdict.machine.hardwarename : verdict.hardwarename;
  const subject = { mac: token.mac, boot: token.boot, hardwarename };
  events.append({
    ...subject,
    name: 'recon.received',
    data: { digest, sizeBytes: body.length, repeated: false },
  });
  const changes = carryOut(parts, verdict, factsOf(hardwarename, { report, digest }));
  const nics = report.nics.map((nic) => ({
    mac: nic.permanentMac ?? nic.mac,
    name: nic.name,
    switch: nic.lldp?.switch ?? '',
    port: nic.lldp?.port ?? '',
    speedMbps: nic.speedMbps ?? 0,
  }));
  for (const { mac, from } of machines.setNics(hardwarename, nics)) {
    const data = { mac, from, to: hardwarename };
    events.append({ name: 'nic.moved', mac, hardwarename, data });
    events.append({ name: 'nic.moved', mac, hardwarename: from, data });
  }
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

/** @returns what differs from the report before this one */
function carryOut(
  { machines, events }: IngestParts,
  verdict: Verdict,
  facts: MachineFacts,
): HardwareChange[] {
  const { hardwarename } = facts;
  switch (verdict.kind) {
    case 'new':
      machines.insert(
        facts,
        verdict.held === undefined
          ? { state: 'available', why: 'registered by its recon report' }
          : { state: 'held', why: verdict.held },
      );
      return [];
    case 'conflict': {
      const { other, why } = verdict;
      machines.insert(facts, { state: 'held', why: `${why}: see ${other.hardwarename}` });
      machines.setConflict(hardwarename, other.hardwarename);
      machines.setConflict(other.hardwarename, hardwarename);
      const key = facts.serialKey ?? '';
      events.append({
        name: 'machine.conflict',
        hardwarename,
        data: { with: other.hardwarename, key, why },
      });
      events.append({
        name: 'machine.conflict',
        hardwarename: other.hardwarename,
        data: { with: hardwarename, key, why },
      });
      hold(machines, other.hardwarename, `${why}: see ${hardwarename}`);
      return [];
    }
    case 'known': {
      const changes = verdict.machine.reported
        ? hardwareChanges(verdict.machine.hardware, facts.hardware)
        : [];
      // A serial that a person has not confirmed does not replace the one on record.
      const { serial, serialKey: key } = machines.byHardwarename(hardwarename) ?? facts;
      machines.update(verdict.held === undefined ? facts : { ...facts, serial, serialKey: key });
      if (changes.length > 0)
        events.append({ name: 'machine.changed', hardwarename, data: { changes } });
      if (verdict.held !== undefined) hold(machines, hardwarename, verdict.held);
      else if (!verdict.machine.reported) welcome(machines, hardwarename);
      return changes;
    }
  }
}

/** Only what is `available` is taken out of the capacity; a machine in use is never disturbed. */
function hold(machines: Machines, hardwarename: Hardwarename, why: string): void {
  const state = machines.record(hardwarename)?.state;
  if (state && isCapacity(state)) machines.transition(hardwarename, 'held', { by: 'recon', why });
  if (state === 'held') machines.setReason(hardwarename, why);
}

/** A machine that was entered and awaited is capacity once it has shown itself. */
function welcome(machines: Machines, hardwarename: Hardwarename): void {
  if (machines.record(hardwarename)?.state !== 'held') return;
  const why = 'entered before, and now it has reported';
  machines.transition(hardwarename, 'available', { by: 'recon', why });
}

function knownMachines(machines: Machines): KnownMachines {
  const view = (machine: Machine): KnownMachine => ({
    ...machine,
    macs: machine.nics.map(({ mac }) => mac),
  });
  return {
    bySerialKey: (key) => machines.bySerialKey(key).map(view),
    byMac(mac) {
      const machine = machines.byMac(mac);
      return machine && view(machine);
    },
    exists: (hardwarename) => machines.byHardwarename(hardwarename) !== undefined,
  };
}
