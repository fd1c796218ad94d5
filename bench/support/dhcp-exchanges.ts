/**
 * The clients of the light DHCP generator: which exchange is whose, what it sends, and whether a reply proves what it must.
 *
 * No socket and no clock. Packets are patched into memory that the caller gives, and read where they lie: at 20,000 exchanges a
 * second, objects for each would be most of the cost. Exchange `xid` belongs to client `xid` modulo their number.
 */
import { MESSAGE, OPTION } from '../../src/dhcp/options.ts';
import { parseIpv4 } from '../../src/wire/ipv4.ts';

export const SLOT_BYTES = 1536;
const PACKET_BYTES = 300;
const XID_AT = 4;
const YIADDR_AT = 16;
const GIADDR_AT = 24;
const CHADDR_AT = 28;
const MAGIC_AT = 236;
const MAGIC = 0x63825363;
const OPTIONS_AT = 240;
/** What perfdhcp asks for: mask, broadcast, time offset, router, domain, DNS, host name. */
const ASKED = [1, 28, 2, 3, 15, 6, 12];

const PXE_CLIENT = Buffer.from('PXEClient:Arch:00007');

export interface ExchangePlan {
  readonly server: string;
  readonly relay: string;
  readonly clients: number;
  readonly macBase: string;
  /** They call themselves UEFI firmware that boots by PXE. */
  readonly firmware?: boolean;
  readonly pool: { readonly first: string; readonly last: string };
}

export interface Exchanges {
  /** Begins exchange `xid`. @returns the bytes written */
  writeDiscover(into: Buffer, at: number, begin: { xid: number; now: number }): number;
  /** For an exchange whose OFFER was just taken. @returns the bytes written */
  writeRequest(into: Buffer, at: number, xid: number): number;
  /** Reads a reply. @returns the exchange that is to send its REQUEST now, if it is an OFFER that proves itself */
  take(reply: Buffer, now: number): number | undefined;
  completed(): number;
  report(): {
    completed: number;
    meanDelayMs: number;
    twoOwners: number;
    refused: number;
    unproved: Record<string, number>;
  };
}

/** @throws Error for an address or a MAC base that is none */
export function createExchanges(plan: ExchangePlan): Exchanges {
  const server = address(plan.server);
  const relay = address(plan.relay);
  const [first, last] = [address(plan.pool.first), address(plan.pool.last)];
  if (!/^[0-9a-f]{8}$/.test(plan.macBase)) throw new Error(`no MAC base: ${plan.macBase}`);
  const macBase = Number.parseInt(plan.macBase, 16);
  const firstMac = macBase * 2 ** 16;
  const { clients } = plan;
  const { firmware = false } = plan;
  const discover = template(MESSAGE.discover, { macBase, relay, firmware });
  const request = template(MESSAGE.request, { macBase, relay, firmware, server });
  /** Of each client: the exchange that waits (0: none), since when, what it was offered (0: nothing), what it has. */
  const waiting = new Uint32Array(clients);
  const begunAt = new Float64Array(clients);
  const offered = new Uint32Array(clients);
  const has = new Uint32Array(clients);
  /** Client + 1, by address within the pool. */
  const owner = new Uint32Array(last - first + 1);
  const unproved: Record<string, number> = {};
  const totals = { completed: 0, delayMs: 0, twoOwners: 0, refused: 0 };
  const no = (why: string): undefined => {
    unproved[why] = (unproved[why] ?? 0) + 1;
    return undefined;
  };

  const acknowledged = (client: number, given: number, now: number): void => {
    const before = (owner[given - first] ?? 0) - 1;
    if (before >= 0 && before !== client && has[before] === given) totals.twoOwners += 1;
    owner[given - first] = client + 1;
    has[client] = given;
    waiting[client] = 0;
    totals.completed += 1;
    totals.delayMs += now - (begunAt[client] ?? now);
  };

  return {
    writeDiscover(into, at, { xid, now }) {
      const client = xid % clients;
      waiting[client] = xid;
      begunAt[client] = now;
      offered[client] = 0;
      discover.copy(into, at);
      into.writeUInt32BE(xid, at + XID_AT);
      into.writeUIntBE(firstMac + client, at + CHADDR_AT, 6);
      return PACKET_BYTES;
    },
    writeRequest(into, at, xid) {
      const client = xid % clients;
      request.copy(into, at);
      into.writeUInt32BE(xid, at + XID_AT);
      into.writeUIntBE(firstMac + client, at + CHADDR_AT, 6);
      into.writeUInt32BE(offered[client] ?? 0, at + WANTED_AT);
      return PACKET_BYTES;
    },
    take(reply, now) {
      if (reply.length < OPTIONS_AT || reply[0] !== 2) return no('not a reply');
      if (reply.readUInt32BE(MAGIC_AT) !== MAGIC) return no('not DHCP');
      const xid = reply.readUInt32BE(XID_AT);
      const client = xid % clients;
      if (waiting[client] !== xid) return no('no such exchange');
      if (reply.readUIntBE(CHADDR_AT, 6) !== firstMac + client) return no('another MAC');
      if (reply.readUInt32BE(GIADDR_AT) !== relay) return no('another relay');
      const type = byteOf(reply, OPTION.messageType);
      const serverAt = optionAt(reply, OPTION.serverId);
      if (serverAt === 0 || reply.readUInt32BE(serverAt) !== server) return no('another server');
      if (type === MESSAGE.nak) {
        waiting[client] = 0;
        totals.refused += 1;
        return undefined;
      }
      const given = reply.readUInt32BE(YIADDR_AT);
      if (given < first || given > last) return no('outside of the pool');
      if (optionAt(reply, OPTION.leaseTime) === 0) return no('no lease time');
      if (type === MESSAGE.offer && offered[client] === 0) {
        offered[client] = given;
        return xid;
      }
      if (type === MESSAGE.ack && offered[client] === given) acknowledged(client, given, now);
      else return no(type === MESSAGE.ack ? 'not what was offered' : 'out of turn');
      return undefined;
    },
    completed: () => totals.completed,
    report() {
      const { completed, delayMs, twoOwners, refused } = totals;
      const meanDelayMs = completed === 0 ? 0 : delayMs / completed;
      return { completed, meanDelayMs, twoOwners, refused, unproved };
    },
  };
}

