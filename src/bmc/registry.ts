/**
 * The BMCs of a site: what was seen of them, and whose they are. Every change is made here, in one transaction with its event;
 * going to a BMC and asking it is discovery's part, and what people decide comes in by the API.
 */
import { AppError } from '../errors.ts';
import type { BmcFinder } from '../inventory/bmc-finder.ts';
import type { BmcFacts, BmcRecord, BmcSighting, BmcStore } from '../inventory/bmcs.ts';
import type { EventStore } from '../inventory/event-store.ts';
import type { MachineEditor } from '../inventory/machine-edit.ts';
import type { MachineRecord } from '../inventory/machine-fields.ts';
import type { Ownership } from '../inventory/ownership.ts';
import type { Records } from '../inventory/records.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Mac } from '../wire/mac.ts';
import { type Evidence, matchBmc, PROOFS } from './match.ts';

export interface RegistryParts {
  readonly bmcs: BmcStore;
  readonly bmcFinder: BmcFinder;
  readonly editor: MachineEditor;
  readonly records: Pick<Records, 'list'>;
  readonly ownership: Ownership;
  readonly machines: { record(hardwarename: Hardwarename): MachineRecord | undefined };
  readonly events: Pick<EventStore, 'append'>;
  clock(): number;
}

/** All inside the caller's transaction. */
export interface BmcRegistry {
  /** It was seen at this address: whoever was there before is not, and its machine is matched if it can be. */
  sighted(sighting: BmcSighting): BmcRecord;
  /** Finds its machine by what is known, and notes either it or why there is none. */
  settle(bmc: BmcRecord): BmcRecord;
  /** What it said of itself, and whether its machine is on. */
  learn(id: string, said: { facts: BmcFacts; mac: string; power: 'on' | 'off' }): BmcRecord;
  /** A person's word; it outweighs all evidence. @throws AppError NOT_FOUND, MACHINE_UNKNOWN */
  assign(id: string, hardwarename: Hardwarename, who: string): BmcRecord;
  /** To be switched on as soon as the limits allow. @throws AppError NOT_FOUND, STILL_REFERENCED for one that is matched */
  wake(id: string): BmcRecord;
  /** To be looked at now. @throws AppError NOT_FOUND */
  look(id: string): BmcRecord;
  /** Logins that it has refused are tried again. Nothing for one of which nothing is known. */
  retry(id: string): void;
  /** A login of the site may be shown to this certificate. @throws AppError NOT_FOUND, REQUEST_INVALID for another one */
  trust(id: string, certificate: string): BmcRecord;
  /** The next certificate that it shows is pinned. @throws AppError NOT_FOUND */
  unpin(id: string): BmcRecord;
  /** @throws AppError NOT_FOUND */
  forget(id: string): void;
}

