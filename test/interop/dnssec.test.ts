/**
 * Signed zones before the judges: delv with our key as its anchor, ldns-verify-zone, named-checkzone and kzonecheck on what
 * is transferred, BIND, Knot and NSD as secondaries that follow by IXFR and serve what they got.
 */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openScope } from '../../bench/support/scope.ts';
import type { TsigKey } from '../../src/dns/tsig.ts';
import { type Nameserver, startNameserver } from '../../src/nameserver/server.ts';
import { dnsName } from '../support/dns.ts';
import { PEER_KEY, startPeer } from '../support/dns-peers.ts';
import { createDnsWorld, machineNumber, planFrom } from '../support/dns-world.ts';
import { DNSSEC } from '../support/dnssec.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const run = promisify(execFile);
const SECRET = 'c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0';
const KEY: TsigKey = {
  name: dnsName(PEER_KEY),
  algorithm: 'hmac-sha256',
  secret: Buffer.from(SECRET, 'base64'),
};
const [OURS, BIND, KNOT, NSD, PORT] = [
  '127.0.0.73',
  '127.0.0.1',
  '127.0.0.75',
  '127.0.0.76',
  5473,
] as const;
const SECONDARIES = [BIND, KNOT, NSD];
const ZONES = ['lon.example', 'fancy.lon.example', '1.0.10.in-addr.arpa'];
const STATICS = [
  ['www', 'CNAME', 'web2'],
  ['*.wild', 'A', '10.0.1.250'],
  ['*.alias', 'CNAME', 'web3'],
  ['x.deep.er', 'TXT', '"a" "b"'],
  ['theirs', 'NS', 'ns.theirs'],
  ['ns.theirs', 'A', '10.9.9.9'],
  ['moved', 'DNAME', 'wild'],
  ['@', 'MX', '10 web3'],
] as const;
const scope = openScope();
const folder = temporaryFolder('dnssec');
const world = createDnsWorld({
  plan: planFrom({
    networks: ['10.0.1.0/24', '10.0.2.0/24'],
    nameservers: [{ name: 'ns1', addresses: ['10.0.0.1'] }],
  }),
  machines: Array.from({ length: 120 }, (_, n) =>
    machineNumber(n + 1, n % 5 === 0 ? `web${n + 1}.fancy` : `web${n + 1}`),
  ),
});
let server: Nameserver;
let anchors = '';
const now = () => Math.floor(Date.now() / 1000);

beforeAll(async () => {
  server = await startNameserver({
    ...{ plan: world.plan, store: world.store, source: world.source, shrinkShareMax: 0.5 },
    ...{ listen: [OURS], port: PORT, threads: 1, responsesPerSecond: 0 },
    responder: { cookieSecret: new Uint8Array(16) },
    dnssec: { ...DNSSEC, store: world.keyStore, signed: () => true },
    keys: [KEY],
    secondaries: SECONDARIES.map((address) => ({ address, port: PORT, key: KEY })),
    transferTo: [{ address: '\x7f\0\0\0', bits: 8 }],
    log: pino({ enabled: false }),
    lastEvent: () => 0,
    nowSeconds: now,
    follow: (wake) => world.onChange(wake),
  });
  const filled = () => expect(server.keeper.zones().size).toBeGreaterThan(3);
  await vi.waitFor(filled, { timeout: 15_000 });
  for (const [name, type, data] of STATICS) {
    server.desk.addStatic({ name, type, data, ttl: 60, note: '' }, { who: 'kim', why: '' });
  }
  const [ksk] = server.desk.keys().filter(({ role }) => role === 'ksk');
  const key = ksk?.dnskey.split(' ') ?? [];
  anchors = join(folder, 'anchors');
  const lines = ZONES.map(
    (zone) => `  "${zone}" static-key ${key.slice(0, 3).join(' ')} "${key[3]}";`,
  );
  writeFileSync(anchors, `trust-anchors {\n${lines.join('\n')}\n};\n`);
});

afterAll(async () => {
  await scope.close();
  await server.close();
});

/** What delv says of a question: its verdict and the records. */
async function delv(question: string, address: string = OURS): Promise<string> {
  const [asked = '', type] = question.split(' ');
  // A DS is its parent's to say.
  const zone = ZONES.filter((name) => asked.endsWith(name) && !(type === 'DS' && asked === name));
  const deepest = zone.sort((a, b) => b.length - a.length)[0] ?? '';
  const words = [`@${address}`, '-p', String(PORT), '-a', anchors, `+root=${deepest}`];
  const { stdout, stderr } = await run('delv', [...words, ...question.split(' ')]).catch(
    (error: { stdout: string; stderr: string }) => error,
  );
  return `${stdout}${stderr}`;
}

