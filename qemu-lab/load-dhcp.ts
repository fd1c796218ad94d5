/**
 * DHCP clients of scenario `standby`: a hundred in one process, on the segment itself or behind a relay with both appliances as
 * its servers, each by the states of RFC 2131 section 4.4 in the time of a scenario.
 *
 * One that has an address renews it every few seconds: first by unicast of the appliance that gave it, and when that is silent for
 * a second, of both (REBINDING; a real client waits until T2 for that). Newcomers come all the time; some leave without a word, some give their
 * address back. An address that a client has is on its interface, so that an appliance that probes finds it in use.
 */
import { MESSAGE, OPTION } from '../src/dhcp/options.ts';
import { addressOption, BOOTREQUEST, type DhcpPacket, encodePacket } from '../src/dhcp/packet.ts';
import type { Member } from '../src/standby/witness.ts';
import { IPV4_ANY, type Ipv4, ipv4ToBytes } from '../src/wire/ipv4.ts';
import type { Outcome } from './standby-outcomes.ts';

export const ANSWER_MS = 1000;
const RENEW_MS = 4000;
const NEWCOMER_MS = 500;
const STAYS_MS = 3000;
const MTU_BYTES = 576;
const BROADCAST = 0x8000;

export interface LoadWire {
  /** On the segment, from port 68; to everybody without an address. */
  direct(bytes: Uint8Array, to?: Ipv4): void;
  /** From the relay to both appliances. */
  relayed(bytes: Uint8Array): void;
  /** This address is on the clients' interface, or is not any more. */
  hold(address: Ipv4, held: boolean): void;
  memberOf(serverId: Ipv4 | undefined): Member | undefined;
  tell(outcome: Outcome): void;
  readonly relay: Ipv4;
  now(): number;
}

/** What becomes of a newcomer a few seconds after it came. */
type Fate = 'stays' | 'leaves' | 'releases';
const FATES: readonly Fate[] = ['releases', 'leaves', 'releases', 'leaves', 'stays'];
/** They renew more seldom, and leave in the end: the load is the same all the time. */
const GUEST_RENEW_MS = 15_000;
const GUEST_MS = 60_000;

interface Attempt {
  readonly kind: 'renew' | 'rebind' | 'new';
  readonly xid: number;
  readonly at: number;
  readonly offered?: { readonly address: Ipv4; readonly serverId: Ipv4 };
}

interface Held {
  readonly address: Ipv4;
  readonly serverId: Ipv4;
  readonly until: number;
}

interface LoadClient {
  readonly mac: Uint8Array;
  readonly isRelayed: boolean;
  readonly fate: Fate | undefined;
  readonly bornAt: number;
  held: Held | undefined;
  attempt: Attempt | undefined;
  nextAt: number;
  /** Its own server did not answer the last time. */
  isRebinding: boolean;
}

export interface DhcpLoad {
  /** Whatever is due. */
  tick(): void;
  hear(packet: DhcpPacket): void;
  /** How many have an address now. */
  bound(): number;
}

export function createDhcpLoad(wire: LoadWire, count: number): DhcpLoad {
  const clients = new Map<string, LoadClient>();
  let born = 0;
  let newcomerAt = wire.now() + NEWCOMER_MS;
  const add = (fate?: Fate): void => {
    const mac = Uint8Array.of(2, 0x5b, 0, 0, born >> 8, born & 255);
    clients.set(Buffer.from(mac).toString('hex'), {
      ...{ mac, fate, bornAt: wire.now(), isRelayed: born % 2 === 1 },
      ...{ held: undefined, attempt: undefined, isRebinding: false },
      nextAt: wire.now() + (fate ? 0 : (RENEW_MS / count) * born),
    });
    born += 1;
  };
  for (let n = 0; n < count; n++) add();

  const leave = (client: LoadClient): void => {
    const { held, mac, fate } = client;
    if (held) {
      if (fate === 'releases')
        wire.direct(bytesOf(client, wire, { type: MESSAGE.release }), held.serverId);
      wire.hold(held.address, false);
    }
    clients.delete(Buffer.from(mac).toString('hex'));
  };
  return {
    tick() {
      const now = wire.now();
      if (now >= newcomerAt) {
        add(FATES[born % FATES.length]);
        newcomerAt = now + NEWCOMER_MS;
      }
      for (const client of clients.values()) {
        const { attempt, fate, bornAt } = client;
        const staysMs = fate === 'stays' ? GUEST_MS : STAYS_MS;
        if (fate && client.held && now > bornAt + staysMs && !attempt) leave(client);
        else step(client, wire, now);
      }
    },
    hear(packet) {
      const client = clients.get(Buffer.from(packet.chaddr).toString('hex', 0, 6));
      if (client?.attempt?.xid === packet.xid) heard(client, packet, wire);
    },
    bound: () => [...clients.values()].filter(({ held }) => held).length,
  };
}