export function createBmcRegistry(parts: RegistryParts): BmcRegistry {
  const { bmcs, bmcFinder, events, machines, clock } = parts;
  const read = (id: string): BmcRecord => {
    const found = bmcs.get(id);
    if (!found) throw new AppError('NOT_FOUND', { detail: `No BMC ${id.slice(0, 64)}.` });
    return found;
  };
  const join = (
    bmc: BmcRecord,
    hardwarename: Hardwarename,
    { by, who }: { by: Evidence | 'person'; who?: string },
  ): BmcRecord => {
    const { id, address } = bmc;
    const second = by === 'uuid' && isSecondNic(parts, bmc, hardwarename);
    if (!second) noteOnMachine(parts, bmc, { hardwarename, who: who ?? 'discovery', by });
    if (bmc.hardwarename === hardwarename && by !== 'person') return bmc;
    for (const former of bmcs.ofMachine(hardwarename))
      if (former.id !== id && !second && !sameUuid(former, bmc)) {
        const why = `${hardwarename} has another BMC now, ${id}.`;
        bmcs.write(former.id, { hardwarename: '', matchedBy: '', why });
      }
    const now = clock();
    const matched = { hardwarename, matchedBy: by, matchedAt: now, why: '' };
    // It is attended to once more: setting it up may be wanted.
    bmcs.write(id, { ...matched, wake: '', lookNext: now, looks: 0 });
    const data = { bmc: id, address, by, ...(who === undefined ? {} : { who }) };
    events.append({ name: 'bmc.matched', hardwarename, data });
    return read(id);
  };
  const settle = (bmc: BmcRecord): BmcRecord => {
    if (bmc.matchedBy === 'person' && machines.record(bmc.hardwarename as Hardwarename)) {
      noteOnMachine(parts, bmc, {
        hardwarename: bmc.hardwarename as Hardwarename,
        ...{ who: 'discovery', by: 'person' },
      });
      return bmc;
    }
    const found = matchBmc(bmc, bmcFinder);
    if (found.is === 'matched') return join(bmc, found.hardwarename, { by: found.by });
    const { id, address } = bmc;
    if (bmc.hardwarename === '' && bmc.why === found.why) return bmc;
    bmcs.write(id, { hardwarename: '', matchedBy: '', why: found.why });
    events.append({ name: 'bmc.unmatched', data: { bmc: id, address, why: found.why } });
    return read(id);
  };

  return {
    settle,
    sighted(sighting) {
      const seen = bmcs.sighted(sighting);
      // Only who gives addresses knows that one has gone to another BMC.
      if (sighting.source === 'dhcp') vacate(parts, seen);
      return settle(seen);
    },
    learn(id, { facts, mac, power }) {
      const known = read(id);
      const now = clock();
      // Known by its address until now: from here on by what does not change.
      const { address, source } = known;
      const named = known.mac === '' && mac !== '' && mayHave(parts, known, { facts, mac });
      const kept = named ? bmcs.sighted({ mac, address, source }).id : id;
      bmcs.write(kept, { facts, power, lookedAt: now, looks: 0, code: '', detail: '' });
      const settled = settle(read(kept));
      // It has said itself whose it is: whoever else has its address on record would switch the wrong machine.
      if (PROOFS.includes(settled.matchedBy as Evidence)) vacateRecords(parts, settled);
      return settled;
    },
    assign(id, hardwarename, who) {
      const bmc = read(id);
      if (!machines.record(hardwarename))
        throw new AppError('MACHINE_UNKNOWN', { detail: hardwarename.slice(0, 64) });
      return join(bmc, hardwarename, { by: 'person', who });
    },
    wake(id) {
      const { hardwarename } = read(id);
      if (hardwarename !== '')
        throw new AppError('STILL_REFERENCED', {
          detail: `It is ${hardwarename}'s: ask for a job.`,
        });
      bmcs.write(id, { wake: 'asked', wakes: 0, lookNext: clock() });
      return read(id);
    },
    look(id) {
      read(id);
      bmcs.write(id, { lookNext: clock(), looks: 0, refused: {} });
      return read(id);
    },
    retry(id) {
      if (bmcs.get(id)) bmcs.write(id, { refused: {} });
    },
    trust(id, certificate) {
      const shown = read(id).certificate;
      const named = certificate.replaceAll(':', '').toLowerCase();
      if (shown !== '' && shown !== named)
        throw new AppError('REQUEST_INVALID', {
          detail: `It has shown another certificate, ${shown}.`,
          path: '/certificate',
        });
      bmcs.write(id, { certificate: named, trusted: true, lookNext: clock(), looks: 0 });
      return read(id);
    },
    unpin(id) {
      read(id);
      bmcs.write(id, { certificate: '', trusted: false });
      return read(id);
    },
    forget(id) {
      read(id);
      bmcs.remove(id);
    },
  };
}

/**
 * Whether one that was known by its address alone has the MAC that it says it has. A MAC that is somebody's already is no
 * evidence: whoever can say it would take that machine's BMC from its place. It is its own where its UUID or serial number
 * is that of the same machine.
 */
function mayHave(
  { bmcs, bmcFinder }: RegistryParts,
  { address }: BmcRecord,
  { facts, mac }: { readonly facts: BmcFacts; readonly mac: string },
): boolean {
  const row = bmcs.get(mac);
  const owners = bmcFinder.byBmcMac(mac).map(({ hardwarename }) => hardwarename);
  const elsewhere = row !== undefined && row.address !== '' && row.address !== address;
  if (!elsewhere && owners.length === 0) return true;
  const found = matchBmc({ mac: '', address: '', facts }, bmcFinder);
  if (found.is !== 'matched') return false;
  const all = [...owners, ...(row?.hardwarename ? [row.hardwarename] : [])];
  return all.length > 0 && all.every((one) => one === found.hardwarename);
}

