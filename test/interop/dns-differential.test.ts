/**
 * The same questions to ours and to Knot serving the exported zones: rcode, flags and sections must be the same.
 *
 * Questions are generated with a seed: names that exist, names near them, deeper and shallower ones, other zones, all
 * kinds of types, with and without EDNS, sizes and flags. DNS_QUESTIONS sets how many (100,000 by default). Where the
 * servers differ on purpose is written below, next to why.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openScope } from '../../bench/support/scope.ts';
import { decodeMessage, type Message, type Resource } from '../../src/dns/message.ts';
import { foldName, formatName } from '../../src/dns/name.ts';
import { TYPE } from '../../src/dns/types.ts';
import { exportZone } from '../../src/dns/zone-file.ts';
import { type Nameserver, startNameserver } from '../../src/nameserver/server.ts';
import { question } from '../support/dns.ts';
import { startPeer } from '../support/dns-peers.ts';
import { createDnsWorld, machineNumber, planFrom } from '../support/dns-world.ts';
import { random } from '../support/mutate.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const QUESTIONS = Number(process.env.DNS_QUESTIONS ?? 100_000);
const WINDOW = 100;
const [OURS, KNOT, PORT] = ['127.0.0.63', '127.0.0.64', 5463] as const;
const scope = openScope();
const folder = temporaryFolder('dns-differential');
const world = createDnsWorld({
  plan: planFrom({
    networks: ['10.0.1.0/24', '10.0.2.0/24', '10.0.2.64/26', '2001:db8::/32'],
    aliases: [{ role: 'db', name: 'db' }],
    services: [{ role: 'db', name: '_pg._tcp', port: 5432, priority: 0, weight: 0 }],
  }),
  machines: Array.from({ length: 300 }, (_, n) =>
    machineNumber(
      n + 1,
      n % 7 === 0 ? `web${n + 1}.fancy` : `web${n + 1}`,
      n % 9 === 0 ? 'db' : undefined,
    ),
  ),
});
const STATICS = [
  ['www', 'CNAME', 'web2'],
  ['chain', 'CNAME', 'www'],
  ['out', 'CNAME', 'www.elsewhere.test.'],
  ['*.wild', 'A', '10.0.1.250'],
  ['*.wild', 'TXT', '"w"'],
  ['real.wild', 'AAAA', '2001:db8::9'],
  ['x.deep.er', 'TXT', '"a" "b"'],
  ['theirs', 'NS', 'ns.theirs'],
  ['ns.theirs', 'A', '10.9.9.9'],
  ['@', 'MX', '10 web3'],
  ['@', 'CAA', '0 issue "ca.example"'],
  ['moved', 'DNAME', 'wild'],
] as const;
let server: Nameserver;

beforeAll(async () => {
  server = await startNameserver({
    ...{ plan: world.plan, store: world.store, source: world.source, shrinkShareMax: 0.5 },
    ...{ listen: [OURS], port: PORT, threads: 1, responsesPerSecond: 0 },
    responder: { cookieSecret: new Uint8Array(16) },
    ...{ secondaries: [], keys: [], transferTo: [], log: pino({ enabled: false }) },
    lastEvent: () => 0,
    nowSeconds: () => 1_700_000_000,
    follow: (wake) => world.onChange(wake),
  });
  const filled = () => expect(server.keeper.zones().size).toBeGreaterThan(4);
  await vi.waitFor(filled, { timeout: 15_000 });
  for (const [name, type, data] of STATICS)
    server.keeper.addStatic({ name, type, data, ttl: 60, note: '' }, { who: 'kim', why: '' });
  const zones = [...server.keeper.zones().values()].map((zone) => {
    const name = formatName(zone.name).slice(0, -1);
    const file = join(folder, `${name.replace('/', '-')}.zone`);
    writeFileSync(file, exportZone(zone));
    return { name, file };
  });
  startPeer('knot', { scope, folder: join(folder, 'knot'), address: KNOT, port: PORT, zones });
  const soas = zones.map(({ name }) => question(`${name} SOA`));
  await vi.waitFor(
    async () => {
      const rcodes = (await askAll(KNOT, soas)).map((reply) => reply && (reply[3] ?? 0) & 15);
      expect(rcodes).toEqual(soas.map(() => 0));
    },
    { timeout: 30_000, interval: 200 },
  );
});

afterAll(async () => {
  await scope.close();
  await server.close();
});

/** Replies in the order of the questions; a question's id is its place. `undefined` where none came in time. */
async function askAll(
  address: string,
  questions: readonly Uint8Array[],
): Promise<(Uint8Array | undefined)[]> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const replies: (Uint8Array | undefined)[] = questions.map(() => undefined);
  let missing = questions.length;
  const over = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, 3000);
    socket.on('message', (bytes) => {
      const id = bytes.readUInt16BE(0);
      if (replies[id] === undefined) missing -= 1;
      replies[id] = Uint8Array.from(bytes);
      if (missing > 0) return;
      clearTimeout(timer);
      resolve();
    });
  });
  for (const [id, bytes] of questions.entries()) {
    const copy = Uint8Array.from(bytes);
    copy.set([id >> 8, id & 255]);
    socket.send(copy, PORT, address);
  }
  await over;
  socket.close();
  return replies;
}

