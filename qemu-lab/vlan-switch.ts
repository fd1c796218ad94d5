/**
 * A top-of-rack switch with VLANs (IEEE 802.1Q), in this process: the kernel of the lab's computer need not know of tags. QEMU's NICs
 * are plugged into it by Unix streams (`-netdev stream`), each frame with its length before it; a port may be a program's as well.
 *
 * Access ports have one VLAN and see no tags, a trunk has a tag for each VLAN but the native one. A tag with VLAN 0 says a priority
 * and no VLAN (6.9.3): it is as none. What a port is no member of neither enters nor leaves there. Addresses are learnt for each VLAN apart
 * (8.8), so that one NIC may be in two of them; what is not learnt goes to every port of its VLAN.
 */
import { rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import type { Scope } from '../bench/support/scope.ts';

export interface PortPlan {
  /** The VLAN of what comes without a tag, and which leaves without one. */
  readonly untagged?: number | undefined;
  /** VLANs that come and leave with their tag. */
  readonly tagged?: readonly number[] | undefined;
}

/** A frame on its way through the switch: without a tag, and of one VLAN. */
export interface Inside {
  readonly vlan: number;
  readonly frame: Buffer;
}

export interface SwitchPort {
  readonly name: string;
  /** A frame comes in here. */
  receive(frame: Buffer): void;
  /** Its cable is another VLAN's from now on. */
  configure(plan: PortPlan): void;
}

export interface VlanSwitch {
  port(name: string, plan: PortPlan, deliver: (frame: Buffer) => void): SwitchPort;
}

export const TAG = 0x8100;
const ADDRESS_BYTES = 6;
const TYPE_AT = 2 * ADDRESS_BYTES;
const TAG_BYTES = 4;
const HEADER_BYTES = TYPE_AT + 2;
const VLAN_MASK = 0x0fff;
/** The bit of a group address, broadcast among them. */
const GROUP = 1;

/** @returns nothing for what this port is no member of */
export function entering({ untagged, tagged = [] }: PortPlan, frame: Buffer): Inside | undefined {
  if (frame.length < HEADER_BYTES) return undefined;
  const isTagged = frame.readUInt16BE(TYPE_AT) === TAG;
  if (isTagged && frame.length < HEADER_BYTES + TAG_BYTES) return undefined;
  const vlan = isTagged ? frame.readUInt16BE(TYPE_AT + 2) & VLAN_MASK : 0;
  const bare = isTagged
    ? Buffer.concat([frame.subarray(0, TYPE_AT), frame.subarray(TYPE_AT + TAG_BYTES)])
    : frame;
  if (vlan === 0) return untagged === undefined ? undefined : { vlan: untagged, frame: bare };
  return tagged.includes(vlan) ? { vlan, frame: bare } : undefined;
}

export function leaving(
  { untagged, tagged = [] }: PortPlan,
  { vlan, frame }: Inside,
): Buffer | undefined {
  if (vlan === untagged) return frame;
  if (!tagged.includes(vlan)) return undefined;
  const tag = Buffer.alloc(TAG_BYTES);
  tag.writeUInt16BE(TAG, 0);
  tag.writeUInt16BE(vlan, 2);
  return Buffer.concat([frame.subarray(0, TYPE_AT), tag, frame.subarray(TYPE_AT)]);
}

interface Plugged {
  readonly deliver: (frame: Buffer) => void;
  plan: PortPlan;
}

export function createVlanSwitch(): VlanSwitch {
  const ports = new Set<Plugged>();
  const learnt = new Map<string, Plugged>();
  const place = (vlan: number, frame: Buffer, at: number) =>
    `${vlan} ${frame.toString('hex', at, at + ADDRESS_BYTES)}`;
  const forward = (from: Plugged, inside: Inside): void => {
    const { vlan, frame } = inside;
    learnt.set(place(vlan, frame, ADDRESS_BYTES), from);
    const isGroup = ((frame[0] ?? 0) & GROUP) !== 0;
    const known = isGroup ? undefined : learnt.get(place(vlan, frame, 0));
    for (const port of known ? [known] : ports) {
      const out = port === from ? undefined : leaving(port.plan, inside);
      if (out) port.deliver(out);
    }
  };
  return {
    port(name, plan, deliver) {
      const port: Plugged = { deliver, plan };
      ports.add(port);
      return {
        name,
        receive(frame) {
          const inside = entering(port.plan, frame);
          if (inside) forward(port, inside);
        },
        configure(next) {
          port.plan = next;
          for (const [key, where] of learnt) if (where === port) learnt.delete(key);
        },
      };
    },
  };
}

const LENGTH_BYTES = 4;

/** Whole frames out of a stream that cuts them anywhere. */
export function createUnframer(onFrame: (frame: Buffer) => void): (bytes: Buffer) => void {
  let waiting: Buffer = Buffer.alloc(0);
  return (bytes) => {
    waiting = waiting.length === 0 ? bytes : Buffer.concat([waiting, bytes]);
    while (waiting.length >= LENGTH_BYTES) {
      const end = LENGTH_BYTES + waiting.readUInt32BE(0);
      if (waiting.length < end) return;
      const frame = Buffer.from(waiting.subarray(LENGTH_BYTES, end));
      waiting = waiting.subarray(end);
      onFrame(frame);
    }
  };
}

/** The words for QEMU that plug a NIC in at that path. */
export const cableOf = (path: string): string =>
  `stream,server=off,addr.type=unix,addr.path=${path}`;

export interface Cable {
  /** To the NIC; lost while nothing is plugged in. */
  deliver(frame: Buffer): void;
}

/** Waits for a NIC at a path; one that is switched off and on again is plugged in anew. */
export async function openCable(
  scope: Scope,
  path: string,
  onFrame: (frame: Buffer) => void,
): Promise<Cable> {
  let nic: Socket | undefined;
  const server = createServer((socket) => {
    nic?.destroy();
    nic = socket;
    socket.on('data', createUnframer(onFrame));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      if (nic === socket) nic = undefined;
    });
  });
  rmSync(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  scope.defer(() => {
    nic?.destroy();
    server.close();
  });
  return {
    deliver(frame) {
      const length = Buffer.alloc(LENGTH_BYTES);
      length.writeUInt32BE(frame.length, 0);
      nic?.write(Buffer.concat([length, frame]));
    },
  };
}
