/**
 * Ports that nobody has, for servers that have to be told theirs. They are below those that the kernel gives to whoever asks for any
 * port, and to clients (ip(7), `ip_local_port_range`): none of these takes one before it is used, or while a server is started anew.
 */
import { randomInt } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';

const [FIRST, END] = [12_000, 32_000];
/** A worker of vitest has so many of its own: two at once cannot be given one that is free for both. */
const PART = 250;
const part = Number(process.env.VITEST_POOL_ID ?? 0) % ((END - FIRST) / PART);
let next = randomInt(PART);

/** Free of UDP and TCP, and none of those that were given out just before and that nobody listens at yet. */
export async function freePort(address = '127.0.0.1'): Promise<number> {
  for (;;) {
    const port = FIRST + part * PART + next;
    next = (next + 1) % PART;
    if (await isFree(port, address)) return port;
  }
}

async function isFree(port: number, address: string): Promise<boolean> {
  const [tcp, udp] = [net.createServer(), dgram.createSocket('udp4')];
  try {
    tcp.listen(port, address);
    await once(tcp, 'listening');
    udp.bind(port, address);
    await once(udp, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    tcp.close();
    udp.close();
  }
}
