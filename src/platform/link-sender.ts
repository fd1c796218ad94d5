/**
 * Sends UDP datagrams to a hardware address (packet(7), Linux): to a client that was just told its address, and answers no ARP for it
 * yet. IPv4 and UDP are written here, the frame around them by the kernel, which knows the interface: its own MAC, a VLAN's tag.
 *
 * The other way, an entry in the kernel's table of neighbours for each client, would fill that table (1,024 entries as it comes)
 * with a hall that powers on, and put out neighbours that are being talked to.
 *
 * The socket receives nothing: it is bound to no protocol, so no packet of the interface passes through it. Needs koffi,
 * CAP_NET_RAW and an interface that speaks Ethernet; without them, and for whatever the kernel refuses here, clients are
 * answered by broadcast, as RFC 2131 section 4.1 allows.
 */
import type { Ipv4 } from '../wire/ipv4.ts';
import { UDP_HEADERS_BYTES, writeUdpPacket } from '../wire/udp-packet.ts';
import {
  type Batch,
  createBatch,
  IOVEC_WORDS,
  MMSGHDR_BYTES,
  VECTOR_LENGTH,
} from './datagram-layout.ts';
import { AF_PACKET, ERRNO, type Libc, loadLibc, MSG_DONTWAIT, SOCK_DGRAM } from './libc.ts';
import type { Log } from './log.ts';
import type { UdpSocket } from './udp.ts';
import type { Outgoing } from './udp-batch.ts';

/** Where a datagram goes by its frame, and what its headers say. */
export interface Link {
  /** Six bytes. */
  readonly mac: Uint8Array;
  readonly source: Ipv4;
  readonly destination: Ipv4;
}

export interface Linked extends Outgoing {
  readonly link: Link;
}

export interface LinkSender {
  /** @returns those that the kernel did not take */
  send(datagrams: readonly Linked[]): Linked[];
  close(): void;
}

const SLOTS = 64;
/** A datagram of the longest Ethernet frame; the kernel refuses what is longer than the interface takes. */
const SLOT_BYTES = 1536;
const EVERYBODY = '255.255.255.255';

/** struct sockaddr_ll: family, protocol, interface, hardware type, packet type, length of the address, the address. */
const NAME_BYTES = 20;
const NAME = { protocol: 2, index: 4, hardware: 8, addressBytes: 11, address: 12 } as const;
const ETHERTYPE_IPV4 = 0x0800;
const ARPHRD_ETHER = 1;
const MAC_BYTES = 6;

/** @returns `undefined` where it cannot be had, which is said */
export function openLinkSender(options: {
  readonly iface: string;
  /** Of what is sent. */
  readonly port: number;
  readonly log: Log;
}): LinkSender | undefined {
  const { iface, port, log } = options;
  const libc = loadLibc();
  const index = libc?.if_nametoindex(iface) ?? 0;
  const fd = libc ? openDescriptor(libc, index) : undefined;
  if (!libc || fd === undefined) {
    const what = 'clients without an address are answered by broadcast';
    log.warn({ iface }, `${what}: packet sockets need Ethernet, CAP_NET_RAW and koffi`);
    return undefined;
  }
  return new BatchLinkSender(libc, { fd, index, port });
}

/** The same socket, which sends what has a `link` by it: by broadcast should that be refused. */
export function reachingByLink(socket: UdpSocket, sender: LinkSender) {
  return {
    ...socket,
    reachesByLink: true,
    sendMany(datagrams: readonly (Outgoing & { readonly link?: Link | undefined })[]): void {
      const linked = datagrams.filter((one): one is Linked => one.link !== undefined);
      const plain =
        linked.length === 0 ? datagrams : datagrams.filter(({ link }) => link === undefined);
      if (plain.length > 0) socket.sendMany(plain);
      if (linked.length === 0) return;
      const refused = sender.send(linked);
      if (refused.length > 0)
        socket.sendMany(refused.map(({ bytes, port }) => ({ bytes, port, address: EVERYBODY })));
    },
  };
}

function openDescriptor(libc: Libc, index: number): number | undefined {
  const fd = index > 0 ? libc.socket(AF_PACKET, SOCK_DGRAM, 0) : -1;
  if (fd < 0) return undefined;
  const name = linkName(index);
  // What the kernel says of the interface that it is bound to: a loopback has MACs, and takes no frame that is meant for one.
  const length = Uint8Array.of(NAME_BYTES, 0, 0, 0);
  const bound = libc.bind(fd, name, name.length) === 0 && libc.getsockname(fd, name, length) === 0;
  if (bound && name.readUInt16LE(NAME.hardware) === ARPHRD_ETHER) return fd;
  libc.close(fd);
  return undefined;
}

/** Bound to no protocol. */
function linkName(index: number): Buffer {
  const name = Buffer.alloc(NAME_BYTES);
  name.writeUInt16LE(AF_PACKET, 0);
  name.writeInt32LE(index, NAME.index);
  return name;
}

class BatchLinkSender implements LinkSender {
  private readonly libc: Libc;
  private readonly port: number;
  private readonly batch: Batch;
  private readonly slots: readonly Uint8Array[];
  private fd: number | undefined;

  constructor(libc: Libc, { fd, index, port }: { fd: number; index: number; port: number }) {
    this.libc = libc;
    this.fd = fd;
    this.port = port;
    this.batch = createBatch(libc, {
      ...{ count: SLOTS, slotBytes: SLOT_BYTES, nameBytes: NAME_BYTES },
    });
    const { names, slots } = this.batch;
    const name = linkName(index);
    name.writeUInt16BE(ETHERTYPE_IPV4, NAME.protocol);
    name[NAME.addressBytes] = MAC_BYTES;
    this.slots = Array.from({ length: SLOTS }, (_, slot) => {
      names.set(name, slot * NAME_BYTES);
      return slots.subarray(slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES);
    });
  }

  send(datagrams: readonly Linked[]): Linked[] {
    const refused: Linked[] = [];
    for (let from = 0; from < datagrams.length; from += SLOTS) {
      const batch = datagrams.slice(from, from + SLOTS);
      this.flush(batch, refused);
    }
    return refused;
  }

  close(): void {
    if (this.fd !== undefined) this.libc.close(this.fd);
    this.fd = undefined;
  }

  private flush(datagrams: readonly Linked[], refused: Linked[]): void {
    // The number of a closed socket may be another's by now.
    if (this.fd === undefined) {
      refused.push(...datagrams);
      return;
    }
    for (const [slot, datagram] of datagrams.entries()) this.lay(slot, datagram);
    for (let at = 0; at < datagrams.length; ) {
      const headers = this.batch.headers.subarray(at * MMSGHDR_BYTES);
      const count = this.libc.sendmmsg(this.fd, headers, datagrams.length - at, MSG_DONTWAIT);
      if (count > 0) at += count;
      else if (this.libc.errno() !== ERRNO.EINTR) refused.push(datagrams[at++] as Linked);
    }
  }

  private lay(slot: number, { bytes, port, link }: Linked): void {
    const { names, vectorWords } = this.batch;
    const payload = bytes.subarray(0, SLOT_BYTES - UDP_HEADERS_BYTES);
    const ends = { ...link, sourcePort: this.port, destinationPort: port };
    const length = writeUdpPacket(this.slots[slot] as Uint8Array, ends, payload);
    vectorWords[slot * IOVEC_WORDS + VECTOR_LENGTH] = length;
    names.set(link.mac, slot * NAME_BYTES + NAME.address);
  }
}