function step(client: LoadClient, wire: LoadWire, now: number): void {
  const { attempt, held } = client;
  if (held && now >= held.until) drop(client, wire);
  if (attempt && now - attempt.at < ANSWER_MS) return;
  if (attempt) {
    wire.tell({ kind: attempt.kind, at: attempt.at });
    client.attempt = undefined;
    client.isRebinding = true;
    client.nextAt = now;
  }
  if (now < client.nextAt) return;
  const kind = client.held ? (client.isRebinding ? 'rebind' : 'renew') : 'new';
  client.attempt = { kind, xid: Math.floor(Math.random() * 2 ** 32), at: now };
  say(client, wire);
}

function say(client: LoadClient, wire: LoadWire): void {
  const { attempt, held, isRelayed } = client;
  if (!attempt) return;
  const isUnicast = attempt.kind === 'renew' && held;
  const bytes = bytesOf(client, wire, {
    type: attempt.kind !== 'new' || attempt.offered ? MESSAGE.request : MESSAGE.discover,
    viaRelay: isRelayed && !isUnicast,
  });
  if (isUnicast) wire.direct(bytes, held.serverId);
  else if (isRelayed) wire.relayed(bytes);
  else wire.direct(bytes);
}

function heard(client: LoadClient, packet: DhcpPacket, wire: LoadWire): void {
  const { attempt } = client;
  if (!attempt) return;
  const serverId = addressOption(packet, OPTION.serverId);
  const type = packet.options.get(OPTION.messageType)?.[0];
  if (type === MESSAGE.offer && attempt.kind === 'new' && !attempt.offered && serverId) {
    client.attempt = { ...attempt, offered: { address: packet.yiaddr, serverId } };
    say(client, wire);
    return;
  }
  if (type !== MESSAGE.ack && type !== MESSAGE.nak) return;
  const { kind, at } = attempt;
  const now = wire.now();
  const isRefused = type === MESSAGE.nak;
  const server = wire.memberOf(serverId);
  wire.tell({ kind, at, ms: now - at, server, ...(isRefused && { refused: true }) });
  client.attempt = undefined;
  client.isRebinding = false;
  if (isRefused) {
    drop(client, wire);
    return;
  }
  const seconds = Buffer.from(packet.options.get(OPTION.leaseTime) ?? []).readUInt32BE();
  if (client.held?.address !== packet.yiaddr) {
    drop(client, wire);
    wire.hold(packet.yiaddr, true);
  }
  client.held = {
    address: packet.yiaddr,
    serverId: serverId ?? IPV4_ANY,
    until: now + seconds * 1000,
  };
  client.nextAt = now + renewMsOf(client);
}

const renewMsOf = ({ fate }: LoadClient): number =>
  fate === undefined ? RENEW_MS : fate === 'stays' ? GUEST_RENEW_MS : Number.POSITIVE_INFINITY;

function drop(client: LoadClient, wire: LoadWire): void {
  if (client.held) wire.hold(client.held.address, false);
  client.held = undefined;
  client.nextAt = Math.min(client.nextAt, wire.now());
}

function bytesOf(
  { mac, attempt, held }: LoadClient,
  { relay }: LoadWire,
  { type, viaRelay = false }: { type: number; viaRelay?: boolean },
): Uint8Array {
  const chaddr = new Uint8Array(16);
  chaddr.set(mac);
  const options = new Map<number, Uint8Array>([[OPTION.messageType, Uint8Array.of(type)]]);
  const offered = type === MESSAGE.request ? attempt?.offered : undefined;
  if (offered) {
    options.set(OPTION.requestedAddress, ipv4ToBytes(offered.address));
    options.set(OPTION.serverId, ipv4ToBytes(offered.serverId));
  }
  if (type === MESSAGE.release && held) options.set(OPTION.serverId, ipv4ToBytes(held.serverId));
  const hasAddress = held !== undefined && !offered && type !== MESSAGE.discover;
  return encodePacket(
    {
      ...{ op: BOOTREQUEST, htype: 1, hlen: 6, hops: viaRelay ? 1 : 0, secs: 0, chaddr, options },
      xid: attempt?.xid ?? 0,
      flags: hasAddress ? 0 : BROADCAST,
      ciaddr: hasAddress ? held.address : IPV4_ANY,
      ...{ yiaddr: IPV4_ANY, siaddr: IPV4_ANY, giaddr: viaRelay ? relay : IPV4_ANY },
      ...{ sname: '', file: '' },
    },
    MTU_BYTES,
  );
}
