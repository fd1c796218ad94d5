/**
 * NICs by a person's word: one that a record lacks is added, one that it has no more is taken off. Reports do it by themselves
 * while a machine is in the intake; past that (states.ts) its NICs are a matter for people, and this is how they settle who
 * has a card that was moved.
 */
import { AppError } from '../errors.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Mac } from '../wire/mac.ts';
import type { Addresses } from './addresses.ts';
import type { EventStore } from './event-store.ts';
import { assertOwn } from './machine-edit.ts';
import type { Machines } from './machines.ts';
import type { Ownership } from './ownership.ts';
import { assertVersion, type Cause } from './records.ts';
import { assertIdle, needsRelease } from './states.ts';

export interface NicEditor {
  /** @throws AppError MACHINE_UNKNOWN, VERSION_CONFLICT, ALREADY_EXISTS, ADDRESS_TAKEN when another machine has it */
  add(hardwarename: Hardwarename, nic: { mac: Mac; name: string }, cause: Cause): void;
  /**
   * With the address that is reserved for it.
   * @throws AppError MACHINE_UNKNOWN, NOT_FOUND, VERSION_CONFLICT, MACHINE_PROTECTED, STILL_REFERENCED while a job works on
   * the machine, and RELEASE_NEEDED unless `release` is the hardwarename of a machine in use
   */
  remove(
    hardwarename: Hardwarename,
    mac: Mac,
    cause: Cause & { readonly release?: string | undefined },
  ): void;
}

export interface NicEditorParts {
  readonly machines: Machines;
  readonly addresses: Addresses;
  readonly ownership: Ownership;
  readonly events: EventStore;
}

export function openNicEditor({
  machines,
  addresses,
  ownership,
  events,
}: NicEditorParts): NicEditor {
  const read = (hardwarename: Hardwarename, version: number | undefined) => {
    const record = machines.record(hardwarename);
    if (!record) throw new AppError('MACHINE_UNKNOWN', { detail: hardwarename.slice(0, 64) });
    assertVersion(record.version, version);
    return { record, nics: machines.nicsOf(hardwarename) };
  };
  const write = (hardwarename: Hardwarename, change: () => void, { who, why }: Cause) => {
    const macs = () => machines.nicsOf(hardwarename).map(({ mac }) => mac);
    const before = { nics: macs() };
    change();
    machines.touch(hardwarename);
    const data = { who, why, before, after: { nics: macs() } };
    events.append({ name: 'machine.edited', hardwarename, data });
  };
  return {
    add(hardwarename, { mac, name }, cause) {
      const { nics } = read(hardwarename, cause.version);
      if (nics.some((nic) => nic.mac === mac))
        throw new AppError('ALREADY_EXISTS', { detail: `${hardwarename} has ${mac}.` });
      assertOwn(mac, ownership.ofMac(mac, hardwarename), '/mac');
      const nic = { mac, name: name || `eth${nics.length}` };
      write(hardwarename, () => machines.setNics(hardwarename, [nic], { add: true }), cause);
    },
    remove(hardwarename, mac, { release, ...cause }) {
      const { record, nics } = read(hardwarename, cause.version);
      const { state } = record;
      if (!nics.some((nic) => nic.mac === mac))
        throw new AppError('NOT_FOUND', { detail: `${mac} is no NIC of ${hardwarename}.` });
      if (record.protected) throw new AppError('MACHINE_PROTECTED', { detail: hardwarename });
      if (needsRelease(state) && release !== hardwarename)
        throw new AppError('RELEASE_NEEDED', { detail: `${hardwarename} loses ${mac}.` });
      assertIdle(record);
      write(
        hardwarename,
        () => {
          addresses.free({ mac, owner: hardwarename }, cause.who);
          machines.dropNic(hardwarename, mac);
        },
        cause,
      );
    },
  };
}
