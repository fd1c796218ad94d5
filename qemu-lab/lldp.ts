/**
 * Plays the switch: sends an LLDP frame (IEEE 802.1AB) to each tap every two seconds, so that a machine hears which port
 * it hangs on. Runs inside the switch's namespace: `node lldp.ts SWITCH-NAME TAP...`.
 */
import '../src/platform/require-node.ts';
import { readFileSync } from 'node:fs';
import { loadLibc, SOCK_RAW } from '../src/platform/libc.ts';

const AF_PACKET = 17;
const ETHERTYPE = 0x88cc;
const EVERY_MS = 2000;
/** Nearest bridge: no bridge forwards it. */
const NEAREST_BRIDGE = [0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e];

/** One type-length-value: seven bits of type, nine of length. */
function tlv(type: number, value: Uint8Array): Buffer {
  const head = Buffer.alloc(2);
  head.writeUInt16BE((type << 9) | value.length);
  return Buffer.concat([head, value]);
}

export function lldpFrame(switchName: string, port: string): Buffer {
  const locally = 7;
  const interfaceName = 5;
  return Buffer.concat([
    Buffer.from([
      ...NEAREST_BRIDGE,
      0x02,
      0x00,
      0x00,
      0x00,
      0x77,
      0x01,
      ETHERTYPE >> 8,
      ETHERTYPE & 255,
    ]),
    tlv(1, Buffer.from([locally, ...Buffer.from(switchName)])),
    tlv(2, Buffer.from([interfaceName, ...Buffer.from(port)])),
    tlv(3, Buffer.from([0, 120])),
    tlv(4, Buffer.from(`rack port ${port}`)),
    tlv(5, Buffer.from(switchName)),
    tlv(0, Buffer.alloc(0)),
  ]);
}

function run(switchName: string, ports: readonly string[]): void {
  const libc = loadLibc();
  if (!libc) throw new Error('koffi is not available');
  const fd = libc.socket(AF_PACKET, SOCK_RAW, 0);
  if (fd < 0) throw new Error(`packet socket: error ${libc.errno()}`);
  const targets = ports.map((port) => {
    const address = Buffer.alloc(20);
    address.writeUInt16LE(AF_PACKET, 0);
    address.writeUInt16BE(ETHERTYPE, 2);
    address.writeInt32LE(Number(readFileSync(`/sys/class/net/${port}/ifindex`, 'utf8')), 4);
    return { address, frame: lldpFrame(switchName, port) };
  });
  setInterval(() => {
    for (const { address, frame } of targets) {
      libc.sendto(fd, frame, frame.length, 0, address, address.length);
    }
  }, EVERY_MS);
}

const [switchName, ...ports] = process.argv.slice(2);
if (import.meta.main && switchName) run(switchName, ports);
