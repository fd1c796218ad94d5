/**
 * What was acknowledged survives `kill -9`: ten times under load, the daemon is killed at a moment of its choosing, started
 * again, and held to what the wire said. The wire is captured by tcpdump, not by the load generator's own account: an ACK
 * counts as soon as it is on the wire, whether anybody read it or not.
 *
 * After each restart: every lease that was ever acknowledged is in the database with its owner; no address was ever
 * acknowledged to two machines (every lease outlives the test); and the restarted daemon itself renews a sample.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startDaemon, temporaryDir } from '../../bench/support/daemon.ts';
import { createPair, ip, type Pair } from '../../bench/support/network.ts';
import { type Program, start } from '../../bench/support/process.ts';
import { requirePrograms } from '../../bench/support/programs.ts';
import { openScope, withScope } from '../../bench/support/scope.ts';
import { unmerge } from '../../src/dhcp/merged.ts';
import { MESSAGE, OPTION } from '../../src/dhcp/options.ts';
import { decodePacket } from '../../src/dhcp/packet.ts';
import { formatIpv4 } from '../../src/wire/ipv4.ts';
import { macFromBytes } from '../../src/wire/mac.ts';
import { udpDatagrams } from '../support/pcap.ts';
import type { Renewal } from '../support/renew.ts';

const ROUNDS = 10;
const SERVER = '10.99.0.1';
const RATE = 1000;
/** Fewer than the exchanges of all rounds, so that known clients come back beside new ones. */
const CLIENTS = 4000;
const SAMPLE = 40;
const SENTINEL_PORT = 9;

const scope = openScope();
let pair: Pair;
let dir: string;
/** Every ACK of every round: MAC to address, and address to each MAC that it was acknowledged to. */
const addressOf = new Map<string, string>();
const ownersOf = new Map<string, Set<string>>();

const serve = () =>
  startDaemon({
    ...{ scope, dir, namespace: pair.server },
    config: {
      dhcp: {
        segments: [
          {
            ...{ name: 'kill', iface: 'prov0', address: SERVER, cidr: '10.99.0.0/16' },
            pool: { first: '10.99.16.0', last: '10.99.47.255' },
            conflictProbe: false,
          },
        ],
      },
    },
  });

beforeAll(() => {
  requirePrograms('ip', 'perfdhcp', 'tcpdump');
  pair = createPair(scope, { serverAddress: `${SERVER}/16`, clientAddress: '10.99.0.2/16' });
  // The clients' machine holds every address of the pool, so that a renewal is answered to the address itself.
  for (const part of ['10.99.16.0/20', '10.99.32.0/20']) {
    ip('-n', pair.client, 'route', 'add', 'local', part, 'dev', 'lo');
  }
  dir = temporaryDir(scope);
});
afterAll(() => scope.close());

