/**
 * Watches the trunk between a switch and the appliance: what crosses it belongs to the network of its tag, and DHCP is answered with
 * the tag of the question. Keeps a capture of it, as `tcpdump` on the port would have: all but the data of TCP.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { type Datagram, openFrame } from '../src/capture/frame.ts';
import { MESSAGE, OPTION } from '../src/dhcp/options.ts';
import { BOOTREQUEST, decodePacket } from '../src/dhcp/packet.ts';
import { type Cidr, contains, formatIpv4, IPV4_ANY, IPV4_BROADCAST } from '../src/wire/ipv4.ts';
import { encodePcap } from './pcap-file.ts';

/** The networks of a trunk, by tag; 0 is what has none. */
export type Networks = ReadonlyMap<number, Cidr>;

export interface TagCounts {
  frames: number;
  /** DHCP of the appliance; `toOne`: to the hardware address of its client. */
  answers: number;
  toOne: number;
  /** TFTP requests, and requests of HTTP. */
  tftp: number;
  http: number;
}

export interface TrunkWatch {
  /** @param fromAppliance which way it goes */
  add(frame: Uint8Array, fromAppliance: boolean): void;
  /** What was where it does not belong. */
  readonly faults: readonly string[];
  counts(tag: number): TagCounts;
  /** Tags of the appliance's answers to this transaction. */
  answersTo(xid: number): readonly number[];
  close(): void;
}

const FAULTS_MAX = 20;
const MULTICAST = 0xe0000000;
/** Of a request: enough for its line and the agent's name. */
const TCP_KEPT_BYTES = 600;

export function watchTrunk(networks: Networks, file: string): TrunkWatch {
  const fd = openSync(file, 'w');
  writeSync(fd, encodePcap([]));
  const faults: string[] = [];
  const byTag = new Map<number, TagCounts>();
  const asked = new Map<number, Set<number>>();
  const answered = new Map<number, number[]>();
  const fault = (what: string) => void (faults.length < FAULTS_MAX && faults.push(what));
  const counts = (tag: number): TagCounts => {
    const known = byTag.get(tag);
    if (known) return known;
    const fresh = { frames: 0, answers: 0, toOne: 0, tftp: 0, http: 0 };
    byTag.set(tag, fresh);
    return fresh;
  };
  const dhcp = (datagram: Datagram, tag: number, fromAppliance: boolean): void => {
    const packet = decodePacket(datagram.payload);
    if (!packet.ok) return;
    const { op, xid, yiaddr, options } = packet.value;
    if (op === BOOTREQUEST) {
      asked.set(xid, (asked.get(xid) ?? new Set()).add(tag));
      return;
    }
    if (!fromAppliance) return;
    answered.set(xid, [...(answered.get(xid) ?? []), tag]);
    const of = counts(tag);
    of.answers += 1;
    if (datagram.destinationMac !== 'ff:ff:ff:ff:ff:ff') of.toOne += 1;
    if (!asked.get(xid)?.has(tag))
      fault(
        `the answer ${xid.toString(16)} has tag ${tag}, its question ${[...(asked.get(xid) ?? [])]}`,
      );
    const network = networks.get(tag);
    const refuses = options.get(OPTION.messageType)?.[0] === MESSAGE.nak;
    if (!refuses && network && !contains(network, yiaddr))
      fault(`${formatIpv4(yiaddr)} is given with tag ${tag}`);
  };
  const look = (datagram: Datagram, fromAppliance: boolean): boolean => {
    const { vlans, source, destination, transport, payload } = datagram;
    const tag = vlans[0] ?? 0;
    const of = counts(tag);
    of.frames += 1;
    const network = networks.get(tag);
    const belongs = (address: typeof source) =>
      [IPV4_ANY, IPV4_BROADCAST].includes(address) ||
      address >= MULTICAST ||
      (network !== undefined && contains(network, address));
    for (const address of [source, destination])
      if (!belongs(address)) fault(`${formatIpv4(address)} is in a frame with tag ${tag}`);
    if (transport === 'tcp') {
      const isRequest = /^(GET|HEAD|POST|PUT) /.test(
        Buffer.from(payload.subarray(0, 5)).toString(),
      );
      if (isRequest) of.http += 1;
      return isRequest;
    }
    if (datagram.destinationPort === 69) of.tftp += 1;
    if ([67, 68].includes(datagram.destinationPort)) dhcp(datagram, tag, fromAppliance);
    return true;
  };
  return {
    faults,
    counts,
    answersTo: (xid) => answered.get(xid) ?? [],
    add(bytes, fromAppliance) {
      const atUs = Date.now() * 1000;
      const frame = { number: 0, atUs, bytes, lengthBytes: bytes.length, linkType: 1 };
      const content = openFrame(frame);
      if (content.kind !== 'datagram' || !look(content.datagram, fromAppliance)) return;
      const kept = content.datagram.transport === 'tcp' ? bytes.subarray(0, TCP_KEPT_BYTES) : bytes;
      writeSync(fd, encodePcap([{ ...frame, bytes: kept }]).subarray(24));
    },
    close: () => closeSync(fd),
  };
}
