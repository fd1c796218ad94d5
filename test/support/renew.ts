/**
 * A DHCP client in RENEWING, many times over: run in a client's namespace with the server's address as its argument and
 * `[["02:00:00:00:00:01", "10.99.16.1"], ...]` on standard input. Each REQUEST carries `ciaddr` and neither option 50 nor 54
 * (RFC 2131, table 4). Prints, for each MAC, the type and address of the reply, or null when none came in four tries.
 */
import dgram from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';
import { MESSAGE, OPTION } from '../../src/dhcp/options.ts';
import { BOOTREPLY, decodePacket, encodePacket } from '../../src/dhcp/packet.ts';
import { formatIpv4 } from '../../src/wire/ipv4.ts';
import { macFromBytes } from '../../src/wire/mac.ts';
import { dhcpPacket, ipv4, mac } from './world.ts';

export interface Renewal {
  readonly type: number;
  readonly address: string;
}

const WAIT_MS = 2000;
const TRIES = 4;
const SERVER_PORT = 67;
const CLIENT_PORT = 68;

async function renewAll(server: string, clients: readonly (readonly [string, string])[]) {
  const replies = new Map<string, Renewal>();
  const socket = dgram.createSocket('udp4');
  let answered = () => {};
  socket.on('message', (bytes) => {
    const packet = decodePacket(bytes);
    if (!packet.ok || packet.value.op !== BOOTREPLY) return;
    const type = packet.value.options.get(OPTION.messageType)?.[0] ?? 0;
    const client = macFromBytes(packet.value.chaddr.subarray(0, 6));
    replies.set(client, { type, address: formatIpv4(packet.value.yiaddr) });
    answered();
  });
  await new Promise<void>((resolve) => socket.bind(CLIENT_PORT, resolve));
  for (let attempt = 0; attempt < TRIES && replies.size < clients.length; attempt++) {
    const all = new Promise<void>((resolve) => {
      answered = () => replies.size === clients.length && resolve();
    });
    for (const [client, address] of clients) {
      if (replies.has(client)) continue;
      const request = dhcpPacket({
        ...{ mac: mac(client), type: MESSAGE.request, ciaddr: ipv4(address) },
      });
      socket.send(encodePacket(request, 1472), SERVER_PORT, server);
    }
    await Promise.race([all, sleep(WAIT_MS, undefined, { ref: false })]);
  }
  socket.close();
  return Object.fromEntries(clients.map(([client]) => [client, replies.get(client) ?? null]));
}

if (import.meta.main) {
  const input: Buffer[] = [];
  for await (const chunk of process.stdin) input.push(chunk as Buffer);
  const clients = JSON.parse(Buffer.concat(input).toString()) as [string, string][];
  process.stdout.write(JSON.stringify(await renewAll(process.argv[2] ?? '', clients)));
}
