/**
 * Golden captures: what one client said and heard in a scenario, cut down to what proves it. Made when UPDATE_FIXTURES is set.
 *
 * Kept are the client's DHCP, its TFTP transfers and the request lines of its downloads. The data of a transfer are cut behind
 * their headers, which the file says of itself (a frame's length on the wire is more than what is in it); times start at one
 * fixed moment, so that only what changed is different in a new recording. A transfer of thousands of packets, as of a GRUB, is left
 * out whole: its headers alone would be megabytes.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createAnalysis } from '../src/capture/analysis.ts';
import { openFrame } from '../src/capture/frame.ts';
import { createCaptureReader, type Frame } from '../src/capture/pcap.ts';
import { captureText } from '../src/cli/decode-text.ts';
import { macFromBytes } from '../src/wire/mac.ts';
import { encodePcap } from './pcap-file.ts';

export const FIXTURES = 'test/fixtures/pcap';
const STARTS_US = 1_700_000_000_000_000;
const DHCP_PORTS = [67, 68, 4011];
/** Twice what a shim takes. */
const PACKETS_OF_TRANSFER_MAX = 2000;
/** Ethernet, IP, UDP, and the first bytes of a block. */
const DATA_KEPT_BYTES = 64;

/** Writes `NAME.pcap` and the decoded text beside it; does nothing unless UPDATE_FIXTURES is set. */
export function saveFixture(name: string, capture: string, mac: string): void {
  if (!process.env.UPDATE_FIXTURES) return;
  const reader = createCaptureReader();
  const all = reader.push(readFileSync(capture)).flatMap((frame) => trimmed(frame, mac));
  const kept = withoutLarge(all, mac);
  const startUs = kept[0]?.atUs ?? 0;
  const frames = kept.map((frame) => ({ ...frame, atUs: frame.atUs - startUs + STARTS_US }));
  mkdirSync(FIXTURES, { recursive: true });
  const file = encodePcap(frames);
  writeFileSync(`${FIXTURES}/${name}.pcap`, file);
  writeFileSync(`${FIXTURES}/${name}.txt`, textOf(file));
}

/** By the port of the client, which is another one for each transfer. */
function withoutLarge(frames: readonly Frame[], mac: string): Frame[] {
  const packets = new Map<number, number>();
  const portOf = (frame: Frame): number | undefined => {
    const content = openFrame(frame);
    if (content.kind !== 'datagram' || content.datagram.transport !== 'udp') return undefined;
    const { sourceMac, sourcePort, destinationPort } = content.datagram;
    return sourceMac === mac ? sourcePort : destinationPort;
  };
  const ports = frames.map(portOf);
  for (const port of ports) if (port !== undefined) packets.set(port, (packets.get(port) ?? 0) + 1);
  return frames.filter((_, index) => {
    const port = ports[index];
    return port === undefined || (packets.get(port) ?? 0) <= PACKETS_OF_TRANSFER_MAX;
  });
}

/** The decoded text of a whole file, as `reveille decode` prints it. */
export function textOf(file: Uint8Array): string {
  const reader = createCaptureReader();
  const analysis = createAnalysis();
  for (const frame of reader.push(file)) analysis.add(frame);
  return captureText(analysis.finish(reader.finish()), false);
}

function trimmed(frame: Frame, mac: string): Frame[] {
  const content = openFrame(frame);
  if (content.kind !== 'datagram') return [];
  const { transport, sourcePort, destinationPort, payload } = content.datagram;
  if (
    transport === 'udp' &&
    [sourcePort, destinationPort].some((port) => DHCP_PORTS.includes(port))
  ) {
    return payload.length >= 34 && macFromBytes(payload.subarray(28, 34)) === mac ? [frame] : [];
  }
  const { sourceMac, destinationMac } = content.datagram;
  if (sourceMac !== mac && destinationMac !== mac) return [];
  const data = transport === 'udp' && payload.length > DATA_KEPT_BYTES;
  return [data ? { ...frame, bytes: frame.bytes.slice(0, DATA_KEPT_BYTES) } : frame];
}
