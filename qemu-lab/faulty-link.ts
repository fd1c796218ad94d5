/**
 * A bad cable: carries the frames of one machine between its QEMU and its tap on the bridge, and loses those that the fault says.
 * A program of its own, because a read of a tap holds a thread.
 *
 * usage: node faulty-link.ts TAP QEMU-PORT OWN-PORT FAULT-AS-JSON
 */
import dgram from 'node:dgram';
import { openSync, read, writeSync } from 'node:fs';
import { createRequire } from 'node:module';

export interface LinkFault {
  /** Of the frames in both directions. */
  readonly lossPercent?: number | undefined;
  /** Longer IP packets vanish, and nobody says so. */
  readonly mtuBytes?: number | undefined;
  /** The cable is cut when the machine has been sent so much. */
  readonly cutAfterBytes?: number | undefined;
  /** What a filter drops: all TCP, TCP once pxeimage asks for an address, TFTP from any port but 69, our DHCP answers. */
  readonly filters?:
    | readonly ('tcp' | 'tcp-of-linux' | 'tftp-answers' | 'dhcp-answers')[]
    | undefined;
}

const OURS = Buffer.from([10, 77, 0, 1]);
const TCP = 6;
const UDP = 17;
const SOURCE_AT = 6;
const FRAME_BYTES_MAX = 65_536;
const BUFFER_BYTES = 4_194_304;

/** Says of each frame whether it gets through. Pure but for what it has counted. */
export function createFilter(fault: LinkFault, chance: () => number) {
  let sent = 0;
  let linux = false;
  let own: Buffer | undefined;
  return (frame: Buffer, toMachine: boolean): boolean => {
    // A bridge floods what it knows no port for: only what is for this machine is counted, once it has spoken.
    if (!toMachine) own ??= Buffer.from(frame.subarray(SOURCE_AT, SOURCE_AT + 6));
    else if (own?.equals(frame.subarray(0, 6))) sent += frame.length;
    if (fault.cutAfterBytes !== undefined && sent > fault.cutAfterBytes) return false;
    if (fault.lossPercent !== undefined && chance() * 100 < fault.lossPercent) return false;
    if (frame.length < 34 || frame.readUInt16BE(12) !== 0x0800) return true;
    if (fault.mtuBytes !== undefined && frame.readUInt16BE(16) > fault.mtuBytes) return false;
    const protocol = frame[23] ?? 0;
    const ports = 14 + ((frame[14] ?? 0) & 15) * 4;
    const filtered = fault.filters ?? [];
    if (protocol === TCP) {
      return !filtered.includes('tcp') && !(linux && filtered.includes('tcp-of-linux'));
    }
    if (protocol === UDP && !toMachine) linux ||= frame.includes('udhcp');
    if (protocol !== UDP || !toMachine || frame.length < ports + 4) return true;
    const [from, to] = [frame.readUInt16BE(ports), frame.readUInt16BE(ports + 2)];
    if (from === 67 && to === 68) {
      return !filtered.includes('dhcp-answers') || !frame.subarray(26, 30).equals(OURS);
    }
    return !filtered.includes('tftp-answers') || from < 1024;
  };
}

/** include/uapi/linux/if_tun.h */
const TUNSETIFF = 0x400454ca;
const TAP_WITHOUT_HEADER = 0x1002;

function openTap(name: string): number {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const ioctl = koffi
    .load('libc.so.6')
    .func('int ioctl(int fd, unsigned long request, void *value)') as (
    fd: number,
    request: number,
    value: Buffer,
  ) => number;
  const fd = openSync('/dev/net/tun', 'r+');
  const request = Buffer.alloc(40);
  request.write(name, 'latin1');
  request.writeUInt16LE(TAP_WITHOUT_HEADER, 16);
  if (ioctl(fd, TUNSETIFF, request) !== 0) throw new Error(`tap ${name} cannot be opened`);
  return fd;
}

function carry(tap: string, qemuPort: number, ownPort: number, fault: LinkFault): void {
  const passes = createFilter(fault, Math.random);
  const fd = openTap(tap);
  const socket = dgram.createSocket('udp4');
  socket.on('message', (frame) => {
    if (passes(frame, false)) writeSync(fd, frame);
  });
  socket.bind(ownPort, '127.0.0.1', () => socket.setRecvBufferSize(BUFFER_BYTES));
  const buffer = Buffer.alloc(FRAME_BYTES_MAX);
  const next = (): void =>
    read(fd, buffer, 0, buffer.length, null, (error, length) => {
      if (error) throw error;
      const frame = Buffer.from(buffer.subarray(0, length));
      if (passes(frame, true)) socket.send(frame, qemuPort, '127.0.0.1');
      next();
    });
  next();
}

if (import.meta.main) {
  const [tap = '', qemuPort, ownPort, fault = '{}'] = process.argv.slice(2);
  carry(tap, Number(qemuPort), Number(ownPort), JSON.parse(fault));
}
