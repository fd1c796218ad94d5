/**
 * Simulated machines as a program: `firmware.ts PLAN`, where PLAN is JSON (`Plan`); it prints one JSON object (`Outcome`).
 *
 * Runs in a namespace whose `local` routes cover the pool, so that every machine speaks from its own leased address by
 * real UDP and TCP sockets, and in its own process, so that its time is not the server's. Half of the machines are
 * UEFI, half BIOS. It measures its own delay, so that a reader can see whether it was the bound.
 */
import dgram from 'node:dgram';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { BOOTREPLY, decodePacket } from '../../src/dhcp/packet.ts';
import { type Ipv4, parseIpv4 } from '../../src/wire/ipv4.ts';
import { createMachine, type Machine, type Rack } from './firmware-machine.ts';
import { openChannels } from './firmware-udp.ts';
import { percentile, round } from './stats.ts';

export interface Plan {
  readonly machines: number;
  /** Powered on evenly over this time. */
  readonly overMs: number;
  /** After this, whoever has not finished is lost. */
  readonly deadlineMs: number;
  readonly server: string;
  readonly headBytes: number;
}

export interface Outcome {
  readonly machines: number;
  /** Have fetched everything, whether at once or after starting over. */
  readonly finished: number;
  /** Have finished without ever starting over. */
  readonly firstTry: number;
  /** Never finished. */
  readonly lost: number;
  /** From power-on to the last byte, of those that finished, seconds. */
  readonly seconds: { readonly p50: number; readonly p99: number; readonly last: number } | null;
  /** From the first machine's power-on to the last machine's end, seconds. */
  readonly wallSeconds: number;
  /** What was sent or fetched again, what failed and how often, addresses that two machines had. */
  readonly counts: Readonly<Record<string, number>>;
  readonly cpuSeconds: number;
  /** How late the simulator's own timers were at worst, but for 1 % of the time. */
  readonly ownDelayMs: number;
}

const TFTP_CLIENT_PORTS = [2070, 2071, 2072, 2073];
const DHCP_CLIENT_PORT = 68;
const DHCP_SERVER_PORT = 67;
const TICK_MS = 5;

async function simulate(plan: Plan): Promise<Outcome> {
  const counts: Record<string, number> = {};
  const count = (what: string) => {
    counts[what] = (counts[what] ?? 0) + 1;
  };
  const byAddress = new Map<number, Machine>();
  const byMac = new Map<number, Machine>();
  const seconds: number[] = [];
  let [firstTry, allFinished] = [0, () => {}];
  const everybody = new Promise<void>((resolve) => {
    allFinished = resolve;
  });

  const server = parseIpv4(plan.server) ?? (0 as Ipv4);
  const dhcp = await openDhcp((bytes) => {
    const packet = decodePacket(bytes);
    if (!packet.ok || packet.value.op !== BOOTREPLY) return;
    byMac.get(Buffer.from(packet.value.chaddr).readUIntBE(0, 6))?.onDhcp(packet.value);
  });
  const channels = openChannels(TFTP_CLIENT_PORTS, (arrived) => {
    byAddress.get(arrived.address)?.onTftp(arrived);
  });
  const rack: Rack = {
    ...{ server, headBytes: plan.headBytes, channels: TFTP_CLIENT_PORTS.length, count },
    sendDhcp: (bytes) => dhcp.send(bytes, DHCP_SERVER_PORT, '255.255.255.255'),
    sendTftp: (datagram) => channels.send({ ...datagram, to: server }),
    own(address, machine) {
      const owner = byAddress.get(address);
      if (owner && owner !== machine) count('address of another machine');
      byAddress.set(address, machine);
    },
    finished(machine) {
      seconds.push((performance.now() - machine.poweredOnAt) / 1000);
      if (machine.attempts === 1) firstTry += 1;
      if (seconds.length === plan.machines) allFinished();
    },
  };
  const machines = Array.from({ length: plan.machines }, (_, index) => {
    const mac = Buffer.from([0x52, 0x54, 0x01, index >>> 16, (index >>> 8) & 255, index & 255]);
    const machine = createMachine(rack, { mac, uefi: index % 2 === 1 });
    byMac.set(mac.readUIntBE(0, 6), machine);
    return machine;
  });

  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const startedAt = performance.now();
  powerOnAll(machines, plan.overMs);
  const progress = setInterval(
    () => process.stderr.write(`${seconds.length} of ${plan.machines} have finished\n`),
    5000,
  );
  const deadline = new Promise((resolve) => setTimeout(resolve, plan.deadlineMs));
  await Promise.race([everybody, deadline]);
  clearInterval(progress);
  return {
    ...{ machines: plan.machines, finished: seconds.length, firstTry, counts },
    lost: plan.machines - seconds.length,
    seconds: spreadOf(seconds),
    wallSeconds: round((performance.now() - startedAt) / 1000, 3),
    cpuSeconds: round(cpuSecondsSoFar()),
    ownDelayMs: round(delay.percentile(99) / 1e6, 1),
  };
}

function spreadOf(seconds: readonly number[]): Outcome['seconds'] {
  if (seconds.length === 0) return null;
  const at = (share: number) => round(percentile(seconds, share), 3);
  return { p50: at(0.5), p99: at(0.99), last: at(1) };
}

function cpuSecondsSoFar(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

async function openDhcp(onMessage: (bytes: Uint8Array) => void): Promise<dgram.Socket> {
  const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 });
  socket.on('message', onMessage);
  await new Promise<void>((resolve) => socket.bind(DHCP_CLIENT_PORT, resolve));
  socket.setBroadcast(true);
  return socket;
}

function powerOnAll(machines: readonly Machine[], overMs: number): void {
  const startedAt = performance.now();
  let next = 0;
  const tick = setInterval(() => {
    const due = Math.ceil((machines.length * (performance.now() - startedAt)) / overMs);
    for (; next < Math.min(due, machines.length); next++) machines[next]?.powerOn();
    if (next >= machines.length) clearInterval(tick);
  }, TICK_MS);
}

if (import.meta.main) {
  const outcome = await simulate(JSON.parse(process.argv[2] ?? '{}') as Plan);
  process.stdout.write(`${JSON.stringify(outcome)}\n`, () => process.exit(0));
}