/** Where option 50 of the REQUEST has its address. */
const WANTED_AT = OPTIONS_AT + 3 + 6 + 2;

function template(
  type: number,
  of: { macBase: number; relay: number; server?: number; firmware: boolean },
): Buffer {
  const { macBase, relay, server, firmware } = of;
  const packet = Buffer.alloc(PACKET_BYTES);
  packet.set([1, 1, 6, 1]);
  packet.writeUInt32BE(relay, GIADDR_AT);
  packet.writeUInt32BE(macBase, CHADDR_AT);
  packet.writeUInt32BE(MAGIC, MAGIC_AT);
  let at = OPTIONS_AT;
  const put = (...bytes: number[]) => {
    packet.set(bytes, at);
    at += bytes.length;
  };
  put(OPTION.messageType, 1, type);
  if (server !== undefined) {
    put(
      OPTION.serverId,
      4,
      server >>> 24,
      (server >>> 16) & 255,
      (server >>> 8) & 255,
      server & 255,
    );
    put(OPTION.requestedAddress, 4, 0, 0, 0, 0);
  }
  put(OPTION.parameterList, ASKED.length, ...ASKED);
  if (firmware) {
    put(OPTION.clientArch, 2, 0, 7);
    put(OPTION.vendorClass, PXE_CLIENT.length, ...PXE_CLIENT);
  }
  put(OPTION.end);
  return packet;
}

/** Where the value of an option begins, 0 without one. Total: what overruns ends the search. */
function optionAt(packet: Buffer, wanted: number): number {
  for (let at = OPTIONS_AT; at + 1 < packet.length; ) {
    const code = packet[at] ?? OPTION.end;
    if (code === OPTION.end) return 0;
    if (code === OPTION.pad) {
      at += 1;
      continue;
    }
    const end = at + 2 + (packet[at + 1] ?? 0);
    if (end > packet.length) return 0;
    if (code === wanted) return at + 2;
    at = end;
  }
  return 0;
}

function byteOf(packet: Buffer, code: number): number {
  const at = optionAt(packet, code);
  return at === 0 ? 0 : (packet[at] ?? 0);
}

function address(text: string): number {
  const parsed = parseIpv4(text);
  if (parsed === undefined) throw new Error(`no address: ${text}`);
  return parsed;
}
