/**
 * Knot, NSD and BIND as secondaries of ours, started by the test: AXFR, then a thousand changes by NOTIFY and IXFR, signed,
 * one of them switched off in between; at the end all hold the same records. Zones that appear reach Knot and BIND by the
 * catalog. Everything is on loopback.
 */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Program } from '../../bench/support/process.ts';
import { openScope } from '../../bench/support/scope.ts';
import { foldName, formatName, parseName } from '../../src/dns/name.ts';
import { exportZone, formatRecord, parseZoneFile } from '../../src/dns/zone-file.ts';
import { type Nameserver, startNameserver } from '../../src/nameserver/server.ts';
import { dnsName } from '../support/dns.ts';
import { PEER_KEY, type PeerKind, startPeer } from '../support/dns-peers.ts';
import { createDnsWorld, machineNumber, planFrom } from '../support/dns-world.ts';
import { freePort } from '../support/free-port.ts';
import { random } from '../support/mutate.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const run = promisify(execFile);
const SECRET = 'c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0';
const OURS = '127.0.0.53';
const scope = openScope();
const folder = temporaryFolder('dns-interop');
const transfers: { kind: string; to: string; zone: string }[] = [];
const KINDS = ['knot', 'nsd', 'bind'] as const;
const ADDRESSES: Record<(typeof KINDS)[number], string> = {
  knot: '127.0.0.54',
  nsd: '127.0.0.55',
  // BIND listens only on addresses that an interface has.
  bind: '127.0.0.1',
};
const peers = new Map<PeerKind, Program>();
const world = createDnsWorld({
  plan: planFrom({
    networks: ['10.0.1.0/24', '10.0.2.0/24', '10.0.2.64/26'],
    catalog: 'catalog',
    nameservers: [{ name: 'ns1', addresses: ['10.0.0.1'] }],
  }),
  machines: Array.from({ length: 400 }, (_, n) => machineNumber(n + 1)),
});
let server: Nameserver;
let port = 0;

const zoneNames = () =>
  [...server.keeper.zones().keys()].map((name) => formatName(name).slice(0, -1));

function startSecondary(kind: (typeof KINDS)[number]): void {
  const catalog = 'catalog.lon.example';
  const zones = zoneNames()
    .filter((name) => name !== catalog)
    .map((name) => ({ name }));
  const program = startPeer(kind, {
    ...{ scope, folder: join(folder, kind), address: ADDRESSES[kind], port },
    ...{ primary: { address: OURS, port, secret: SECRET } },
    // NSD of Debian 12 knows no catalogs: it is told of the zones.
    ...(kind === 'nsd' ? { zones } : { zones: [], catalog }),
  });
  peers.set(kind, program);
}

/** The zone as a server has it, in canonical text; '' while it has none. */
async function zoneAt(address: string, name: string): Promise<string> {
  const words = [`@${address}`, '-p', String(port), name, 'AXFR', '+noall', '+answer', '+onesoa'];
  const { stdout } = await run('dig', [...words, '+time=2', '+tries=1'], {
    maxBuffer: 1 << 26,
  }).catch(() => ({ stdout: '' }));
  const origin = parseName(`${name}.`);
  if (origin === undefined) return '';
  const parsed = parseZoneFile(stdout, foldName(origin) as typeof origin);
  return parsed.ok ? parsed.records.map(formatRecord).sort().join('\n') : '';
}

function zoneHere(name: string): string {
  const zone = server.keeper.zones().get(dnsName(name));
  return zone ? exportZone(zone).trimEnd().split('\n').sort().join('\n') : 'none';
}

async function expectEqual(kind: (typeof KINDS)[number], names = zoneNames()): Promise<void> {
  for (const name of names) {
    if (kind === 'nsd' && name.startsWith('catalog')) continue;
    await expect
      .poll(async () => (await zoneAt(ADDRESSES[kind], name)) === zoneHere(name), {
        timeout: 60_000,
        interval: 300,
        message: `${kind} ${name}`,
      })
      .toBe(true)
      .catch((error: Error) => {
        throw new Error(`${error.message}\n${peers.get(kind)?.output().slice(-3000)}`);
      });
  }
}