const sameUuid = (a: BmcRecord, b: BmcRecord): boolean =>
  (a.facts.uuids ?? []).some((uuid) => b.facts.uuids?.includes(uuid));

/**
 * Another NIC of the BMC on record, which still answers at the one that the record names: a port of its own beside one that it
 * shares with the machine. The record stays as it is until that one fails.
 */
function isSecondNic(
  { bmcs, machines }: RegistryParts,
  { mac }: BmcRecord,
  hardwarename: Hardwarename,
): boolean {
  const machine = machines.record(hardwarename);
  if (!machine || mac === '' || machine.bmcMac === '' || machine.bmcMac === mac) return false;
  return machine.bmcAddress !== '' && (bmcs.get(machine.bmcMac)?.failedAt ?? 0) === 0;
}

/**
 * An address that was given to another BMC leads to another machine: a record that still names it would have that one
 * switched off. So the address goes from the records of whoever had it.
 */
function vacate({ bmcs, machines, editor }: RegistryParts, { id, mac, address }: BmcRecord): void {
  if (mac === '') return;
  for (const other of bmcs.othersAt(address, id)) {
    bmcs.write(other.id, { address: '', lookNext: 0 });
    const machine = machines.record(other.hardwarename as Hardwarename);
    if (machine?.bmcAddress !== address || machine.bmcMac === mac) continue;
    const why = `${address} was given to the BMC ${mac}`;
    editor.edit(machine.hardwarename, { bmcAddress: '' }, { who: 'discovery', why });
  }
}

/**
 * Records of other machines with the address of a BMC that has proven to be another's. Machines that share one BMC keep it: they
 * have its MAC on record too, or a profile that says which of its systems they are.
 */
function vacateRecords(parts: RegistryParts, { mac, address, hardwarename }: BmcRecord): void {
  const { bmcFinder, records, editor } = parts;
  const sharing = records.list('bmc').flatMap(({ doc }) => (doc.systemId ? doc.machines : []));
  for (const other of bmcFinder.byBmcAddress(address)) {
    const shared =
      (other.bmcMac !== '' && other.bmcMac === mac) || sharing.includes(other.hardwarename);
    if (other.hardwarename === hardwarename || shared) continue;
    const why = `the BMC at ${address} has proven to be that of ${hardwarename}`;
    editor.edit(other.hardwarename, { bmcAddress: '' }, { who: 'discovery', why });
  }
}

/**
 * The machine's record names the BMC that it has, where it was last seen. An address that another record names goes from there
 * when this is proven, or when that one is still in the intake; a MAC that another has is not noted, and a person who says so
 * is refused.
 */
function noteOnMachine(
  { machines, editor, ownership }: RegistryParts,
  { mac, address }: BmcRecord,
  { hardwarename, who, by }: { hardwarename: Hardwarename; who: string; by: string },
): void {
  const machine = machines.record(hardwarename);
  if (!machine) return;
  const insists = who !== 'discovery';
  const isAnothers = !insists && mac !== '' && ownership.ofMac(mac as Mac, hardwarename);
  const there = insists ? undefined : ownership.ofAddress(address, hardwarename);
  const isProven = PROOFS.includes(by as Evidence);
  const givesWay = there?.as === 'BMC' && (isProven || !there.keeps);
  const isNew = address !== '' && machine.bmcAddress !== address && (!there || givesWay);
  const changes = {
    ...(isNew ? { bmcAddress: address } : {}),
    ...(mac !== '' && machine.bmcMac !== mac && !isAnothers ? { bmcMac: mac as Mac } : {}),
  };
  if (Object.keys(changes).length === 0) return;
  if (isNew && there) {
    const why = `${address} is the address of ${hardwarename}'s BMC now`;
    editor.edit(there.hardwarename, { bmcAddress: '' }, { who, why });
  }
  editor.edit(hardwarename, changes, { who, why: `its BMC, found by its ${by}` });
}
