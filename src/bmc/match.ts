/**
 * Whose BMC is this? Pure: evidence in, verdict out.
 *
 * A BMC's MAC on a machine's record is the machine's own word (its report named it) and decides. What the BMC says of itself
 * comes after it: the machine's UUID, its serial number, the MACs of its NICs. The address alone counts last, and only for
 * a record that knows no other MAC: addresses are given anew. Evidence that names two machines, or a machine that has
 * another BMC on record, is for a person: a board that was swapped keeps the serial number of the machine it came from.
 * The UUID alone outweighs another MAC: a BMC with a port of its own and one that it shares with the machine has two MACs
 * and answers both with the same UUID.
 */
import type { BmcFacts } from '../inventory/bmcs.ts';
import { isUsableSerial, serialKey, usableUuid } from '../inventory/identity.ts';
import type { Hardwarename } from '../wire/ids.ts';

export type Evidence = 'mac' | 'uuid' | 'serial' | 'nic' | 'address';

export interface MatchCandidate {
  readonly hardwarename: Hardwarename;
  readonly bmcMac: string;
}

/** What the inventory knows, asked by key. */
export interface MatchView {
  byBmcMac(mac: string): readonly MatchCandidate[];
  byBmcAddress(address: string): readonly MatchCandidate[];
  byUuid(uuid: string): readonly MatchCandidate[];
  bySerialKey(key: string): readonly MatchCandidate[];
  byNic(mac: string): readonly MatchCandidate[];
}

/** Evidence that only the BMC itself can give: somebody has logged in to it and asked. */
export const PROOFS: readonly Evidence[] = ['uuid', 'serial', 'nic'];

export interface Unmatched {
  readonly mac: string;
  readonly address: string;
  readonly facts: BmcFacts;
}

export type Match =
  | { readonly is: 'matched'; readonly hardwarename: Hardwarename; readonly by: Evidence }
  | { readonly is: 'unknown'; readonly why: string }
  | { readonly is: 'doubtful'; readonly why: string };

export function matchBmc({ mac, address, facts }: Unmatched, view: MatchView): Match {
  const { uuids = [], serial = '', macs = [] } = facts;
  const usable = uuids.map(usableUuid).filter((uuid) => uuid !== undefined);
  const said: readonly (readonly [Evidence, readonly MatchCandidate[]])[] = [
    ['mac', mac === '' ? [] : view.byBmcMac(mac)],
    ['uuid', usable.flatMap((uuid) => view.byUuid(uuid))],
    ['serial', isUsableSerial(serial) ? view.bySerialKey(serialKey(serial)) : []],
    ['nic', macs.flatMap((nic) => view.byNic(nic))],
  ];
  const strong = said.filter(([, found]) => found.length > 0);
  const named = new Map(strong.flatMap(([, found]) => found).map((one) => [one.hardwarename, one]));
  if (named.size > 1) return doubt(strong);
  const [first] = strong;
  const [machine] = named.values();
  if (first && machine) return ownBmc(machine, mac, first[0]);
  const there = address === '' ? [] : view.byBmcAddress(address);
  const [other] = there;
  // A record that names another MAC at this address tells of a lease that has gone to somebody else.
  if (!other || there.length > 1 || (mac !== '' && other.bmcMac !== '' && other.bmcMac !== mac))
    return { is: 'unknown', why: 'No machine on record has this MAC, UUID, serial number or NIC.' };
  return { is: 'matched', hardwarename: other.hardwarename, by: 'address' };
}

function ownBmc({ hardwarename, bmcMac }: MatchCandidate, mac: string, by: Evidence): Match {
  if (bmcMac === '' || mac === '' || bmcMac === mac || by === 'uuid')
    return { is: 'matched', hardwarename, by };
  return {
    is: 'doubtful',
    why: `Its ${by} is that of ${hardwarename}, which has the BMC ${bmcMac} on record.`,
  };
}

function doubt(strong: readonly (readonly [Evidence, readonly MatchCandidate[]])[]): Match {
  const told = strong.map(
    ([by, found]) => `its ${by} is that of ${found.map((one) => one.hardwarename).join(' and ')}`,
  );
  const text = told.join(', ');
  return { is: 'doubtful', why: `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.` };
}