const TYPES = [
  'A',
  'A',
  'AAAA',
  'PTR',
  'NS',
  'SOA',
  'MX',
  'TXT',
  'SRV',
  'CNAME',
  'DNAME',
  'DS',
  'CAA',
  'HINFO',
  'TYPE4711',
  'RRSIG',
  'DNSKEY',
];

function generate(pick: (below: number) => number): Uint8Array {
  const any = <T>(list: readonly T[]): T => list[pick(list.length)] as T;
  const n = 1 + pick(320);
  const names = [
    ...[
      `web${n}.lon.example`,
      `web${n}.fancy.lon.example`,
      `c0mp${String(n).padStart(6, '0')}.lon.example`,
    ],
    ...[`${n & 255}.${1 + (n >> 8)}.0.10.in-addr.arpa`, `${n & 63}.64/26.2.0.10.in-addr.arpa`],
    ...[
      'lon.example',
      'fancy.lon.example',
      '1.0.10.in-addr.arpa',
      'db.lon.example',
      '_pg._tcp.lon.example',
      '_tcp.lon.example',
    ],
    ...[
      'www.lon.example',
      'chain.lon.example',
      'out.lon.example',
      `a${n}.wild.lon.example`,
      `b.a${n}.wild.lon.example`,
    ],
    ...[
      'real.wild.lon.example',
      'x.real.wild.lon.example',
      'wild.lon.example',
      'deep.er.lon.example',
      'er.lon.example',
    ],
    ...[
      'theirs.lon.example',
      `h${n}.theirs.lon.example`,
      'ns.theirs.lon.example',
      `web${n}.moved.lon.example`,
      'moved.lon.example',
    ],
    ...[
      'other.example',
      'example',
      'com',
      `nope${n}.lon.example`,
      `x.nope${n}.lon.example`,
      `x.web${n}.lon.example`,
      'ns1.lon.example',
    ],
  ];
  const name = [...any(names)].map((char) => (pick(4) === 0 ? char.toUpperCase() : char)).join('');
  const edns = { size: any([0, 100, 512, 1232, 4096, 65_535]), flags: any([0, 0x8000, 0x4000]) };
  return question(`${name} ${any(TYPES)}`, {
    flags: pick(2) === 0 ? 0x0100 : 0,
    ...(pick(2) === 0 ? { edns } : {}),
  });
}

function comparable(bytes: Uint8Array | undefined): string {
  if (!bytes) return 'no reply';
  const decoded = decodeMessage(bytes);
  if (!decoded.ok) return `undecodable: ${decoded.code}`;
  const { flags, questions, answers, authority, additional } = decoded.value as Message;
  const section = (records: readonly Resource[]) =>
    records
      .filter(({ type }) => type !== TYPE.OPT)
      .map(({ name, type, ttl, rdata }) => `${foldName(name)}|${type}|${ttl}|${rdata}`)
      .sort();
  const opt = additional.find(({ type }) => type === TYPE.OPT);
  return JSON.stringify({
    ...{ flags, question: questions, opt: opt && [opt.ttl] },
    ...{
      answers: section(answers),
      authority: section(authority),
      additional: section(additional),
    },
  });
}

describe('the same questions to ours and to Knot', () => {
  it(`${QUESTIONS} of them are answered the same`, async () => {
    const pick = random(20_261_121);
    const differences = new Map<string, string>();
    let compared = 0;
    while (compared < QUESTIONS) {
      const questions = Array.from({ length: Math.min(WINDOW, QUESTIONS - compared) }, () =>
        generate(pick),
      );
      const [ours, theirs] = await Promise.all([askAll(OURS, questions), askAll(KNOT, questions)]);
      for (const [index, bytes] of questions.entries()) {
        const [a, b] = [comparable(ours[index]), comparable(theirs[index])];
        compared += 1;
        if (a === b || known(ours[index], theirs[index])) continue;
        const decoded = decodeMessage(bytes);
        const asked = decoded.ok ? decoded.value.questions[0] : undefined;
        const key = asked ? `${formatName(foldName(asked.name))} ${asked.type}` : 'undecodable';
        if (differences.size < 20) differences.set(key, `ours ${a}\nknot ${b}`);
      }
    }
    expect([...differences].map(([key, text]) => `${key}\n${text}`).join('\n\n')).toBe('');
    expect(compared).toBe(QUESTIONS);
  }, 600_000);
});

/**
 * The one deliberate difference: addresses of NS, MX and SRV targets are added from all zones that we serve, by Knot only
 * from the zone that was asked. All else of the two replies must be equal. (Aliases that lead from one of our zones into
 * another are followed by us and referred by Knot; the zones of this test have none.)
 */
function known(ours: Uint8Array | undefined, theirs: Uint8Array | undefined): boolean {
  const [a, b] = [ours && decodeMessage(ours), theirs && decodeMessage(theirs)];
  if (!a?.ok || !b?.ok) return false;
  const without = ({ additional: _, ...rest }: Message) =>
    JSON.stringify({ ...rest, lastRecordAt: 0 });
  const keys = ({ additional }: Message) =>
    additional.map(({ name, type, rdata }) =>
      type === TYPE.OPT ? 'opt' : `${name} ${type} ${rdata}`,
    );
  const ourKeys = new Set(keys(a.value));
  return without(a.value) === without(b.value) && keys(b.value).every((key) => ourKeys.has(key));
}
