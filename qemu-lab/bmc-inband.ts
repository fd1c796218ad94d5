/**
 * The machine's own way to its BMC: QEMU's device `ipmi-bmc-extern` gives the guest a KCS interface and carries its requests
 * over a socket to here. The guest asks the same BMC, with the same memory, as the network does.
 *
 * The line (OpenIPMI's "VM" codec, lanserv/README.vm): a message is sequence, network function with LUN, command, data and
 * a checksum that makes the sum zero, and ends in 0xa0; a command of the device itself ends in 0xa1; those two bytes and
 * 0xaa are sent as 0xaa and the byte with bit 4 set. Pure but for `serveInBand`.
 */
import { createServer, type Socket } from 'node:net';
import { runCommand } from './fake-bmc-commands.ts';
import { type Reply, refuse } from './fake-bmc-reply.ts';
import type { BmcState } from './fake-bmc-state.ts';

const MESSAGE_END = 0xa0;
const COMMAND_END = 0xa1;
const ESCAPE = 0xaa;
const ESCAPE_BIT = 0x10;
/** Version 1 of the protocol, announced when the device dials in. */
const VERSION = [0xff, 0x01];
/** QEMU's own limit is 300; more is no message. */
const FRAME_BYTES_MAX = 512;
/** A guest on the machine itself is trusted with everything. */
const ADMINISTRATOR = 4;

export interface Frame {
  readonly kind: 'message' | 'command';
  readonly bytes: Uint8Array;
}

export interface InBandRequest {
  readonly sequence: number;
  readonly netFn: number;
  readonly lun: number;
  readonly command: number;
  readonly data: Uint8Array;
}

/** Cuts a stream into frames; keeps what is not whole yet. */
export function createFrames(): (bytes: Uint8Array) => Frame[] {
  let frame: number[] = [];
  let escaped = false;
  return (bytes) => {
    const frames: Frame[] = [];
    for (const byte of bytes) {
      if (byte === MESSAGE_END || byte === COMMAND_END) {
        const kind = byte === MESSAGE_END ? 'message' : 'command';
        if (!escaped) frames.push({ kind, bytes: Uint8Array.from(frame) });
        frame = [];
        escaped = false;
      } else if (byte === ESCAPE) escaped = true;
      else if (frame.length < FRAME_BYTES_MAX) {
        frame.push(escaped ? byte & ~ESCAPE_BIT : byte);
        escaped = false;
      }
    }
    return frames;
  };
}

export function encodeFrame({ kind, bytes }: Frame): Uint8Array {
  const special = [MESSAGE_END, COMMAND_END, ESCAPE];
  const body = [...bytes].flatMap((byte) =>
    special.includes(byte) ? [ESCAPE, byte | ESCAPE_BIT] : [byte],
  );
  return Uint8Array.from([...body, kind === 'message' ? MESSAGE_END : COMMAND_END]);
}

const sum = (bytes: Uint8Array) => bytes.reduce((total, byte) => (total + byte) & 0xff, 0);

/** `undefined` for what is too short or damaged. */
export function readRequest(bytes: Uint8Array): InBandRequest | undefined {
  const [sequence, function_, command] = bytes;
  if (bytes.length < 4 || sum(bytes) !== 0) return undefined;
  if (sequence === undefined || function_ === undefined || command === undefined) return undefined;
  const data = bytes.subarray(3, bytes.length - 1);
  return { sequence, netFn: function_ >> 2, lun: function_ & 3, command, data };
}

export function writeResponse(request: InBandRequest, reply: Reply): Uint8Array {
  const { sequence, netFn, lun, command } = request;
  const head = [sequence, ((netFn + 1) << 2) | lun, command, reply.completion];
  const bytes = Uint8Array.from([...head, ...reply.data, 0]);
  bytes[bytes.length - 1] = -sum(bytes) & 0xff;
  return bytes;
}

/** Commands of the system interface that a BMC on a network does not have: sections 22.1 to 22.6. */
function systemInterface({ netFn, command, data }: InBandRequest): Reply | undefined {
  if (netFn !== 0x06) return undefined;
  switch (command) {
    // Set and Get BMC Global Enables, Clear and Get Message Flags: nothing ever waits to be read.
    case 0x2e:
    case 0x30:
      return { completion: 0, data: new Uint8Array() };
    case 0x2f:
    case 0x31:
      return { completion: 0, data: Uint8Array.of(0) };
    // Get Message: the queue is empty.
    case 0x33:
      return refuse(0x80);
    // Get Channel Info of "this channel": the system interface, KCS.
    case 0x42:
      return (data[0] ?? 0) === 0x0e
        ? { completion: 0, data: Uint8Array.of(0x0f, 0x0c, 0x05, 0, 0xf2, 0x1b, 0, 0xff, 0xff) }
        : undefined;
    default:
      return undefined;
  }
}

/** Serves the guest for as long as the BMC lives; a dead or hanging one swallows the request, and QEMU tells the guest. */
export function serveInBand(path: string, state: BmcState): { close(): void } {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    const frames = createFrames();
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.write(encodeFrame({ kind: 'command', bytes: Uint8Array.from(VERSION) }));
    socket.on('data', (bytes) => {
      for (const frame of frames(bytes)) {
        const request = frame.kind === 'message' ? readRequest(frame.bytes) : undefined;
        if (!request || state.knobs.hang || state.knobs.dead) continue;
        state.nowMs = performance.now();
        const reply =
          systemInterface(request) ?? runCommand(request, { state, privilege: ADMINISTRATOR });
        socket.write(encodeFrame({ kind: 'message', bytes: writeResponse(request, reply) }));
      }
    });
  });
  server.listen(path);
  return {
    close() {
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
}