/** Load until the daemon has been killed in the middle of it. Returns the ACKs that were on the wire, in order. */
async function killUnderLoad(daemon: Program, round: number): Promise<[string, string][]> {
  const file = join(dir, `acks-${round}.pcap`);
  await withScope(async (load) => {
    const capture = start({
      ...{ scope: load, namespace: pair.client },
      command: [
        ...(['tcpdump', '-i', 'eth0', '-B', '131072', '-U', '-w', file] as const),
        ...['--immediate-mode', '--print', '-n', '-q', '-l'],
        `udp and src host ${SERVER} and (src port 67 or dst port ${SENTINEL_PORT})`,
      ],
    });
    await capture.line(/listening on/);
    const perfdhcp = start({
      ...{ scope: load, namespace: pair.client },
      command: [
        ...(['perfdhcp', '-4', '-r', String(RATE), '-R', String(CLIENTS), '-p', '60'] as const),
        ...['-s', String(round + 1), SERVER],
      ],
    });
    await perfdhcp.line(/mode enabled/);
    // Another moment in each round, counted from when it is really answering, however busy the machine is.
    const answers = () => capture.output().match(/\.67 > /g)?.length ?? 0;
    await expect.poll(answers, { timeout: 20_000 }).toBeGreaterThan(100);
    await new Promise((later) => setTimeout(later, 250 + ((round * 7919) % 1000)));
    await daemon.stop('SIGKILL');
    await perfdhcp.stop('SIGKILL');
    // Captured last, so everything that the daemon sent before it died is in the file.
    const sentinel = `echo over >/dev/udp/10.99.0.2/${SENTINEL_PORT}`;
    execFileSync('ip', ['netns', 'exec', pair.server, 'bash', '-c', sentinel]);
    await capture.line(new RegExp(`\\.${SENTINEL_PORT}: UDP`));
    await capture.stop('SIGINT');
    expect(capture.output()).toMatch(/^0 packets dropped by kernel/m);
  });
  const replies = udpDatagrams(file).filter(({ sourcePort }) => sourcePort === 67);
  const messages = replies.flatMap(({ payload }) => unmerge(payload));
  return messages.flatMap((bytes) => {
    const packet = decodePacket(bytes);
    if (!packet.ok) throw new Error(`a reply that cannot be decoded: ${packet.code}`);
    const { options, chaddr, yiaddr } = packet.value;
    if (options.get(OPTION.messageType)?.[0] !== MESSAGE.ack) return [];
    return [[macFromBytes(chaddr.subarray(0, 6)), formatIpv4(yiaddr)] as [string, string]];
  });
}

/** Leases of the database as the daemon left it: MAC to address, of those that are bound and run. */
function boundLeases(): Map<string, string> {
  const db = new Sqlite(join(dir, 'reveille.db'), { readonly: true });
  try {
    const rows = db
      .prepare<[number], { mac: string; address: number }>(
        `SELECT mac, address FROM leases WHERE state = 'bound' AND expires_at > ?`,
      )
      .all(Date.now());
    return new Map(rows.map(({ mac, address }) => [mac, formatIpv4(address as never)]));
  } finally {
    db.close();
  }
}

function renew(sample: readonly [string, string][]): Record<string, Renewal | null> {
  const output = execFileSync(
    'ip',
    ['netns', 'exec', pair.client, process.execPath, 'test/support/renew.ts', SERVER],
    { input: JSON.stringify(sample), encoding: 'utf8' },
  );
  return JSON.parse(output) as Record<string, Renewal | null>;
}

describe('kill -9 under load', () => {
  it(`loses no acknowledged lease and gives no address away, ${ROUNDS} times`, async () => {
    let daemon = await serve();
    for (let round = 0; round < ROUNDS; round++) {
      const acks = await killUnderLoad(daemon, round);
      expect(acks.length, `round ${round} was killed before any ACK`).toBeGreaterThan(20);
      for (const [mac, address] of acks) {
        addressOf.set(mac, address);
        ownersOf.set(address, (ownersOf.get(address) ?? new Set()).add(mac));
      }
      const shared = [...ownersOf].filter(([, owners]) => owners.size > 1);
      expect(shared, `round ${round}: addresses acknowledged to two machines`).toEqual([]);

      daemon = await serve();
      const held = boundLeases();
      const lost = [...addressOf].filter(([mac, address]) => held.get(mac) !== address);
      expect(lost, `round ${round}: acknowledged, but not in the database`).toEqual([]);

      const newest = acks.slice(-SAMPLE / 2);
      const older = [...addressOf].slice(0, SAMPLE / 2);
      const sample = [...new Map([...older, ...newest])];
      const renewed = renew(sample.map(([mac]) => [mac, addressOf.get(mac) ?? '']));
      for (const [mac] of sample) {
        const expected = { type: MESSAGE.ack, address: addressOf.get(mac) };
        expect(renewed[mac], `round ${round}: ${mac} renews`).toEqual(expected);
      }
    }
    await daemon.stop();
    expect(addressOf.size).toBeGreaterThan(ROUNDS * 20);
  });
});
