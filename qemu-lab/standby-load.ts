/**
 * The load of scenario `standby`, as a program in the clients' namespace: `standby-load.ts PLAN`, where PLAN is JSON (`LoadPlan`).
 * Prints each outcome as a line of JSON (standby-outcomes.ts) from `ready` on; ends on SIGTERM.
 */
import { spawn } from 'node:child_process';
import dgram from 'node:dgram';
import { bootFileOf, createDhcpClient, type DhcpClient } from '../bench/support/firmware-dhcp.ts';
import { BOOTREPLY, decodePacket } from '../src/dhcp/packet.ts';
import type { Member } from '../src/standby/witness.ts';
import { formatIpv4, type Ipv4, parseIpv4 } from '../src/wire/ipv4.ts';
import { type Ask, askHttp, askName, askTftp } from './load-asks.ts';
import { ANSWER_MS, createDhcpLoad } from './load-dhcp.ts';
import type { AskedKind, Outcome } from './standby-outcomes.ts';

export interface LoadPlan {
  readonly servers: Readonly<Record<Member, string>>;
  readonly clients: number;
  readonly iface: string;
  /** An address of the clients' own, in the network that is relayed. */
  readonly relay: string;
  readonly domain: string;
}

const PORT = { client: 68, server: 67, machines: 8080 } as const;
const TICK_MS = 20;
const ASK_MS: Readonly<Partial<Record<AskedKind, number>>> = {
  ...{ dns: 50, script: 250, file: 500, tftp: 500 },
};
/** A file is many packets. */
const WAIT_MS: Readonly<Partial<Record<AskedKind, number>>> = { file: 5000, tftp: 5000 };
const BOOT_MS = 2000;

const plan = JSON.parse(process.argv[2] ?? '{}') as LoadPlan;
const servers = Object.entries(plan.servers) as [Member, string][];
const tell = (outcome: Outcome): void => void process.stdout.write(`${JSON.stringify(outcome)}\n`);
const memberOf = (id: Ipv4 | undefined): Member | undefined =>
  servers.find(([, address]) => parseIpv4(address) === id)?.[0];

const open = (port: number, address?: string): Promise<dgram.Socket> =>
  new Promise((resolve) => {
    const socket = dgram.createSocket({ type: 'udp4', reuseAddr: true });
    // What cannot be sent for want of a way is an answer that does not come.
    socket.on('error', () => undefined);
    socket.bind(port, address, () => resolve(socket));
  });
const direct = await open(PORT.client);
const relay = await open(PORT.server, plan.relay);
direct.setBroadcast(true);
/** Addresses come and go by the hundred: one program for all. */
const interfaces = spawn('ip', ['-force', '-batch', '-'], { stdio: ['pipe', 'ignore', 'ignore'] });

const load = createDhcpLoad(
  {
    ...{ memberOf, tell, now: Date.now, relay: parseIpv4(plan.relay) as Ipv4 },
    direct: (bytes, to) =>
      direct.send(bytes, PORT.server, to === undefined ? '255.255.255.255' : formatIpv4(to)),
    relayed(bytes) {
      for (const [, address] of servers) relay.send(bytes, PORT.server, address);
    },
    hold(address, held) {
      const verb = held ? 'replace' : 'del';
      interfaces.stdin.write(`address ${verb} ${formatIpv4(address)}/32 dev ${plan.iface}\n`);
    },
  },
  plan.clients,
);

let boots = 0;
/** Where the last one that booted got its script. */
let scriptPath: string | undefined;
const booting = new Map<string, DhcpClient>();

/** iPXE in the ROM of a machine that nobody knows: DHCP by its own timers, and the script that it is told. */
function boot(): void {
  const at = Date.now();
  const mac = Uint8Array.of(2, 0x5b, 1, 0, boots >> 8, boots & 255);
  const key = Buffer.from(mac).toString('hex');
  boots += 1;
  const end = (server?: Member, ms?: number): void => {
    booting.delete(key);
    tell({ kind: 'boot', at, server, ms });
  };
  const client = createDhcpClient({
    ...{ mac, sentAgain: () => undefined, onGiveUp: () => end() },
    send: (bytes) => direct.send(bytes, PORT.server, '255.255.255.255'),
    onAck(_loader, packet) {
      const file = bootFileOf(packet);
      if (!URL.canParse(file)) return end();
      const { hostname, pathname, port } = new URL(file);
      askHttp(Number(port), () => pathname)(hostname, ANSWER_MS).then((good) => {
        const server = servers.find(([, address]) => address === hostname)?.[0];
        if (good) scriptPath = pathname;
        end(server, good ? Date.now() - at : undefined);
      });
    },
  });
  booting.set(key, client);
  client.ask('ipxe-bios');
}

for (const socket of [direct, relay])
  socket.on('message', (bytes) => {
    const packet = decodePacket(bytes);
    if (!packet.ok || packet.value.op !== BOOTREPLY) return;
    load.hear(packet.value);
    booting.get(Buffer.from(packet.value.chaddr).toString('hex', 0, 6))?.onPacket(packet.value);
  });

const asks: Readonly<Partial<Record<AskedKind, Ask>>> = {
  dns: askName(plan.domain),
  tftp: askTftp('undionly.kpxe'),
  file: askHttp(PORT.machines, () => '/boot/ipxe/snponly.efi'),
  script: askHttp(PORT.machines, () => scriptPath),
};
for (const [name, ask] of Object.entries(asks)) {
  const kind = name as AskedKind;
  const askAll = (): void => {
    if (kind === 'script' && scriptPath === undefined) return;
    for (const [server, address] of servers) {
      const at = Date.now();
      ask(address, WAIT_MS[kind] ?? ANSWER_MS).then((good) =>
        tell({ kind, at, server, ms: good ? Date.now() - at : undefined }),
      );
    }
  };
  setInterval(askAll, ASK_MS[kind]);
}
setInterval(load.tick, TICK_MS);
setInterval(boot, BOOT_MS);
process.on('SIGTERM', () => {
  interfaces.kill();
  process.exit(0);
});
process.stdout.write('ready\n');