beforeAll(async () => {
  // BIND has it on another address than ours.
  port = await freePort();
  await world.fill();
  const key = {
    name: dnsName(PEER_KEY),
    algorithm: 'hmac-sha256' as const,
    secret: Buffer.from(SECRET, 'base64'),
  };
  const sink = {
    write: (line: string) => {
      const entry = JSON.parse(line) as { msg: string; kind: string; to: string; zone: string };
      if (entry.msg === 'transfer') transfers.push(entry);
    },
  };
  server = await startNameserver({
    ...{ plan: world.plan, store: world.store, source: world.source, shrinkShareMax: 0.5 },
    ...{ listen: [OURS], port, threads: 1, responsesPerSecond: 0 },
    responder: { cookieSecret: new Uint8Array(16) },
    secondaries: KINDS.map((kind) => ({ address: ADDRESSES[kind], port, key })),
    ...{ keys: [key], transferTo: [], log: pino({ level: 'debug' }, sink) },
    lastEvent: () => 0,
    nowSeconds: () => Math.floor(Date.now() / 1000),
    follow: (wake) => world.onChange(wake),
  });
  for (const kind of KINDS) startSecondary(kind);
});

afterAll(async () => {
  await scope.close();
  await server.close();
});

describe('secondaries', () => {
  it.each(KINDS)('%s takes every zone by AXFR', async (kind) => expectEqual(kind), 120_000);

  it('follow a thousand changes by IXFR, one of them switched off for half of it', async () => {
    transfers.length = 0;
    const pick = random(7);
    for (let change = 0; change < 1000; change++) {
      if (change === 300) await peers.get('knot')?.stop();
      if (change === 800) startSecondary('knot');
      const n = 1 + pick(400);
      const machine = machineNumber(n, `web${n}x${pick(50)}`);
      if (pick(10) === 0) world.remove(machine.hardwarename);
      else world.set(machine);
      if (change % 5 === 0) await sleep(4);
    }
    await sleep(50);
    for (const kind of KINDS) await expectEqual(kind);
    const by = (kind: string) => transfers.filter((transfer) => transfer.kind === kind).length;
    expect(by('ixfr')).toBeGreaterThan(20);
    // Whoever is so far behind that the steps are more than the zone gets the zone: small ones, after a pause.
    expect(by('axfr')).toBeLessThan(by('ixfr') / 2);
  }, 240_000);

  it('a zone that appears reaches Knot and BIND by the catalog, and goes with its last name', async () => {
    world.set(machineNumber(401, 'web1.fancy'));
    await expect.poll(() => zoneNames()).toContain('fancy.lon.example');
    for (const kind of ['knot', 'bind'] as const) await expectEqual(kind, ['fancy.lon.example']);
    world.set(machineNumber(401, 'web401'));
    await expect.poll(() => zoneNames()).not.toContain('fancy.lon.example');
    for (const kind of ['knot', 'bind'] as const) {
      await expect
        .poll(() => zoneAt(ADDRESSES[kind], 'fancy.lon.example'), {
          timeout: 60_000,
          interval: 300,
        })
        .toBe('');
    }
  }, 180_000);

  it('checkers of BIND and ldns find nothing wrong with an exported zone', async () => {
    for (const name of zoneNames().filter((candidate) => !candidate.startsWith('catalog'))) {
      const file = join(folder, `${name.replace('/', '-')}.zone`);
      writeFileSync(file, `${zoneHereInOrder(name)}\n`);
      const { stdout } = await run('named-checkzone', [
        '-i',
        'local',
        '-k',
        'fail',
        '-n',
        'fail',
        '-m',
        'fail',
        '-r',
        'fail',
        name,
        file,
      ]);
      expect(stdout.trim().split('\n').at(-1)).toBe('OK');
      const ldns = await run('ldns-read-zone', ['-c', file], { maxBuffer: 1 << 26 });
      expect(ldns.stdout.split('\n').length).toBeGreaterThan(1);
    }
  });

  function zoneHereInOrder(name: string): string {
    const zone = server.keeper.zones().get(dnsName(name));
    return zone ? exportZone(zone) : '';
  }
});
