/**
 * What a machine's DHCP says, as captured of real firmware: edk2's PXE, a BIOS PXE ROM, and the iPXE that they load.
 *
 * Timers are the firmware's. edk2 and BIOS ROMs send DISCOVER at 0, 4, 12 and 28 s and give up at 60 s; edk2 collects offers
 * until its first timeout, so its REQUEST comes after 4 s even from a quiet server; a BIOS ROM takes the first offer that
 * names a file. iPXE doubles from 1 s up to 10 s, and holds an offer for a ProxyDHCP one until 3 s have gone by, unless
 * option 175.176 says that there is none.
 */
import { MESSAGE, OPTION } from '../../src/dhcp/options.ts';
import { BOOTREQUEST, type DhcpPacket, encodePacket } from '../../src/dhcp/packet.ts';
import { IPV4_ANY, type Ipv4, ipv4ToBytes } from '../../src/wire/ipv4.ts';

export type Loader = 'bios' | 'uefi' | 'ipxe-bios' | 'ipxe-uefi';

export interface LoaderTraits {
  /** Waits between transmissions, milliseconds; after the last one it gives up. */
  readonly timersMs: readonly number[];
  /** How long an offer is held before it is taken, when it names a file. */
  readonly holdMs: number;
  /** The same when the offer says that there is no ProxyDHCP server. */
  readonly holdWithoutProxyMs: number;
}

const PXE_TIMERS_MS = [4000, 8000, 16_000, 32_000];
const IPXE: LoaderTraits = {
  ...{ timersMs: [1000, 2000, 4000, 8000, 10_000], holdMs: 3000, holdWithoutProxyMs: 0 },
};

export const LOADERS: Readonly<Record<Loader, LoaderTraits>> = {
  bios: { timersMs: PXE_TIMERS_MS, holdMs: 0, holdWithoutProxyMs: 0 },
  uefi: { timersMs: PXE_TIMERS_MS, holdMs: 4000, holdWithoutProxyMs: 4000 },
  'ipxe-bios': IPXE,
  'ipxe-uefi': IPXE,
};

const PXE_LIST = [1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58];
const LISTS: Readonly<Record<'pxe' | 'ipxe', Uint8Array>> = {
  pxe: Uint8Array.from([...PXE_LIST, 59, 60, 66, 67, 97, 128, 129, 130, 131, 132, 133, 134, 135]),
  ipxe: Uint8Array.from([
    ...[1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119, 128, 129, 130, 131, 132, 133, 134],
    ...[135, 175, 203],
  ]),
};

/** Option 175 as Debian's iPXE sends it: bus id, version, and what it can do (HTTP is 0x13). */
const IPXE_FEATURES = Uint8Array.from([
  ...[0xb1, 5, 1, 0x80, 0x86, 0x10, 0x0e, 0xeb, 3, 1, 0, 0],
  ...[0x17, 1, 1, 0x15, 1, 1, 0x13, 1, 1, 0x11, 1, 1, 0x27, 1, 1, 0x19, 1, 1, 0x10, 1, 2],
]);

const ascii = (text: string) => Uint8Array.from(Buffer.from(text, 'latin1'));
const VENDOR_CLASS: Readonly<Record<Loader, Uint8Array>> = {
  bios: ascii('PXEClient:Arch:00000:UNDI:002001'),
  'ipxe-bios': ascii('PXEClient:Arch:00000:UNDI:002001'),
  uefi: ascii('PXEClient:Arch:00007:UNDI:003000'),
  'ipxe-uefi': ascii('PXEClient:Arch:00007:UNDI:003010'),
};

export interface Asking {
  readonly loader: Loader;
  readonly mac: Uint8Array;
  readonly xid: number;
  /** The offer that is taken; without it, this is a DISCOVER. */
  readonly offer?: { readonly address: Ipv4; readonly serverId: Uint8Array };
}

/** A DISCOVER, or the REQUEST that takes an offer (SELECTING). */
export function dhcpBytes({ loader, mac, xid, offer }: Asking): Uint8Array {
  const uefi = loader.endsWith('uefi');
  const ipxe = loader.startsWith('ipxe');
  const chaddr = new Uint8Array(16);
  chaddr.set(mac);
  const uuid = new Uint8Array(17).fill(0x5a);
  uuid.set(mac, 11);
  const options = new Map<number, Uint8Array>([
    [OPTION.messageType, Uint8Array.of(offer ? MESSAGE.request : MESSAGE.discover)],
    [OPTION.maxMessageSize, Uint8Array.of(1472 >> 8, 1472 & 255)],
    [OPTION.parameterList, LISTS[ipxe ? 'ipxe' : 'pxe']],
    [OPTION.clientUuid, uuid],
    [94, Uint8Array.of(1, uefi ? 3 : 2, ipxe && uefi ? 10 : 1)],
    [OPTION.clientArch, Uint8Array.of(0, uefi ? 7 : 0)],
    [OPTION.vendorClass, VENDOR_CLASS[loader]],
  ]);
  if (ipxe) {
    options.set(OPTION.userClass, ascii('iPXE'));
    options.set(OPTION.ipxe, IPXE_FEATURES);
    options.set(OPTION.clientId, Uint8Array.of(1, ...mac));
  }
  if (offer) {
    options.set(OPTION.requestedAddress, ipv4ToBytes(offer.address));
    options.set(OPTION.serverId, offer.serverId);
  }
  const packet: DhcpPacket = {
    ...{ op: BOOTREQUEST, htype: 1, hlen: 6, hops: 0, xid, secs: 0, chaddr, options },
    // The simulated machines share one NIC, which takes no frame that is meant for another address.
    flags: 0x8000,
    ...{ ciaddr: IPV4_ANY, yiaddr: IPV4_ANY, siaddr: IPV4_ANY, giaddr: IPV4_ANY },
    ...{ sname: '', file: '' },
  };
  return encodePacket(packet, 1472);
}

