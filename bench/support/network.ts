/**
 * The network of a bench: two throw-away namespaces joined by one veth pair, nothing else on the machine touched.
 *
 *     [server: prov0 SERVER_ADDRESS] --veth-- [client: eth0 CLIENT_ADDRESS]
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { Scope } from './scope.ts';

export interface Pair {
  /** Names of the namespaces. */
  readonly server: string;
  readonly client: string;
  readonly serverIface: 'prov0';
  readonly clientIface: 'eth0';
}

export interface PairOptions {
  /** With prefix length, as in `10.99.0.1/16`. */
  readonly serverAddress: string;
  readonly clientAddress: string;
}

export function ip(...words: string[]): string {
  return execFileSync('ip', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

export function createPair(scope: Scope, options: PairOptions): Pair {
  const id = `rb${randomBytes(3).toString('hex')}`;
  const pair: Pair = {
    ...{ server: `${id}-s`, client: `${id}-c` },
    ...{ serverIface: 'prov0', clientIface: 'eth0' },
  };
  for (const namespace of [pair.server, pair.client]) {
    ip('netns', 'add', namespace);
    scope.defer(() => ip('netns', 'delete', namespace));
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
  }
  const peer = ['type', 'veth', 'peer', 'name', pair.clientIface, 'netns', pair.client];
  ip('-n', pair.server, 'link', 'add', pair.serverIface, ...peer);
  for (const [namespace, iface, address] of [
    [pair.server, pair.serverIface, options.serverAddress],
    [pair.client, pair.clientIface, options.clientAddress],
  ] as const) {
    ip('-n', namespace, 'address', 'add', address, 'brd', '+', 'dev', iface);
    // Throughput is bounded by the receiver, not by a short queue of the pair.
    ip('-n', namespace, 'link', 'set', iface, 'txqueuelen', '10000', 'up');
  }
  return pair;
}

/** Packets that the kernel threw away because a UDP socket's buffer was full, in one namespace, since it was made. */
export function udpBufferDrops(namespace: string): number {
  const text = ip('netns', 'exec', namespace, 'cat', '/proc/net/snmp');
  const [names = '', values = ''] = text.split('\n').filter((line) => line.startsWith('Udp: '));
  const at = names.split(' ').indexOf('RcvbufErrors');
  return Number(values.split(' ')[at] ?? 0);
}
