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
import type { Hardwarename } from '../wire/ids.ts';
import type { Mac } from '../wire/mac.ts';
import { type Evidence, matchBmc } from './match.ts';

export interface RegistryParts {
  readonly bmcs: BmcStore;
  readonly bmcFinder: BmcFinder;
  readonly editor: MachineEditor;
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
    noteOnMachine(parts, bmc, { hardwarename, who: who ?? 'discovery', by });
    if (bmc.hardwarename === hardwarename && by !== 'person') return bmc;
    for (const former of bmcs.ofMachine(hardwarename))
      if (former.id !== id) {
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
      vacate(parts, seen);
      return settle(seen);
    },
    learn(id, { facts, mac, power }) {
      const known = read(id);
      const now = clock();
      // Known by its address until now: from here on by what does not change.
      // Known by its address until now: from here on by what does not change.
      const { address, source } = known;
      const kept = known.mac === '' && mac !== '' ? bmcs.sighted({ mac, address, source }).id : id;
      bmcs.write(kept, { facts, power, lookedAt: now, looks: 0, code: '', detail: '' });
      return settle(read(kept));
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
      bmcs.write(id, { lookNext: clock(), looks: 0 });
      return read(id);
    },
    unpin(id) {
      read(id);
      bmcs.write(id, { certificate: '' });
      return read(id);
    },
    forget(id) {
      read(id);
      bmcs.remove(id);
    },
  };
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

/** The machine's record names the BMC that it has, where it was last seen. */
function noteOnMachine(
  { machines, editor }: RegistryParts,
  { mac, address }: BmcRecord,
  { hardwarename, who, by }: { hardwarename: Hardwarename; who: string; by: string },
): void {
  const machine = machines.record(hardwarename);
  if (!machine) return;
  const changes = {
    ...(address !== '' && machine.bmcAddress !== address ? { bmcAddress: address } : {}),
    ...(mac !== '' && machine.bmcMac !== mac ? { bmcMac: mac as Mac } : {}),
  };
  if (Object.keys(changes).length === 0) return;
  editor.edit(hardwarename, changes, { who, why: `its BMC, found by its ${by}` });
}
