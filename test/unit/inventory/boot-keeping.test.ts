import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { compact } from '../../../src/http/people/housekeeping.ts';
import { limit } from '../../../src/limits.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import { report } from '../../support/reports.ts';
import { createWorld, dhcpPacket, mac, type World } from '../../support/world.ts';

const DAY_MS = 86_400_000;
const A = mac('52:54:00:77:00:01');
const B = mac('52:54:00:77:00:02');

/** A boot of that NIC, which reports when there is something to say. */
function boot(world: World, nic: Mac, notes?: string): void {
  const { inventory, clock } = world;
  world.pass(2 * limit('bootIdleMs'));
  const sighted = inventory.boots.sight({
    ...{ mac: nic, client: 'ipxe', arch: 'x86_64', hardwarename: undefined },
  });
  if (!sighted || notes === undefined) return;
  const token = inventory.tokens.mint(sighted.boot.id, nic, 'boot');
  const agent = { version: notes, profile: 'lab', kernel: '6.1.0', bootMode: 'bios' as const };
  const body = Buffer.from(JSON.stringify(report({ serial: `SN-${nic}`, macs: [nic], agent })));
  inventory.ingest({ token, body });
  world.pass(limit('bootTokenMs') + 1);
  inventory.tokens.forget(clock());
}

const count = (world: World, table: 'boots' | 'reports'): number =>
  world.db.prepare<[], number>(`SELECT count(*) FROM ${table}`).pluck().get() ?? 0;

const versions = (world: World): string[] =>
  world.db
    .prepare<[], { body: Buffer }>('SELECT body FROM reports ORDER BY at')
    .all()
    .map(({ body }) => JSON.parse(gunzipSync(body).toString()).agent.version);

function tidy(world: World): number {
  const { inventory, clock } = world;
  for (let boots = 0, steps = 0; ; steps++) {
    if (steps > 100) throw new Error('there is no end to it');
    const step = compact({ inventory, clock, keepDays: { boot: 90, other: 1095 } });
    boots += step.boots;
    if (!step.more) return boots;
  }
}

describe('boots', () => {
  it('go with their events, but for the last of each NIC on record', () => {
    const world = createWorld();
    boot(world, A, '1');
    boot(world, A, '2');
    boot(world, B);
    world.pass(91 * DAY_MS);
    boot(world, B);
    expect(count(world, 'boots')).toBe(4);
    expect(tidy(world)).toBe(2);
    expect(world.inventory.boots.latest(A)?.reportDigest).toBeDefined();
    expect(count(world, 'boots')).toBe(2);
    expect(versions(world)).toEqual(['2']);
    expect(tidy(world)).toBe(0);
    world.pass(91 * DAY_MS);
    // B was never registered.
    expect(tidy(world)).toBe(1);
    expect(world.inventory.boots.list(10).map((one) => one.mac)).toEqual([A]);
  });

  it('stay while a token is for them', () => {
    const world = createWorld();
    boot(world, B);
    const [one] = world.inventory.boots.list(1);
    if (!one) throw new Error('no boot');
    world.inventory.tokens.mint(one.id, B, 'wait');
    world.pass(91 * DAY_MS);
    expect(tidy(world)).toBe(0);
    world.inventory.tokens.forget(world.clock());
    expect(tidy(world)).toBe(1);
  });

  it('go in bounded steps, past any number that stays', () => {
    const world = createWorld();
    const put = world.db.prepare(
      `INSERT INTO boots (id, mac, client, arch, started_at, last_at) VALUES (?, ?, 'ipxe', 'x', ?, ?)`,
    );
    const rows = limit('compactionRowsMax');
    const now = world.clock();
    world.inventory.transaction(() => {
      // Begun at one moment, as after a power cut; every other one is not over.
      for (let n = 0; n < 3 * rows; n++)
        put.run(`b${n}`, `m${n}`, now, n % 2 === 0 ? now : now + 100 * DAY_MS);
    });
    world.pass(91 * DAY_MS);
    expect(tidy(world)).toBe((3 * rows) / 2);
    expect(count(world, 'boots')).toBe((3 * rows) / 2);
  });

  it('are remembered by an operating system as long as they run, also after a restart', () => {
    const world = createWorld();
    boot(world, A);
    const again = () => createWorld(world.db);
    const other = again();
    other.time.now = world.time.now;
    const os = { mac: A, client: 'os', arch: '', hardwarename: undefined } as const;
    for (const one of [world, other]) {
      one.pass(limit('bootIdleMs') - 1000);
      expect(one.inventory.boots.sight(os)).toMatchObject({ begun: false });
      one.dhcp(dhcpPacket({ mac: B, type: 1, client: 'ipxe' }));
    }
    other.pass(limit('bootIdleMs') + 1000);
    expect(other.inventory.boots.sight(os)).toBeUndefined();
  });
});

describe('reports', () => {
  it('are kept as received, the last few of each machine', () => {
    const world = createWorld();
    const most = limit('reportsKeptMax');
    for (let n = 1; n <= most + 3; n++) boot(world, A, String(n));
    boot(world, B, 'other');
    expect(versions(world)).toEqual([
      ...Array.from({ length: most }, (_, n) => String(n + 4)),
      'other',
    ]);
    // Said before, by an older boot: it is the newest now.
    boot(world, A, '4');
    boot(world, A, 'new');
    expect(versions(world)).toEqual([...['6', '7', '8', 'other', '4', 'new']]);
  });
});