const QUESTIONS = [
  ['web2.lon.example A', 'fully validated'],
  ['lon.example SOA', 'fully validated'],
  ['lon.example DNSKEY', 'fully validated'],
  ['lon.example MX', 'fully validated'],
  ['web2.lon.example MX', 'negative response, fully validated'],
  ['nobody.lon.example A', 'negative response, fully validated'],
  ['a.b.nobody.lon.example A', 'negative response, fully validated'],
  ['er.lon.example A', 'negative response, fully validated'],
  ['x.wild.lon.example A', 'fully validated'],
  ['x.y.wild.lon.example A', 'fully validated'],
  ['x.wild.lon.example AAAA', 'negative response, fully validated'],
  ['www.lon.example A', 'fully validated'],
  ['q.alias.lon.example A', 'fully validated'],
  ['theirs.lon.example DS', 'negative response, fully validated'],
  ['fancy.lon.example DS', 'negative response, fully validated'],
  ['x.moved.lon.example A', 'fully validated'],
  ['web1.fancy.lon.example A', 'fully validated'],
  ['nope.fancy.lon.example A', 'negative response, fully validated'],
  ['2.1.0.10.in-addr.arpa PTR', 'fully validated'],
  ['250.1.0.10.in-addr.arpa PTR', 'negative response, fully validated'],
] as const;

describe('delv, with our key as its anchor', () => {
  it.each(QUESTIONS)('%s: %s', async (question, verdict) => {
    const said = await delv(question);
    expect(said).toContain(`; ${verdict}`);
    expect(said).not.toMatch(/unsigned answer|broken trust|no valid/);
  });
});

/** A transfer as a zone file. */
async function transfer(zone: string, address: string = OURS): Promise<string> {
  const words = [`@${address}`, '-p', String(PORT), zone, 'AXFR', '+noall', '+answer', '+onesoa'];
  const { stdout } = await run('dig', words, { maxBuffer: 1 << 26 });
  return stdout;
}

describe('transfers of signed zones', () => {
  const fileOf = async (zone: string): Promise<string> => {
    const file = join(folder, `${zone}.zone`);
    await vi.waitFor(
      async () => {
        const text = await transfer(zone);
        expect(text).toContain('RRSIG');
        writeFileSync(file, text);
      },
      { timeout: 20_000, interval: 300 },
    );
    return file;
  };
  it.each(ZONES)('%s passes ldns-verify-zone, named-checkzone and kzonecheck', async (zone) => {
    const file = await fileOf(zone);
    const ldns = await run('ldns-verify-zone', ['-V', '3', file]);
    expect(ldns.stdout + ldns.stderr).toContain('Zone is verified and complete');
    const named = await run('named-checkzone', ['-i', 'local', zone, file]);
    expect(named.stdout).toMatch(/^OK$/m);
    const knot = await run('kzonecheck', ['-o', zone, '-d', 'on', file]);
    expect(knot.stderr).not.toMatch(/error|warning/i);
  });

  it('BIND, Knot and NSD serve what they got, follow by IXFR, and validate', async () => {
    const primary = { address: OURS, port: PORT, secret: SECRET };
    const zones = ZONES.map((name) => ({ name }));
    const peers = [
      ['bind', BIND],
      ['knot', KNOT],
      ['nsd', NSD],
    ] as const;
    for (const [kind, address] of peers) {
      startPeer(kind, { scope, folder: join(folder, kind), address, port: PORT, zones, primary });
    }
    const sorted = (text: string) =>
      text
        .split('\n')
        .map((line) => line.replace(/\s+/g, ' ').toLowerCase())
        .sort()
        .join('\n');
    const same = () =>
      vi.waitFor(
        async () => {
          for (const zone of ZONES) {
            const ours = sorted(await transfer(zone));
            expect(ours).toContain('rrsig');
            for (const address of SECONDARIES) {
              expect(sorted(await transfer(zone, address).catch(() => ''))).toBe(ours);
            }
          }
        },
        { timeout: 60_000, interval: 500 },
      );
    await same();
    for (let n = 0; n < 40; n++) {
      const host = n % 3 === 0 ? `more${n}.fancy` : `more${n}`;
      world.set(machineNumber(200 + n, host));
      if (n % 8 === 0) world.remove(`C0MP${String(n + 1).padStart(6, '0')}`);
      await expect
        .poll(() => server.desk.explain(`${host}.lon.example`, 'A').rcode)
        .toBe('NOERROR');
    }
    await same();
    const file = join(folder, 'followed.zone');
    writeFileSync(file, await transfer('lon.example', BIND));
    expect((await run('ldns-verify-zone', [file])).stdout).toContain('verified and complete');
    for (const address of SECONDARIES) {
      expect(await delv('more1.lon.example A', address)).toContain('; fully validated');
      expect(await delv('nobody.lon.example A', address)).toContain('negative response, fully');
    }
  }, 180_000);
});
