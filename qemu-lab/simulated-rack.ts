/**
 * Machines without virtual machines, as a program: `simulated-rack.ts PLAN`, where PLAN is JSON (`SimulatedPlan`). It runs in the
 * network namespace of a site's machines, and reads words from standard input: `on SERIAL`.
 *
 * Each machine is an iPXE in the ROM (DHCP by the appliance's segment, then its script by HTTP), the agent of pxeimage
 * (simulated-agent.ts), a system that calls home, and a BMC that speaks RMCP+ and has the power in its hand. Its firmware asks
 * the network first, so what it boots is the appliance's decision each time. All share one socket on port 68; the source of an
 * HTTP request is the namespace's own address, which is nobody's identity.
 */
import dgram from 'node:dgram';
import { createInterface } from 'node:readline';
import { bootFileOf, createDhcpClient } from '../bench/support/firmware-dhcp.ts';
import { BOOTREPLY, type DhcpPacket, decodePacket } from '../src/dhcp/packet.ts';
import { startFakeBmc } from './fake-bmc.ts';
import { notePower, takeBootDevice } from './fake-bmc-boot.ts';
import {
  callHome,
  runAgent,
  type SimulatedDisk,
  type SimulatedHardware,
} from './simulated-agent.ts';

export interface SimulatedPlan {
  readonly machines: readonly SimulatedHardware[];
  /** Of every BMC's `admin`. */
  readonly password: string;
}

const DHCP = { client: 68, server: 67 } as const;
const RMCP_PORT = 623;
const FIRMWARE_MS = 500;

interface Powered {
  readonly on: AbortController;
}

interface Wire {
  send(bytes: Uint8Array): void;
  /** What comes for this MAC from now on. */
  listen(mac: string, hear: (packet: DhcpPacket) => void): void;
}

async function openWire(): Promise<Wire> {
  const socket = dgram.createSocket('udp4');
  const listeners = new Map<string, (packet: DhcpPacket) => void>();
  socket.on('message', (bytes) => {
    const packet = decodePacket(bytes);
    if (!packet.ok || packet.value.op !== BOOTREPLY) return;
    listeners.get(Buffer.from(packet.value.chaddr).toString('hex', 0, 6))?.(packet.value);
  });
  await new Promise<void>((resolve) => socket.bind(DHCP.client, resolve));
  socket.setBroadcast(true);
  return {
    send: (bytes) => socket.send(bytes, DHCP.server, '255.255.255.255'),
    listen: (mac, hear) => void listeners.set(mac.replaceAll(':', ''), hear),
  };
}

/** @returns switches it on */
async function createMachine(
  wire: Wire,
  hardware: SimulatedHardware,
  password: string,
): Promise<() => void> {
  const { mac, serial } = hardware;
  const disk: SimulatedDisk = { image: '', phoneHome: '' };
  const say = (what: string) => void process.stdout.write(`${serial} ${what}\n`);
  let powered: Powered | undefined;
  const start = (cause: 'on' | 'reset'): void => {
    const mine = { on: new AbortController() };
    powered = mine;
    notePower(bmc.state, { kind: cause, cause: 'command' });
    // Whatever it is told, it asks the network first; flags for one boot are used up all the same.
    takeBootDevice(bmc.state, 'command', performance.now());
    live(mine.on.signal).catch((error: Error) => {
      if (!mine.on.signal.aborted) say(`stopped: ${error.message}`);
    });
  };
  const stop = (): void => {
    powered?.on.abort();
    powered = undefined;
    notePower(bmc.state, { kind: 'off' });
  };
  const live = async (power: AbortSignal): Promise<void> => {
    for (;;) {
      const script = await netboot({ wire, mac, power });
      const word = (name: string) => new RegExp(`reveille\\.${name}=(\\S+)`).exec(script)?.[1];
      const [url, token, mode] = [word('url'), word('token'), word('mode')];
      if (url === undefined || token === undefined || mode === undefined) break;
      say(`boots pxeimage to ${mode}`);
      if ((await runAgent({ hardware, disk, url, token, mode, power, say })) === 'off')
        return stop();
    }
    say(disk.image === '' ? 'has nothing to boot' : `boots its disk: ${disk.image.slice(0, 12)}`);
    const { phoneHome } = disk;
    if (phoneHome === '') return;
    disk.phoneHome = '';
    await callHome({ power, say }, phoneHome);
  };
  const bmc = await startFakeBmc({
    ...{ address: hardware.bmcAddress, port: RMCP_PORT, mac: hardware.bmcMac },
    ...{ users: [{ name: 'admin', password, privilege: 4 }], suites: [3, 17], fru: { serial } },
    machine: {
      powerOn: () => powered !== undefined,
      control(action) {
        if (action === 'nmi') return;
        if (action === 'off' || action === 'soft') return powered && stop();
        if (action === 'on' && powered) return;
        if (action === 'reset' && !powered) return;
        if (powered) stop();
        start(action === 'reset' ? 'reset' : 'on');
      },
    },
  });
  return () => {
    if (!powered) start('on');
  };
}

/** From the first DISCOVER to the script; over again when the appliance does not answer, as firmware does. */
async function netboot(of: {
  readonly wire: Wire;
  readonly mac: string;
  readonly power: AbortSignal;
}): Promise<string> {
  const { wire, mac, power } = of;
  for (;;) {
    power.throwIfAborted();
    await new Promise((next) => setTimeout(next, FIRMWARE_MS));
    const url = await new Promise<string>((resolve) => {
      const client = createDhcpClient({
        mac: Buffer.from(mac.replaceAll(':', ''), 'hex'),
        send: wire.send,
        sentAgain: () => undefined,
        onAck: (_loader, packet) => resolve(bootFileOf(packet)),
        onGiveUp: () => resolve(''),
      });
      wire.listen(mac, client.onPacket);
      client.ask('ipxe-bios');
    });
    if (!URL.canParse(url)) continue;
    const answer = await fetch(url, { signal: power }).catch(() => undefined);
    if (answer?.ok) return answer.text();
  }
}

const { machines, password } = JSON.parse(process.argv[2] ?? '{}') as SimulatedPlan;
const wire = await openWire();
const switches = new Map<string, () => void>();
for (const hardware of machines)
  switches.set(hardware.serial, await createMachine(wire, hardware, password));
createInterface({ input: process.stdin }).on('line', (line) => {
  const [, serial = ''] = /^on (\S+)$/.exec(line) ?? [];
  switches.get(serial)?.();
});
process.on('SIGTERM', () => process.exit(0));
process.stdout.write(`ready ${machines.length}\n`);
