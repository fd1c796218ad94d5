/**
 * Frames in, machines and their boots out. Keeps DHCP messages whole, of TFTP transfers the counts, of HTTP the request
 * line; everything else in the capture is counted and gone, so a long capture costs what its boots cost.
 *
 * A machine is a hardware address. A TFTP or HTTP request belongs to the machine that was last acknowledged its source
 * address, and to its link-layer source where the capture has not seen that; behind a router the former is the only truth.
 */
import { classify } from '../dhcp/client-class.ts';
import { unmerge } from '../dhcp/merged.ts';
import { MESSAGE, OPTION } from '../dhcp/options.ts';
import { BOOTREPLY, type DhcpPacket, decodePacket, macOf } from '../dhcp/packet.ts';
import { limit } from '../limits.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import { formatIpv4 } from '../wire/ipv4.ts';
import { type BootSoFar, beginsBoot, bootFrom, continueBoot } from './boundary.ts';
import { checkAddresses, checkBoot } from './check-boots.ts';
import { type CheckId, type Problem, problem } from './checks.ts';
import { type Datagram, openFrame } from './frame.ts';
import { malformedDhcp, malformedTftp } from './malformed.ts';
import type { BootTrace, Capture, DhcpMessage, Entry, HttpRequest, MachineTrace } from './model.ts';
import type { CaptureFault, Frame } from './pcap.ts';
import { createTftpTracker } from './tftp-trace.ts';

export interface Analysis {
  add(frame: Frame): void;
  /** @param fault what the reader of the file ended with */
  finish(fault: { readonly code: CaptureFault; readonly at: number } | undefined): Capture;
}

interface Machine {
  readonly key: string;
  readonly boots: Entry[][];
  now: BootSoFar;
}

interface State {
  readonly machines: Map<string, Machine>;
  /** Who was acknowledged an address, by VLAN and address: two VLANs may have the same numbers. */
  readonly owners: Map<string, string>;
  readonly tracker: ReturnType<typeof createTftpTracker>;
  readonly general: Problem[];
  readonly counts: { frames: number; dhcp: number; tftp: number; http: number; tcp: number };
  /** Of each TCP connection, by its ends, the sequence number of its newest request. */
  readonly requests: Map<string, number>;
  entries: number;
  leftOut: number;
}

const DHCP_PORTS: readonly number[] = [67, 68];
const BOOT_SERVER_PORT = 4011;

export function createAnalysis(): Analysis {
  const state: State = {
    machines: new Map(),
    owners: new Map(),
    tracker: createTftpTracker(),
    general: [],
    counts: { frames: 0, dhcp: 0, tftp: 0, http: 0, tcp: 0 },
    requests: new Map(),
    entries: 0,
    leftOut: 0,
  };
  return {
    add(frame) {
      state.counts.frames += 1;
      const content = openFrame(frame);
      if (content.kind === 'short' && frame.bytes.length < frame.lengthBytes) {
        report(state, problem('frame-cut', { frame: frame.number }, 'cut off before its ports'));
      }
      if (content.kind !== 'datagram') return;
      if (content.datagram.transport === 'tcp') takeHttp(state, content.datagram);
      else takeUdp(state, content.datagram);
    },
    finish: (fault) => finish(state, fault),
  };
}

function takeUdp(state: State, datagram: Datagram): void {
  const ports = [datagram.sourcePort, datagram.destinationPort];
  if (ports.some((port) => DHCP_PORTS.includes(port) || port === BOOT_SERVER_PORT)) {
    takeDhcp(state, datagram);
    return;
  }
  const taken = state.tracker.take(datagram);
  if (!taken) takeFaultyTftp(state, datagram);
  if (!taken?.opened) return;
  state.counts.tftp += 1;
  append(state, ownerOf(state, datagram), taken.transfer);
}

function takeFaultyTftp(state: State, datagram: Datagram): void {
  const isCut = datagram.payload.length < datagram.payloadBytes;
  const detail = isCut ? undefined : malformedTftp(datagram);
  if (detail !== undefined) report(state, problem('tftp-malformed', datagram, detail));
}

/** A capture of the server's own interface shows replies that leave together as one. */
function takeDhcp(state: State, datagram: Datagram): void {
  const messages = unmerge(datagram.payload);
  if (messages.length === 1) takeMessage(state, datagram);
  else
    for (const payload of messages)
      takeMessage(state, { ...datagram, payload, payloadBytes: payload.length });
}

function takeMessage(state: State, datagram: Datagram): void {
  const { payload, payloadBytes, frame } = datagram;
  const cut = payload.length < payloadBytes;
  const packet = decodePacket(payload);
  if (!packet.ok) {
    const check: CheckId = cut ? 'frame-cut' : 'dhcp-malformed';
    const detail = cut
      ? `${payload.length} of ${payloadBytes} bytes captured`
      : malformedDhcp(datagram, packet);
    report(state, problem(check, { frame }, detail));
    return;
  }
  state.counts.dhcp += 1;
  const message = messageOf(datagram, packet.value, cut);
  append(state, machineKey(packet.value), message);
  if (message.fromServer && message.type === MESSAGE.ack && packet.value.yiaddr !== 0) {
    state.owners.set(placed(datagram.vlans, packet.value.yiaddr), machineKey(packet.value));
  }
}

