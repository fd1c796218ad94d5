/**
 * Whether a machine has the BMC that it says it has.
 *
 * A recon report names an address from inside the machine, and whoever controls the machine controls the report: with another
 * machine's address in it, jobs would switch that one. So nothing of it is used before the BMC at that address has proven
 * that it is this machine's: somebody logs in and asks it, and its UUID, its serial number or a NIC has to be that of this
 * machine and of no other. Only an IPv4 address in a network of BMCs is looked at, because looking means a login. What cannot
 * be proven is said, with the reason, and a person may confirm it. No claim takes an address from another machine's record.
 */
import { AppError } from '../errors.ts';
import type { BmcClaim, BmcClaims } from '../inventory/bmc-claims.ts';
import type { BmcFinder } from '../inventory/bmc-finder.ts';
import type { BmcRecord, BmcStore } from '../inventory/bmcs.ts';
import type { EventStore } from '../inventory/event-store.ts';
import type { MachineEditor } from '../inventory/machine-edit.ts';
import type { MachineRecord } from '../inventory/machine-fields.ts';
import { limit } from '../limits.ts';
import type { Hardwarename } from '../wire/ids.ts';
import { type Cidr, contains, formatIpv4, parseIpv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import { type BmcAccess, targetOf } from './access.ts';
import { askWho, type Said } from './ask-who.ts';
import { matchBmc, PROOFS } from './match.ts';
import type { BmcRegistry } from './registry.ts';

export interface ClaimParts {
  readonly bmcClaims: BmcClaims;
  readonly bmcs: BmcStore;
  readonly bmcFinder: BmcFinder;
  readonly editor: MachineEditor;
  readonly machines: { record(hardwarename: Hardwarename): MachineRecord | undefined };
  readonly events: Pick<EventStore, 'append'>;
  clock(): number;
}

/** What is done without going to a BMC: in the caller's transaction. */
export interface ClaimDesk {
  /** Takes up what the machine's last report says. `prove`: whether it is to be looked at by itself. */
  hear(hardwarename: Hardwarename, prove: boolean): void;
  /** A person's word. @throws AppError NOT_FOUND without a claim, REQUEST_INVALID for what is no address or another's */
  confirm(hardwarename: Hardwarename, who: string): BmcClaim;
  /** What is not proven is looked at now; nothing without a claim. */
  retry(hardwarename: Hardwarename): BmcClaim | undefined;
}

export function createClaimDesk(parts: ClaimParts, networks: readonly Cidr[]): ClaimDesk {
  const { bmcClaims, bmcFinder, editor, machines, clock } = parts;
  const read = (hardwarename: Hardwarename): BmcClaim => {
    const claim = bmcClaims.of(hardwarename);
    if (claim) return claim;
    throw new AppError('NOT_FOUND', { detail: `${hardwarename} has reported no BMC.` });
  };
  return {
    hear(hardwarename, prove) {
      const machine = machines.record(hardwarename);
      const said = machine && bmcClaims.reported(hardwarename);
      if (!said) return;
      const before = bmcClaims.of(hardwarename);
      const same = before?.address === said.address && before.mac === said.mac;
      const onRecord = machine.bmcAddress === said.address;
      if (same && onRecord && before.state !== 'unproven') return;
      const claim = { hardwarename, ...said, at: clock(), lookNext: 0, looks: 0 };
      if (onRecord) {
        bmcClaims.put({ ...claim, state: 'proven', why: '' });
        return;
      }
      const odd = oddityOf(said.address, networks);
      if (odd !== '') note(parts, { ...claim, state: 'unproven', why: odd }, before);
      else if (!prove)
        note(parts, { ...claim, state: 'unproven', why: 'Nobody logs in by itself here.' }, before);
      else bmcClaims.put({ ...claim, state: 'open', why: '', lookNext: clock() });
    },
    confirm(hardwarename, who) {
      const claim = read(hardwarename);
      const { address, mac } = claim;
      const invalid = (detail: string) => new AppError('REQUEST_INVALID', { detail });
      if (parseIpv4(address) === undefined) throw invalid(`'${address}' is no IPv4 address.`);
      const other = bmcFinder
        .byBmcAddress(address)
        .find((one) => one.hardwarename !== hardwarename);
      if (other) throw invalid(`${other.hardwarename} has this address on record: change that.`);
      const taken = mac === '' ? undefined : bmcFinder.byBmcMac(mac)[0];
      const own = taken === undefined || taken.hardwarename === hardwarename;
      const bmcMac = own && mac !== '' ? { bmcMac: mac as Mac } : {};
      const why = 'its BMC, as it reports it, confirmed by a person';
      editor.edit(hardwarename, { bmcAddress: address, ...bmcMac }, { who, why });
      const confirmed = { ...claim, state: 'confirmed', why: '', lookNext: 0, looks: 0 } as const;
      bmcClaims.put(confirmed);
      return confirmed;
    },
    retry(hardwarename) {
      const claim = bmcClaims.of(hardwarename);
      if (claim?.state !== 'unproven' || oddityOf(claim.address, networks) !== '') return claim;
      const again = { ...claim, state: 'open', lookNext: clock(), looks: 0 } as const;
      bmcClaims.put(again);
      return again;
    },
  };
}

/** Why this is no address to go to; '' for one that is. */
function oddityOf(address: string, networks: readonly Cidr[]): string {
  const parsed = parseIpv4(address);
  if (parsed === undefined || formatIpv4(parsed) !== address)
    return `'${address.slice(0, 64)}' is no IPv4 address.`;
  if (networks.some((network) => contains(network, parsed))) return '';
  return `${address} is in no network of BMCs: an out-of-band segment, or one of bmc.networks.`;
}

/** Keeps it, and tells of it when the reason is new. */
function note(
  { bmcClaims, events }: ClaimParts,
  claim: BmcClaim,
  before: Pick<BmcClaim, 'address' | 'why'> | undefined,
): void {
  bmcClaims.put(claim);
  const { hardwarename, address, why } = claim;
  if (before?.why === why && before.address === address) return;
  events.append({
    name: 'bmc.unproven',
    hardwarename,
    data: { address: address.slice(0, 64), why },
  });
}

export interface ProveParts extends ClaimParts {
  readonly access: BmcAccess;
  readonly registry: BmcRegistry;
  transaction<T>(run: () => T): T;
}

/** Goes to the BMC that is claimed and asks it whose it is. Rejects only with a fault of this program. */
export async function proveClaim(parts: ProveParts, claim: BmcClaim): Promise<void> {
  const { machines, bmcClaims, transaction, access, clock } = parts;
  const machine = machines.record(claim.hardwarename);
  if (!machine) return;
  const { address, hardwarename } = claim;
  if (machine.bmcAddress === address) {
    // It has been found in another way meanwhile.
    transaction(() => bmcClaims.put({ ...claim, state: 'proven', why: '', lookNext: 0, looks: 0 }));
    return;
  }
  const [seen] = parts.bmcs.othersAt(address, '').sort((a, b) => b.mac.length - a.mac.length);
  const id = seen?.id ?? address;
  const unproven = (why: string) => {
    const looks = claim.looks + 1;
    const pauseMs = Math.min(
      limit('bmcLookLongestMs'),
      limit('bmcLookFirstMs') * 2 ** Math.min(looks - 1, 20),
    );
    const tried = { ...claim, state: 'unproven', why, looks, lookNext: clock() + pauseMs } as const;
    transaction(() => note(parts, tried, claim));
  };
  try {
    const target = { ...targetOf(machine), id, address, stranger: true };
    const said = await access.use(target, askWho);
    const refused = transaction(() => {
      // Another report may have come meanwhile.
      const now = bmcClaims.of(hardwarename);
      if (now?.address !== address || now.mac !== claim.mac) return '';
      const why = accept(parts, { id, address, seen, said, hardwarename });
      if (why === '') bmcClaims.put({ ...now, state: 'proven', why: '', lookNext: 0, looks: 0 });
      return why;
    });
    if (refused !== '') unproven(refused);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    unproven(`It could not be asked: ${error.message}`.slice(0, 500));
  }
}

/** Notes the BMC as this machine's if what it says proves that. @returns why not; '' when it did */
function accept(
  { bmcs, bmcFinder, registry }: ProveParts,
  found: {
    readonly id: string;
    readonly address: string;
    readonly seen: BmcRecord | undefined;
    readonly said: Said;
    readonly hardwarename: Hardwarename;
  },
): string {
  const { id, address, seen, said, hardwarename } = found;
  const { facts } = said;
  // By what only the BMC itself can say: neither the MAC nor the address that the report names counts.
  const match = matchBmc({ mac: '', address: '', facts }, bmcFinder);
  const told = `UUID ${facts.uuids?.[0] ?? 'none'}, serial number '${facts.serial ?? ''}'`;
  if (match.is !== 'matched') return `The BMC there says ${told}. ${match.why}`;
  if (match.hardwarename !== hardwarename)
    return `The BMC there is that of ${match.hardwarename}, by its ${match.by}.`;
  if (!PROOFS.includes(match.by)) return `The BMC there says ${told}, which proves nothing.`;
  if (!seen) bmcs.sighted({ mac: '', address, source: 'report' });
  const settled = registry.learn(id, said);
  return settled.hardwarename === hardwarename ? '' : settled.why;
}
