/** What clients and operators of the made-up pair do: asking for an address, moving a reservation. */
import type { LeaseChange } from '../../../src/dhcp/ports.ts';
import type { Ipv4 } from '../../../src/wire/ipv4.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { LONG_S, POOL } from './pair-form.ts';
import type { SimMember } from './pair-world.ts';

/** No dynamic address, whoever it is kept for. */
export const STATIC = [20, 21] as Ipv4[];

/** DISCOVER to ACK in one, or a renewal of what the client has. As of src/dhcp: its reservation, its lease, a free address. */
export function ask(member: SimMember, mac: Mac, has: Ipv4 | undefined): void {
  if (!member.up || member.active() !== member.wasActive) return;
  const { world } = member;
  const now = member.wall();
  const exchange = (world.exchanges.get(mac) ?? 0) + 1;
  world.exchanges.set(mac, exchange);
  // Who asks for any address has left the one that it had.
  if (has === undefined) world.holdings = world.holdings.filter((one) => one.mac !== mac);
  const standing = member.standing();
  const rules =
    standing.mode === 'read-only' && standing.inTouch ? member.following : member.promises;
  const wishFor = (address: Ipv4) => ({
    ...{ segment: 's', address, mac, reserved: member.reserved.get(address) === mac },
    dynamic: POOL.includes(address),
  });
  const mayHave = (address: Ipv4): boolean => {
    const owner = member.reserved.get(address);
    if (owner !== mac && (owner !== undefined || !POOL.includes(address))) return false;
    const held = member.leases.get(address);
    if (held && held.mac !== mac && held.expiresAt > now) return false;
    return rules.mayGive(wishFor(address), now);
  };
  const reserved = [...member.reserved].find(([, owner]) => owner === mac)?.[0] as Ipv4 | undefined;
  const own = [...member.leases.values()].find((row) => row.mac === mac)?.address;
  const wanted = has ?? [reserved, own].find((one) => one !== undefined && mayHave(one));
  const address = wanted ?? POOL.find(mayHave);
  if (address === undefined || !mayHave(address)) return;
  const seconds = Math.min(LONG_S, rules.secondsMax(wishFor(address), now) ?? LONG_S);
  if (!member.wasActive) {
    member.told.tell('s', address, { mac, seconds });
    acked(member, { mac, address, seconds });
    return;
  }
  const expiresAt = (now + seconds * 1000) as Millis;
  const change = { segment: 's', address, mac, state: 'bound', expiresAt } as LeaseChange;
  member.promises.entering(change, now, ({ expiresAt }) => {
    for (const [at, row] of member.leases) {
      if (row.mac !== mac || at === address) continue;
      member.leases.delete(at);
      note(member, at);
    }
    member.leases.set(address, { address, mac, state: 'bound', expiresAt, lastAt: now });
    note(member, address);
  });
  const { run } = member;
  member.feeder?.promise((error) => {
    const left = Math.max(0, seconds - (member.wall() - now) / 1000);
    const isHeard = world.exchanges.get(mac) === exchange;
    if (!error && isHeard && member.up && run === member.run && member.active())
      acked(member, { mac, address, seconds: left });
  });
}

/** An address is kept for this machine from now on, and for nobody else; '' for nobody. */
export function reserve(member: SimMember, address: Ipv4, mac: Mac | ''): void {
  if (!member.active() || !member.wasActive) return;
  const held = member.leases.get(address);
  if (mac && held && held.mac !== mac && held.expiresAt > member.wall()) return;
  for (const [at, owner] of member.reserved)
    if (owner === mac || at === address) {
      member.reserved.delete(at);
      changed(member, at as Ipv4, owner);
    }
  if (!mac) return;
  member.reserved.set(address, mac);
  changed(member, address, '');
}

function changed(member: SimMember, address: Ipv4, was: Mac | ''): void {
  const standing = member.standing();
  if (standing.mode !== 'whole' || !standing.alone) {
    member.keepMove(member.moves.changed('s', address, was));
  }
  note(member, address);
}

function note(member: SimMember, address: number): void {
  member.head += 1;
  member.changes.push({ seq: member.head, address });
}

function acked(
  member: SimMember,
  { mac, address, seconds }: { mac: Mac; address: Ipv4; seconds: number },
): void {
  const { world, id } = member;
  const { mode } = member.standing();
  world.given.push(
    `${world.now} ${id} ${mode} gives ${address} to ${mac.slice(-2)} for ${seconds}`,
  );
  const others = world.holdings.filter((one) => one.mac !== mac && one.until > world.now);
  world.holdings = [...others, { mac, address, until: world.now + seconds * 1000 }];
}