function messageOf(datagram: Datagram, packet: DhcpPacket, cut: boolean): DhcpMessage {
  const type = packet.options.get(OPTION.messageType);
  return {
    kind: 'dhcp',
    ...placeOf(datagram),
    packet,
    type: type?.length === 1 ? (type[0] ?? 0) : 0,
    fromServer: packet.op === BOOTREPLY,
    client: classify(packet),
    wire: {
      lengthBytes: datagram.payloadBytes,
      cut,
      fragmented: datagram.fragmented,
      codes: codesOf(datagram.payload),
      fileUnterminated:
        !datagram.payload.subarray(108, 236).includes(0) &&
        ((packet.options.get(OPTION.overload)?.[0] ?? 0) & 1) === 0,
    },
  };
}

function placeOf(datagram: Datagram) {
  const { frame, atUs, vlans, source, destination, sourcePort, destinationPort } = datagram;
  return {
    ...{ frame, atUs, vlans },
    from: { mac: datagram.sourceMac, address: source, port: sourcePort },
    to: { mac: datagram.destinationMac, address: destination, port: destinationPort },
  };
}

/** The codes of the option field in their order; the packet has been decoded, so the field comes out even. */
function codesOf(payload: Uint8Array): number[] {
  const codes: number[] = [];
  for (let at = 240; at < payload.length; ) {
    const code = payload[at] ?? OPTION.end;
    if (code === OPTION.end) break;
    if (code !== OPTION.pad) codes.push(code);
    at += code === OPTION.pad ? 1 : 2 + (payload[at + 1] ?? 0);
  }
  return codes;
}

function machineKey(packet: DhcpPacket): string {
  return (
    macOf(packet) ??
    `hardware ${Buffer.from(packet.chaddr.subarray(0, packet.hlen)).toString('hex')}`
  );
}

function takeHttp(state: State, datagram: Datagram): void {
  state.counts.tcp += 1;
  const head = Buffer.from(datagram.payload.subarray(0, limit('captureHttpBytesMax'))).toString(
    'latin1',
  );
  const line = /^(GET|HEAD|POST|PUT) (\S+) HTTP\/1\.[01]\r\n/.exec(head);
  if (!line || sentAgain(state, datagram)) return;
  state.counts.http += 1;
  const request: HttpRequest = {
    kind: 'http',
    ...placeOf(datagram),
    method: line[1] ?? '',
    path: line[2] ?? '',
    userAgent: /\r\nuser-agent: *([^\r\n]*)/i.exec(head)?.[1] ?? '',
  };
  append(state, ownerOf(state, datagram), request);
}

/** A segment that TCP sent again, its acknowledgement being late, is one request (RFC 9293 section 3.8). */
function sentAgain({ requests }: State, datagram: Datagram): boolean {
  const { source, sourcePort, destination, destinationPort, sequence } = datagram;
  const ends = `${source}:${sourcePort} ${destination}:${destinationPort}`;
  if (requests.get(ends) === sequence) return true;
  if (requests.size < limit('captureEntriesMax')) requests.set(ends, sequence);
  return false;
}

function ownerOf(state: State, { source, sourceMac, vlans }: Datagram): string {
  return state.owners.get(placed(vlans, source)) ?? sourceMac ?? formatIpv4(source);
}

const placed = (vlans: readonly number[], address: Ipv4): string => `${vlans} ${address}`;

function append(state: State, key: string, entry: Entry): void {
  const known = state.machines.get(key);
  if (
    state.entries >= limit('captureEntriesMax') ||
    (!known && state.machines.size >= limit('captureMachinesMax'))
  ) {
    state.leftOut += 1;
    return;
  }
  state.entries += 1;
  if (!known) {
    state.machines.set(key, { key, boots: [[entry]], now: bootFrom(entry) });
    return;
  }
  if (beginsBoot(known.now, entry)) {
    known.boots.push([entry]);
    known.now = bootFrom(entry);
    return;
  }
  known.boots.at(-1)?.push(entry);
  continueBoot(known.now, entry);
}

function report(state: State, found: Problem): void {
  if (state.general.length < limit('captureProblemsMax')) state.general.push(found);
}

function finish(
  state: State,
  fault: { readonly code: CaptureFault; readonly at: number } | undefined,
): Capture {
  if (fault) report(state, problem('file-damaged', undefined, `${fault.code} at byte ${fault.at}`));
  if (state.leftOut > 0) {
    state.general.unshift(
      problem('left-out', undefined, `${state.leftOut} messages are not shown`),
    );
  }
  const machines = [...state.machines.values()].map(({ key, boots }): MachineTrace => {
    const traces = boots.map((entries): BootTrace => ({ entries }));
    const problems = traces.flatMap((boot) => checkBoot(boot));
    return { key, boots: traces, problems: problems.slice(0, limit('captureProblemsMax')) };
  });
  return {
    frames: state.counts.frames,
    dhcpMessages: state.counts.dhcp,
    tftpTransfers: state.counts.tftp,
    httpRequests: state.counts.http,
    tcpSegments: state.counts.tcp,
    machines,
    problems: [...state.general, ...checkAddresses(machines)],
  };
}
