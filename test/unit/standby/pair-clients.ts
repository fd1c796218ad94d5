/** What clients and operators of the made-up pair do: asking for an address, giving it back, moving a reservation. */
import type { LeaseChange } from '../../../src/dhcp/ports.ts';
import type { Ipv4 } from '../../../src/wire/ipv4.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { acknowledge } from './pair-changes.ts';
import { LONG_S, POOL, tell } from './pair-form.ts';
import type { SimMember } from './pair-world.ts';

/** DISCOVER to ACK in one, or a renewal of what the client has. As of src/dhcp: its reservation, its lease, a free address. */
export function ask(member: SimMember, mac: Mac, has: Ipv4 | undefined): void {
  if (!isServing(member)) return;
  const { world, store } = member;
  member.clockWasSet();
  const [now, at] = [member.wall(), world.now];
  const exchange = (world.exchanges.get(mac) ?? 0) + 1;
  world.exchanges.set(mac, exchange);
  // Who asks for any address has left the one that it had.
  if (has === undefined) world.holdings = world.holdings.filter((one) => one.mac !== mac);
  const standing = member.standing();
  const rules =
    standing.mode === 'read-only' && standing.inTouch ? member.following : member.promises;
  const wishFor = (address: Ipv4) => ({
    ...{ segment: 's', address, mac, reserved: store.reserved.get(address) === mac },
    dynamic: POOL.includes(address),
  });
  const mayHave = (address: Ipv4): boolean => {
    const owner = store.reserved.get(address);
    if (owner !== mac && (owner !== undefined || !POOL.includes(address))) return false;
    const held = store.leases.get(address);
    if (held && held.mac !== mac && held.expiresAt > now) return false;
    return rules.mayGive(wishFor(address), now);
  };
  const reserved = [...store.reserved].find(([, owner]) => owner === mac)?.[0] as Ipv4 | undefined;
  const own = [...store.leases.values()].find((row) => row.mac === mac)?.address;
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
    for (const [other, row] of store.leases) {
      if (row.mac !== mac || other === address) continue;
      store.leases.delete(other);
      store.changed(other);
    }
    store.leases.set(address, { address, mac, state: 'bound', expiresAt, lastAt: now });
    store.changed(address);
  });
  const { run } = member;
  member.feeder?.promise((error) => {
    const left = Math.max(0, seconds - (world.now - at) / 1000);
    const isHeard = world.exchanges.get(mac) === exchange;
    if (!error && isHeard && member.up && run === member.run && member.active())
      acked(member, { mac, address, seconds: left });
  });
}

/** A client gives its address back, to whoever hears it. */
export function release(member: SimMember, mac: Mac, address: Ipv4): void {
  const { world, store } = member;
  world.holdings = world.holdings.filter((one) => one.mac !== mac);
  world.exchanges.set(mac, (world.exchanges.get(mac) ?? 0) + 1);
  if (member.runs()) member.clockWasSet();
  const held = store.leases.get(address);
  if (!isServing(member) || !member.wasActive || member.promises.isReadOnly()) return;
  if (held?.mac !== mac) return;
  const now = member.wall();
  const change = { segment: 's', address, mac, state: 'released', expiresAt: now } as LeaseChange;
  member.promises.entering(change, now, () => {
    store.leases.delete(address);
    store.changed(address);
  });
}

/** An address is kept for this machine from now on, and for nobody else; '' for nobody. */
export function reserve(member: SimMember, address: Ipv4, mac: Mac | ''): void {
  const { store } = member;
  if (member.runs()) member.clockWasSet();
  if (!member.active() || !member.wasActive || member.isFrozen()) return;
  const held = store.leases.get(address);
  if (mac && held && held.mac !== mac && held.expiresAt > member.wall()) return;
  for (const [at, owner] of store.reserved)
    if (owner === mac || at === address) {
      store.reserved.delete(at);
      changed(member, at as Ipv4, owner);
    }
  if (!mac) return;
  store.reserved.set(address, mac);
  changed(member, address, '');
}

/** Its daemon runs as what it is. */
const isServing = (member: SimMember): boolean =>
  member.runs() && !member.handing && member.active() === member.wasActive;

function changed(member: SimMember, address: Ipv4, was: Mac | ''): void {
  const { id, moves, store } = member;
  const now = store.reserved.get(address)?.slice(-2) ?? 'nobody';
  tell(member.world, `${id} ${member.standing().mode} keeps it for ${now}`, address);
  member.note(moves.changed('s', address, was));
  store.changed(address);
  acknowledge(member, address);
}

function acked(
  member: SimMember,
  { mac, address, seconds }: { mac: Mac; address: Ipv4; seconds: number },
): void {
  const { world, id } = member;
  const lost = world.random() < 0.1;
  const how = JSON.stringify(member.standing());
  const what = `${id} gives it to ${mac.slice(-2)} for ${seconds}${lost ? ', unheard' : ''} ${how}`;
  tell(world, what, address);
  if (lost) return;
  const others = world.holdings.filter((one) => one.mac !== mac && one.until > world.now);
  world.holdings = [...others, { mac, address, until: world.now + seconds * 1000 }];
}
