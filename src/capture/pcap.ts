/**
 * Capture files, as tcpdump, tshark and dumpcap write them: bytes in, frames out, piece by piece.
 *
 * Reads classic pcap (either byte order, micro- or nanoseconds) and pcapng (sections, interfaces with their own clock
 * resolution and offset, enhanced, simple and obsolete packet blocks; every other block is skipped). The file is never
 * held as a whole: what is kept is one unfinished record, and a record has a limit.
 *
 * Total: hostile bytes end in a fault with an offset, and the frames before it have been handed out. What the frames mean
 * is not known here (frame.ts). Specifications: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
 */
import { limit } from '../limits.ts';

export interface Frame {
  /** From 1, as Wireshark numbers them. */
  readonly number: number;
  /** Microseconds since the Unix epoch. */
  readonly atUs: number;
  /** LINKTYPE_ value: 1 is Ethernet. */
  readonly linkType: number;
  /** What was captured; less than `lengthBytes` when the capture was cut short (tcpdump -s). */
  readonly bytes: Uint8Array;
  readonly lengthBytes: number;
}

export type CaptureFault =
  | 'not-a-capture'
  | 'record-too-large'
  | 'bad-block'
  | 'unknown-interface'
  | 'too-many-interfaces'
  | 'ends-inside-a-record';

export interface CaptureReader {
  /** Takes the next bytes of the file; the frames that are complete with them. */
  push(chunk: Uint8Array): Frame[];
  /** After the last byte: what was wrong with the file, and the offset of it. */
  finish(): { readonly code: CaptureFault; readonly at: number } | undefined;
}

type Read = (at: number) => number;
interface Endian {
  readonly u16: Read;
  readonly u32: Read;
}
interface Interface {
  readonly linkType: number;
  readonly snapBytes: number;
  /** Ticks since the epoch to microseconds. */
  readonly toUs: (ticks: bigint) => number;
}
/** What one step of a format made of the buffered bytes: wait for more, go on, or stop. */
type Step =
  | { readonly kind: 'more'; readonly needBytes: number }
  | { readonly kind: 'used'; readonly bytes: number; readonly frame?: Frame }
  | { readonly kind: 'fault'; readonly code: CaptureFault };

interface State {
  /** `undefined` until the file's first bytes have said what it is. */
  format: 'pcap' | 'pcapng' | undefined;
  little: boolean;
  nanoseconds: boolean;
  linkType: number;
  interfaces: Interface[];
  frames: number;
}

const PCAP_HEADER_BYTES = 24;
const PCAP_RECORD_BYTES = 16;
const SECTION = 0x0a0d0d0a;

