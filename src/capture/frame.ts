/**
 * One captured frame, taken apart down to a UDP or TCP payload over IPv4. Pure and total.
 *
 * Link layers: Ethernet with any number of VLAN tags up to four, Linux "cooked" v1 and v2 (tcpdump -i any), raw IP, and
 * BSD loopback. Fragments are not put together again: firmware drops them, so that one was sent at all is the finding.
 * No checksum is tested, because captures on the sending machine hold frames whose checksum the card fills in later.
 */
import { Reader } from '../wire/cursor.ts';
import { type Ipv4, ipv4FromBytes } from '../wire/ipv4.ts';
import { type Mac, macFromBytes } from '../wire/mac.ts';
import type { Frame } from './pcap.ts';

/** A UDP datagram or a TCP segment. */
export interface Datagram {
  readonly frame: number;
  readonly atUs: number;
  readonly transport: 'udp' | 'tcp';
  /** Of the link: the sender's, or the last router's. */
  readonly sourceMac: Mac | undefined;
  readonly destinationMac: Mac | undefined;
  readonly vlans: readonly number[];
  readonly source: Ipv4;
  readonly destination: Ipv4;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** What was captured of the payload. */
  readonly payload: Uint8Array;
  /** How long the payload was on the wire. */
  readonly payloadBytes: number;
  /** The first piece of a datagram that was sent in several. */
  readonly fragmented: boolean;
  /** Of a TCP segment: the number of its first byte (RFC 9293 section 3.1); 0 of a datagram. */
  readonly sequence: number;
}

export type FrameContent =
  | { readonly kind: 'datagram'; readonly datagram: Datagram }
  /** A later piece of a datagram: it has no ports. */
  | { readonly kind: 'fragment'; readonly source: Ipv4; readonly destination: Ipv4 }
  /** Whole, but nothing that is read here. */
  | { readonly kind: 'other' }
  /** Cut off, by the capture or by its sender, before its ports. */
  | { readonly kind: 'short' };

interface Link {
  readonly etherType: number;
  readonly rest: Uint8Array;
  readonly sourceMac?: Mac | undefined;
  readonly destinationMac?: Mac | undefined;
  readonly vlans: readonly number[];
}

const IPV4 = 0x0800;
/** 802.1Q, 802.1ad, and what was used before it. */
const VLAN_TAGS: readonly number[] = [0x8100, 0x88a8, 0x9100];
const VLANS_MAX = 4;
const TCP = 6;
const UDP = 17;

/** LINKTYPE_ values (tcpdump.org/linktypes.html). */
const LINK = {
  bsdLoopback: 0,
  ethernet: 1,
  raw: 101,
  openBsdLoopback: 108,
  cooked: 113,
  ipv4: 228,
  cooked2: 276,
};
/** LINKTYPE_RAW as it was numbered on some systems. */
const RAW_OLD = [12, 14];

const OTHER = { kind: 'other' } as const;
const SHORT = { kind: 'short' } as const;

export function openFrame(frame: Frame): FrameContent {
  const link = openLink(frame);
  if (link === undefined) return OTHER;
  if (link === 'short') return SHORT;
  return link.etherType === IPV4 ? openIpv4(frame, link) : OTHER;
}

function openLink({ linkType, bytes }: Frame): Link | 'short' | undefined {
  const reader = new Reader(bytes);
  switch (linkType) {
    case LINK.ethernet: {
      const destinationMac = macFromBytes(reader.take(6));
      const sourceMac = macFromBytes(reader.take(6));
      return untag(reader, { sourceMac, destinationMac });
    }
    case LINK.cooked: {
      reader.take(4);
      return untag(reader, { sourceMac: cookedSource(reader.u16(), reader.take(8)) });
    }
    case LINK.cooked2: {
      const etherType = reader.u16();
      reader.take(9);
      const sourceMac = cookedSource(reader.u8(), reader.take(8));
      if (reader.failedAt !== undefined) return 'short';
      return tagged(reader, etherType, { sourceMac });
    }
    case LINK.bsdLoopback:
    case LINK.openBsdLoopback: {
      // In the byte order of the machine that captured; AF_INET is 2 everywhere.
      const family = reader.take(4);
      if (reader.failedAt !== undefined) return 'short';
      const ipv4 = family[0] === 2 || family[3] === 2;
      return { etherType: ipv4 ? IPV4 : 0, rest: reader.rest(), vlans: [] };
    }
    default:
      return linkType === LINK.raw || linkType === LINK.ipv4 || RAW_OLD.includes(linkType)
        ? { etherType: (bytes[0] ?? 0) >> 4 === 4 ? IPV4 : 0, rest: bytes, vlans: [] }
        : undefined;
  }
}

