/** Reads classic pcap files (microsecond or nanosecond, either byte order) down to UDP payloads over IPv4 on Ethernet. */
import { readFileSync } from 'node:fs';

export interface Datagram {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
}

export function udpDatagrams(file: string): Datagram[] {
  const bytes = readFileSync(file);
  const magic = bytes.readUInt32LE(0);
  const little = magic === 0xa1b2c3d4 || magic === 0xa1b23c4d;
  const u32 = (at: number) => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  const found: Datagram[] = [];
  for (let at = 24; at + 16 <= bytes.length; ) {
    const length = u32(at + 8);
    const frame = bytes.subarray(at + 16, at + 16 + length);
    at += 16 + length;
    if (frame.length < 42 || frame.readUInt16BE(12) !== 0x0800 || frame[23] !== 17) continue;
    // Not the later fragments of a datagram: they have no UDP header.
    if ((frame.readUInt16BE(20) & 0x1fff) !== 0) continue;
    const udp = 14 + ((frame[14] ?? 0) & 15) * 4;
    const end = udp + frame.readUInt16BE(udp + 4);
    if (end > frame.length) continue;
    found.push({
      sourcePort: frame.readUInt16BE(udp),
      destinationPort: frame.readUInt16BE(udp + 2),
      payload: Uint8Array.from(frame.subarray(udp + 8, end)),
    });
  }
  return found;
}
