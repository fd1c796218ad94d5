/**
 * A verdict on a report (identity.ts) and what the report claims of others (claims.ts), carried out in the transaction of
 * the ingestion: the record, its parts, its state, and an event for each change.
 *
 * A machine that keeps its parts (states.ts) only gains by a report: its serial and UUID stay as they are on record,
 * and a NIC that the report does not name stays too, with its address. It goes with the first report that the machine
 * makes as capacity.
 */
import type { HardwareChange } from '../events.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Claims } from './claims.ts';
import { hardwareChanges } from './drift.ts';
import type { EventStore } from './event-store.ts';
import type { Verdict } from './identity.ts';
import type { MachineFacts, Machines } from './machines.ts';
import type { PartSwap } from './part-swap.ts';
import { isCapacity, keepsParts } from './states.ts';

export interface CarryOutParts {
  readonly machines: Machines;
  readonly events: EventStore;
}

export interface Told {
  readonly facts: MachineFacts;
  readonly claims: Claims;
  /** It has come for the first time, with parts of a machine that is on record. */
  readonly swap: PartSwap | undefined;
}

/** @returns what differs from the report before this one */
export function carryOut(parts: CarryOutParts, verdict: Verdict, told: Told): HardwareChange[] {
  const { machines, events } = parts;
  const { facts, claims, swap } = told;
  const { hardwarename, hardware } = facts;
  const before = verdict.kind === 'known' ? machines.record(hardwarename) : undefined;
  const keeps = before !== undefined && keepsParts(before);
  const changes = settle(parts, verdict, { ...told, keeps });
  if (swap) swapped(parts, hardwarename, swap);
  const nics = hardware.nics
    .map((nic) => ({
      mac: nic.permanentMac ?? nic.mac,
      name: nic.name,
      switch: nic.lldp?.switch ?? '',
      port: nic.lldp?.port ?? '',
      speedMbps: nic.speedMbps ?? 0,
    }))
    .filter(({ mac }) => !claims.refused.has(mac));
  for (const { mac, from } of machines.setNics(hardwarename, nics, { add: keeps })) {
    const data = { mac, from, to: hardwarename };
    events.append({ name: 'nic.moved', mac, hardwarename, data });
    events.append({ name: 'nic.moved', mac, hardwarename: from, data });
  }
  return changes;
}

function settle(
  parts: CarryOutParts,
  verdict: Verdict,
  { facts, claims, swap, keeps }: Told & { keeps: boolean },
): HardwareChange[] {
  const { machines, events } = parts;
  const { hardwarename } = facts;
  const [contest] = claims.contests;
  switch (verdict.kind) {
    case 'new': {
      const held = reason(verdict.held, contest?.why, swap?.why);
      machines.insert(
        facts,
        held === undefined
          ? { state: 'available', why: 'registered by its recon report' }
          : { state: 'held', why: held },
      );
      collide(parts, hardwarename, claims);
      return [];
    }
    case 'conflict': {
      const { other, why } = verdict;
      machines.insert(facts, { state: 'held', why: `${why}: see ${other.hardwarename}` });
      const key = facts.serialKey ?? '';
      nameEachOther(parts, [hardwarename, other.hardwarename], { key, why });
      hold(machines, other.hardwarename, `${why}: see ${hardwarename}`);
      return [];
    }
    case 'known': {
      const changes = verdict.machine.reported
        ? hardwareChanges(verdict.machine.hardware, facts.hardware)
        : [];
      const held = reason(verdict.held, contest?.why, swap?.why);
      machines.update(identified(machines, facts, { held, keeps }));
      if (changes.length > 0)
        events.append({ name: 'machine.changed', hardwarename, data: { changes } });
      collide(parts, hardwarename, claims);
      if (held !== undefined) hold(machines, hardwarename, held);
      else if (!verdict.machine.reported) welcome(machines, hardwarename);
      return changes;
    }
  }
}

/** A serial that a person has not confirmed does not replace the one on record, nor does any that of a machine that keeps. */
function identified(
  machines: Machines,
  facts: MachineFacts,
  { held, keeps }: { held: string | undefined; keeps: boolean },
): MachineFacts {
  const known = machines.byHardwarename(facts.hardwarename);
  if (!known || (held === undefined && !keeps)) return facts;
  const { serial, serialKey, uuid } = known;
  const nameless = keeps && serialKey === undefined && held === undefined;
  return {
    ...facts,
    ...(nameless ? {} : { serial, serialKey }),
    ...(keeps && uuid !== '' ? { uuid } : {}),
  };
}

/** Names the claimant and the owner of each part that it claims, once. */
function collide(parts: CarryOutParts, hardwarename: Hardwarename, { contests }: Claims): void {
  for (const [index, { owner, key, why }] of contests.entries()) {
    if (contests.findIndex((one) => one.owner === owner) !== index) continue;
    const record = parts.machines.record(hardwarename);
    if (record?.conflictWith === owner && !isCapacity(record.state)) continue;
    nameEachOther(parts, [hardwarename, owner], { key, why });
  }
}

/** The disks take the mark of what may be on them along; whose they are is a person's word. */
function swapped(parts: CarryOutParts, hardwarename: Hardwarename, swap: PartSwap): void {
  const { machines, events } = parts;
  const { owner, key, why } = swap;
  const { conflictWith, mayHoldData } = machines.record(hardwarename) ?? {};
  if (conflictWith !== owner) nameEachOther(parts, [hardwarename, owner], { key, why });
  hold(machines, owner, `part swap: ${hardwarename} has its ${key}`);
  if (!swap.bringsData || mayHoldData) return;
  machines.write(hardwarename, { mayHoldData: true });
  const data = { who: 'recon', why, before: { mayHoldData: false }, after: { mayHoldData: true } };
  events.append({ name: 'machine.edited', hardwarename, data });
}

function nameEachOther(
  { machines, events }: CarryOutParts,
  [one, other]: readonly [Hardwarename, Hardwarename],
  { key, why }: { key: string; why: string },
): void {
  machines.setConflict(one, other);
  machines.setConflict(other, one);
  events.append({ name: 'machine.conflict', hardwarename: one, data: { with: other, key, why } });
  events.append({ name: 'machine.conflict', hardwarename: other, data: { with: one, key, why } });
}

const reason = (...parts: readonly (string | undefined)[]): string | undefined =>
  parts.filter((part) => part !== undefined).join('; ') || undefined;

/** Only what is `available` is taken out of the capacity; a machine in use, or protected, is never disturbed. */
function hold(machines: Machines, hardwarename: Hardwarename, why: string): void {
  const { state, protected: isProtected } = machines.record(hardwarename) ?? {};
  if (state && isCapacity(state) && !isProtected)
    machines.transition(hardwarename, 'held', { by: 'recon', why });
  if (state === 'held') machines.setReason(hardwarename, why);
}

/** A machine that was entered and awaited is capacity once it has shown itself. */
function welcome(machines: Machines, hardwarename: Hardwarename): void {
  const { state, mayHoldData } = machines.record(hardwarename) ?? {};
  if (state !== 'held') return;
  if (mayHoldData) {
    machines.setReason(hardwarename, 'it has reported; data may be on its disks: recycle it');
    return;
  }
  const why = 'entered before, and now it has reported';
  machines.transition(hardwarename, 'available', { by: 'recon', why });
}