function cookedSource(length: number, field: Uint8Array): Mac | undefined {
  return length === 6 ? macFromBytes(field) : undefined;
}

function untag(reader: Reader, macs: Pick<Link, 'sourceMac' | 'destinationMac'>): Link | 'short' {
  return tagged(reader, reader.u16(), macs);
}

function tagged(
  reader: Reader,
  firstType: number,
  macs: Pick<Link, 'sourceMac' | 'destinationMac'>,
): Link | 'short' {
  const vlans: number[] = [];
  let etherType = firstType;
  while (VLAN_TAGS.includes(etherType) && vlans.length < VLANS_MAX) {
    vlans.push(reader.u16() & 0x0fff);
    etherType = reader.u16();
  }
  if (reader.failedAt !== undefined) return 'short';
  return { ...macs, etherType, vlans, rest: reader.rest() };
}

function openIpv4(frame: Frame, link: Link): FrameContent {
  const head = link.rest;
  const headBytes = ((head[0] ?? 0) & 15) * 4;
  if (head.length < 20 || headBytes < 20 || head.length < headBytes) return SHORT;
  if ((head[0] ?? 0) >> 4 !== 4) return OTHER;
  const read = new Reader(head.subarray(2));
  const totalBytes = read.u16();
  read.u16();
  const [source, destination] = [ipv4FromBytes(head, 12), ipv4FromBytes(head, 16)];
  const piece = read.u16();
  if ((piece & 0x1fff) !== 0) return { kind: 'fragment', source, destination };
  const protocol = head[9];
  // A card that cuts segments itself (TSO) leaves the total length zero in the sender's own capture.
  const body =
    totalBytes < headBytes ? head.subarray(headBytes) : head.subarray(headBytes, totalBytes);
  const wireBytes = totalBytes < headBytes ? body.length : totalBytes - headBytes;
  const common = {
    ...{ frame: frame.number, atUs: frame.atUs, vlans: link.vlans, source, destination },
    ...{ sourceMac: link.sourceMac, destinationMac: link.destinationMac },
    fragmented: (piece & 0x2000) !== 0,
  };
  if (protocol === UDP) return openUdp(body, common);
  return protocol === TCP ? openTcp(body, { ...common, wireBytes }) : OTHER;
}

type Common = Omit<
  Datagram,
  'transport' | 'sourcePort' | 'destinationPort' | 'payload' | 'payloadBytes' | 'sequence'
>;

function openUdp(body: Uint8Array, common: Common): FrameContent {
  const reader = new Reader(body);
  const [sourcePort, destinationPort] = [reader.u16(), reader.u16()];
  const lengthBytes = reader.u16();
  reader.u16();
  if (reader.failedAt !== undefined || lengthBytes < 8) return SHORT;
  const payloadBytes = lengthBytes - 8;
  const payload = body.slice(8, 8 + payloadBytes);
  return {
    kind: 'datagram',
    datagram: {
      ...common,
      ...{ transport: 'udp', sourcePort, destinationPort, payload, payloadBytes, sequence: 0 },
    },
  };
}

function openTcp(
  body: Uint8Array,
  { wireBytes, ...common }: Common & { readonly wireBytes: number },
): FrameContent {
  const headBytes = ((body[12] ?? 0) >> 4) * 4;
  if (body.length < 20 || headBytes < 20) return SHORT;
  const reader = new Reader(body);
  return {
    kind: 'datagram',
    datagram: {
      ...common,
      transport: 'tcp',
      sourcePort: reader.u16(),
      destinationPort: reader.u16(),
      sequence: reader.u32(),
      payload: body.slice(headBytes),
      payloadBytes: Math.max(0, wireBytes - headBytes),
    },
  };
}