export function createCaptureReader(): CaptureReader {
  const state: State = {
    format: undefined,
    little: false,
    nanoseconds: false,
    linkType: 0,
    interfaces: [],
    frames: 0,
  };
  let pending = new Uint8Array(0);
  let offset = 0;
  let skipBytes = 0;
  let needBytes = 0;
  let fault: { code: CaptureFault; at: number } | undefined;

  return {
    push(chunk) {
      const frames: Frame[] = [];
      if (fault) return frames;
      const skipped = Math.min(skipBytes, chunk.length);
      skipBytes -= skipped;
      offset += skipped;
      pending = joined(pending, chunk.subarray(skipped));
      let at = 0;
      // Without this test a large record that comes in small pieces would be looked at once for each piece.
      while (pending.length - at >= needBytes && at < pending.length) {
        const step = next(state, pending.subarray(at));
        needBytes = step.kind === 'more' ? step.needBytes : 0;
        if (step.kind === 'more') break;
        if (step.kind === 'fault') {
          fault = { code: step.code, at: offset + at };
          return frames;
        }
        if (step.frame) frames.push(step.frame);
        at += step.bytes;
      }
      offset += at;
      if (at > pending.length) skipBytes = at - pending.length;
      offset -= skipBytes;
      pending = pending.slice(at);
      return frames;
    },
    finish() {
      if (fault) return fault;
      if (pending.length > 0 || skipBytes > 0) fault = { code: 'ends-inside-a-record', at: offset };
      else if (state.format === undefined) fault = { code: 'not-a-capture', at: 0 };
      return fault;
    },
  };
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function endian(bytes: Uint8Array, little: boolean): Endian {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { u16: (at) => view.getUint16(at, little), u32: (at) => view.getUint32(at, little) };
}

function next(state: State, bytes: Uint8Array): Step {
  switch (state.format) {
    case undefined:
      return fileHeader(state, bytes);
    case 'pcap':
      return pcapRecord(state, bytes);
    case 'pcapng':
      return pcapngBlock(state, bytes);
  }
}

function fileHeader(state: State, bytes: Uint8Array): Step {
  if (bytes.length < 4) return { kind: 'more', needBytes: 4 };
  if (endian(bytes, false).u32(0) === SECTION) {
    state.format = 'pcapng';
    return pcapngBlock(state, bytes);
  }
  const little = [0xa1b2c3d4, 0xa1b23c4d].includes(endian(bytes, true).u32(0));
  const read = endian(bytes, little);
  const magic = read.u32(0);
  if (magic !== 0xa1b2c3d4 && magic !== 0xa1b23c4d) return { kind: 'fault', code: 'not-a-capture' };
  if (bytes.length < PCAP_HEADER_BYTES) return { kind: 'more', needBytes: PCAP_HEADER_BYTES };
  state.format = 'pcap';
  state.little = little;
  state.nanoseconds = magic === 0xa1b23c4d;
  // The upper bits tell of a frame check sequence, which nobody here reads.
  state.linkType = read.u32(20) & 0x0fffffff;
  return { kind: 'used', bytes: PCAP_HEADER_BYTES };
}

function pcapRecord(state: State, bytes: Uint8Array): Step {
  if (bytes.length < PCAP_RECORD_BYTES) return { kind: 'more', needBytes: PCAP_RECORD_BYTES };
  const read = endian(bytes, state.little);
  const captured = read.u32(8);
  if (captured > limit('captureRecordBytesMax')) return { kind: 'fault', code: 'record-too-large' };
  const end = PCAP_RECORD_BYTES + captured;
  if (bytes.length < end) return { kind: 'more', needBytes: end };
  const fraction = read.u32(4);
  state.frames += 1;
  const frame: Frame = {
    number: state.frames,
    atUs: read.u32(0) * 1_000_000 + (state.nanoseconds ? Math.floor(fraction / 1000) : fraction),
    linkType: state.linkType,
    bytes: bytes.slice(PCAP_RECORD_BYTES, end),
    lengthBytes: Math.max(captured, read.u32(12)),
  };
  return { kind: 'used', bytes: end, frame };
}

const BLOCK = { interface: 1, packet: 2, simple: 3, enhanced: 6 } as const;

function pcapngBlock(state: State, bytes: Uint8Array): Step {
  if (bytes.length < 12) return { kind: 'more', needBytes: 12 };
  if (endian(bytes, false).u32(0) === SECTION) {
    const order = endian(bytes, false).u32(8);
    if (order !== 0x1a2b3c4d && order !== 0x4d3c2b1a) return { kind: 'fault', code: 'bad-block' };
    state.little = order === 0x4d3c2b1a;
    // Interfaces are numbered anew in each section.
    state.interfaces = [];
  }
  const read = endian(bytes, state.little);
  const [type, length] = [read.u32(0), read.u32(4)];
  if (length < 12 || length % 4 !== 0) return { kind: 'fault', code: 'bad-block' };
  const known = Object.values<number>(BLOCK).includes(type);
  // Names, secrets and statistics may be large; they are passed over without being held.
  if (!known) return { kind: 'used', bytes: length };
  if (length > limit('captureRecordBytesMax')) return { kind: 'fault', code: 'record-too-large' };
  if (bytes.length < length) return { kind: 'more', needBytes: length };
  const block = bytes.subarray(0, length);
  if (read.u32(length - 4) !== length) return { kind: 'fault', code: 'bad-block' };
  if (type !== BLOCK.interface) return packetBlock(state, block, type);
  if (length < 20) return { kind: 'fault', code: 'bad-block' };
  if (state.interfaces.length >= limit('captureInterfacesMax'))
    return { kind: 'fault', code: 'too-many-interfaces' };
  state.interfaces.push(interfaceOf(block, state.little));
  return { kind: 'used', bytes: length };
}

function packetBlock(state: State, block: Uint8Array, type: number): Step {
  const read = endian(block, state.little);
  const headBytes = type === BLOCK.simple ? 12 : 28;
  if (block.length < headBytes + 4) return { kind: 'fault', code: 'bad-block' };
  const index = type === BLOCK.simple ? 0 : type === BLOCK.enhanced ? read.u32(8) : read.u16(8);
  const iface = state.interfaces[index];
  if (!iface) return { kind: 'fault', code: 'unknown-interface' };
  const roomBytes = block.length - headBytes - 4;
  const lengthBytes = read.u32(type === BLOCK.simple ? 8 : 24);
  const captured =
    type === BLOCK.simple
      ? Math.min(lengthBytes, roomBytes, iface.snapBytes || roomBytes)
      : read.u32(20);
  if (captured > roomBytes) return { kind: 'fault', code: 'bad-block' };
  const ticks = type === BLOCK.simple ? 0n : (BigInt(read.u32(12)) << 32n) | BigInt(read.u32(16));
  state.frames += 1;
  const frame: Frame = {
    number: state.frames,
    atUs: type === BLOCK.simple ? 0 : iface.toUs(ticks),
    linkType: iface.linkType,
    bytes: block.slice(headBytes, headBytes + captured),
    lengthBytes: Math.max(captured, lengthBytes),
  };
  return { kind: 'used', bytes: block.length, frame };
}

/** Options 9 (`if_tsresol`) and 14 (`if_tsoffset`) say how this interface counts time; microseconds without them. */
function interfaceOf(block: Uint8Array, little: boolean): Interface {
  const read = endian(block, little);
  let resolution = 6;
  let offsetSeconds = 0n;
  for (let at = 16; at + 4 <= block.length - 4; ) {
    const [code, length] = [read.u16(at), read.u16(at + 2)];
    const value = at + 4;
    if (code === 0 || value + length > block.length - 4) break;
    if (code === 9 && length === 1) resolution = block[value] ?? 6;
    if (code === 14 && length === 8) {
      const [high, low] = little ? [value + 4, value] : [value, value + 4];
      offsetSeconds = BigInt.asIntN(64, (BigInt(read.u32(high)) << 32n) | BigInt(read.u32(low)));
    }
    at = value + length + ((4 - (length % 4)) % 4);
  }
  const power = BigInt(resolution & 0x7f);
  const perSecond = resolution & 0x80 ? 2n ** power : 10n ** power;
  return {
    linkType: read.u16(8),
    snapBytes: read.u32(12),
    toUs(ticks) {
      const us = Number((ticks * 1_000_000n) / perSecond + offsetSeconds * 1_000_000n);
      return Number.isSafeInteger(us) ? us : 0;
    },
  };
}