/** The file that a reply names: option 67 before the fixed field (RFC 2132 9.5), without its terminator. */
export function bootFileOf({ options, file }: DhcpPacket): string {
  const named = options.get(OPTION.bootFile);
  return named ? Buffer.from(named).toString('latin1').replace(/\0.*$/s, '') : file;
}

/** Option 175.176 = 1: there is no ProxyDHCP server to wait for (iPXE's `no-pxedhcp`). */
export function saysNoProxy({ options }: DhcpPacket): boolean {
  const bytes = options.get(OPTION.ipxe) ?? new Uint8Array();
  for (let at = 0; at + 1 < bytes.length; at += 2 + (bytes[at + 1] ?? 0)) {
    if (bytes[at] === 0xb0) return bytes[at + 2] === 1;
  }
  return false;
}

export interface DhcpClient {
  /** Begins an exchange as this loader; one that is under way is forgotten. */
  ask(loader: Loader): void;
  onPacket(packet: DhcpPacket): void;
}

interface Exchange {
  readonly loader: Loader;
  readonly xid: number;
  readonly startedAt: number;
  state: 'discover' | 'request';
  tries: number;
  offer?: { address: Ipv4; serverId: Uint8Array };
}

/** One machine's side of the exchange, with the timers of whatever it runs at the moment. */
export function createDhcpClient(options: {
  mac: Uint8Array;
  send(bytes: Uint8Array): void;
  sentAgain(loader: Loader): void;
  onAck(loader: Loader, packet: DhcpPacket): void;
  onGiveUp(where: string): void;
}): DhcpClient {
  const { mac, send, sentAgain, onAck, onGiveUp } = options;
  let exchange: Exchange | undefined;
  let timer: NodeJS.Timeout | undefined;
  const after = (ms: number, act: () => void) => {
    clearTimeout(timer);
    timer = setTimeout(act, ms);
  };
  const end = (): void => {
    exchange = undefined;
    clearTimeout(timer);
  };
  const transmit = (of: Exchange): void => {
    const { loader, xid, offer } = of;
    const taken = of.state === 'request' && offer ? { offer } : {};
    send(dhcpBytes({ loader, mac, xid, ...taken }));
    after(LOADERS[loader].timersMs[of.tries] ?? 0, () => onTimeout(of));
  };
  const take = (of: Exchange): void => {
    of.state = 'request';
    of.tries = 0;
    transmit(of);
  };
  const onTimeout = (of: Exchange): void => {
    of.tries += 1;
    if (of.tries >= LOADERS[of.loader].timersMs.length) {
      end();
      onGiveUp(`DHCP of ${of.loader}`);
      return;
    }
    sentAgain(of.loader);
    transmit(of);
  };
  const onOffer = (of: Exchange, packet: DhcpPacket): void => {
    if (of.state !== 'discover' || of.offer || bootFileOf(packet) === '') return;
    const { holdMs, holdWithoutProxyMs } = LOADERS[of.loader];
    const serverId = packet.options.get(OPTION.serverId) ?? new Uint8Array(4);
    of.offer = { address: packet.yiaddr, serverId };
    const hold = saysNoProxy(packet) ? holdWithoutProxyMs : holdMs;
    const left = of.startedAt + hold - performance.now();
    if (left <= 0) take(of);
    else after(left, () => take(of));
  };
  return {
    ask(loader) {
      const xid = Math.floor(Math.random() * 2 ** 32);
      exchange = { loader, xid, startedAt: performance.now(), state: 'discover', tries: 0 };
      transmit(exchange);
    },
    onPacket(packet) {
      const of = exchange;
      if (!of || packet.xid !== of.xid) return;
      const type = packet.options.get(OPTION.messageType)?.[0];
      if (type === MESSAGE.offer) onOffer(of, packet);
      if (of.state !== 'request' || (type !== MESSAGE.ack && type !== MESSAGE.nak)) return;
      end();
      if (type === MESSAGE.ack) onAck(of.loader, packet);
      else onGiveUp('DHCP NAK');
    },
  };
}
