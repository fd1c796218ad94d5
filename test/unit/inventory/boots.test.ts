import Sqlite from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import type { NewEvent } from '../../../src/events.ts';
import { openInventory } from '../../../src/inventory/inventory.ts';
import { migrate } from '../../../src/inventory/schema.ts';
import { createStallWatch } from '../../../src/inventory/stall-watch.ts';
import { limit } from '../../../src/limits.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { createWorld, dhcpPacket, mac } from '../../support/world.ts';

const A = mac('52:54:00:00:00:0a');
const B = mac('52:54:00:00:00:0b');
type Client = 'bios' | 'uefi' | 'http' | 'ipxe' | 'os';

/** Boots after this sequence of DISCOVERs, each two seconds after the one before; words are things that happen. */
function boots(sequence: readonly (Client | 'script' | 'binary' | 'hour' | 'minute')[]): number {
  const world = createWorld();
  for (const what of sequence) {
    const boot = world.inventory.boots.latest(A);
    if (what === 'hour') world.pass(3_700_000);
    else if (what === 'minute') world.pass(66_000);
    else if (what === 'script') boot && world.inventory.boots.scriptServed(boot.id);
    else if (what === 'binary') boot && world.inventory.boots.binaryServed(boot.id);
    else world.dhcp(dhcpPacket({ mac: A, type: 1, client: what }));
    world.pass(2000);
  }
  return world.inventory.boots.list(100).length;
}

describe('what is one boot', () => {
  it.each<[string, number, Parameters<typeof boots>[0]]>([
    ['firmware asking again', 1, ['bios', 'bios', 'bios']],
    [
      'firmware, its binary, iPXE, its script, Linux',
      1,
      ['bios', 'binary', 'ipxe', 'script', 'os', 'os'],
    ],
    ['a ROM iPXE and Linux', 1, ['ipxe', 'ipxe', 'script', 'os']],
    ['HTTP Boot and iPXE', 1, ['http', 'http', 'ipxe', 'script', 'os']],
    ['a ROM iPXE after a reboot', 2, ['ipxe', 'script', 'os', 'ipxe']],
    ['firmware after a reboot', 2, ['bios', 'binary', 'ipxe', 'script', 'os', 'bios']],
    ['firmware again after its binary did not run', 2, ['bios', 'binary', 'bios']],
    ['firmware again after it had given up', 2, ['bios', 'minute', 'bios']],
    ['a system long after its boot, which begins none', 1, ['ipxe', 'script', 'os', 'hour', 'os']],
    ['a system that was never booted by us', 0, ['os', 'os']],
  ])('%s: %i', (_what, expected, sequence) => expect(boots(sequence)).toBe(expected));
});

it('boots go on as they would when the clock is set back', () => {
  const world = createWorld();
  const ask = (client: Client) => {
    world.dhcp(dhcpPacket({ mac: A, type: 1, client }));
    world.pass(2000);
    return world.inventory.boots.latest(A)?.id;
  };
  const before = ask('ipxe');
  if (before) world.inventory.boots.scriptServed(before);
  world.pass(-1_800_000);
  const after = ask('bios');
  expect(after).not.toBe(before);
  expect([ask('bios'), ask('ipxe'), ask('ipxe')]).toEqual([after, after, after]);
  if (after) world.inventory.boots.scriptServed(after);
  expect(ask('os')).toBe(after);
  expect(world.inventory.boots.list(10)).toHaveLength(2);
});

it('boots after a clock that was a year ahead begin now, and are the newest', () => {
  const world = createWorld();
  const { boots } = world.inventory;
  const YEAR = 31_536_000_000;
  const ask = (client: Client, of = A) => {
    world.dhcp(dhcpPacket({ mac: of, type: 1, client }));
    return boots.latest(of);
  };
  world.pass(YEAR);
  const old = [ask('ipxe')?.id];
  if (old[0]) boots.scriptServed(old[0]);
  world.pass(5000);
  old.push(ask('ipxe')?.id);
  world.pass(30_000);
  ask('os', A);
  const running = ask('ipxe', B);
  world.pass(-YEAR);
  const now = world.inventory.boots.latest(A)?.startedAt ?? 0;
  const begun = ask('bios');
  expect(old).not.toContain(begun?.id);
  expect(begun?.startedAt).toBe(begun?.lastAt);
  expect(now - (begun?.startedAt ?? 0)).toBeGreaterThan(YEAR / 2);
  expect(boots.latest(A)?.id).toBe(begun?.id);
  // Those before it are so by their times, in their order and as long as they were; nothing is in the future.
  const ofA = boots.list(10).filter(({ mac }) => mac === A);
  expect(ofA.map(({ id }) => id)).toEqual([begun?.id, ...old.reverse()]);
  for (const one of ofA) {
    expect(one.lastAt).toBeGreaterThanOrEqual(one.startedAt);
    expect(one.lastAt).toBeLessThanOrEqual(begun?.startedAt ?? 0);
  }
  expect((ofA[1]?.startedAt ?? 0) - (ofA[2]?.startedAt ?? 0)).toBe(5000);
  // One that goes on is no shorter than nothing.
  const goesOn = ask('ipxe', B);
  expect(goesOn?.id).toBe(running?.id);
  expect(goesOn?.startedAt).toBeLessThanOrEqual(goesOn?.lastAt ?? 0);
  const unfinished = [...boots.unfinished().values()];
  expect(Math.max(...unfinished)).toBe(begun?.startedAt);
});

describe('the architecture of a boot', () => {
  /** One boot of these packets, each with its option 93, or none: what it is kept as, and what its script is for. */
  function bootOf(sequence: readonly [Client, number?][]) {
    const world = createWorld();
    for (const [client, arch] of sequence) {
      const option93 = [93, Uint8Array.of(0, arch ?? 0)] as const;
      const options = arch === undefined ? [] : [option93];
      world.dhcp(dhcpPacket({ mac: A, type: 1, client }, options));
      world.pass(2000);
    }
    const [boot, ...more] = world.inventory.boots.list(10);
    if (!boot || more.length > 0) throw new Error('these are not one boot');
    const { decision } = world.inventory.transaction(() =>
      world.desk.scriptFor(boot, 'x' as never, { url: 'http://10.0.0.1:8080', loader: 'ipxe' }),
    );
    return [boot.arch, decision.delivery.kind];
  }

  it.each<[string, Parameters<typeof bootOf>[0], string, string]>([
    ['an iPXE, after a loader that did not say', [['bios'], ['ipxe', 11]], 'uefi-arm64', 'refusal'],
    [
      'the processor that firmware asks for next',
      [
        ['uefi', 6],
        ['uefi', 7],
      ],
      'uefi-x64',
      'script',
    ],
    ['an iPXE, whatever pxeimage says', [['ipxe', 11], ['os']], 'uefi-arm64', 'refusal'],
  ])('is that of %s: the script is for what DHCP has answered', (_what, sequence, arch, kind) =>
    expect(bootOf(sequence)).toEqual([arch, kind]),
  );
});

describe('the event feed', () => {
  it('wakes followers for what was gathered, though the transaction after it fails', () => {
    const inventory = openInventory({
      ...{ db: new Sqlite(':memory:'), clock: () => 1_700_000_000_000 as Millis },
      gather: { later: () => undefined, onError: (error) => expect.fail(String(error)) },
    });
    const seen: number[] = [];
    inventory.events.follow(() => seen.push(inventory.events.lastId()));
    inventory.soon(() =>
      inventory.events.append({ name: 'daemon.started', data: { version: '1', pid: 1 } }),
    );
    expect(seen).toEqual([]);
    expect(() =>
      inventory.transaction(() => {
        inventory.events.append({ name: 'daemon.started', data: { version: '1', pid: 2 } });
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(seen).toEqual([1]);
  });

  it('wakes followers after the commit, and never for what was rolled back', () => {
    const { inventory } = createWorld();
    const seen: number[] = [];
    inventory.events.follow(() => seen.push(inventory.events.lastId()));
    inventory.transaction(() => {
      inventory.transaction(() =>
        inventory.events.append({ name: 'daemon.started', data: { version: '1', pid: 1 } }),
      );
      expect(seen).toEqual([]);
    });
    expect(seen).toEqual([1]);
    expect(() =>
      inventory.transaction(() => {
        inventory.events.append({ name: 'daemon.started', data: { version: '1', pid: 2 } });
        throw new Error('no');
      }),
    ).toThrow('no');
    inventory.transaction(() => undefined);
    expect(inventory.events.after(0, 10)).toHaveLength(1);
  });

  it('tells who follows machines of guests now and then only, of machines at once', () => {
    const world = createWorld();
    const { inventory } = world;
    const [all, machines] = [{ woken: 0 }, { woken: 0 }];
    inventory.events.follow(() => void all.woken++);
    inventory.events.follow(() => void machines.woken++, 'machines');
    const guest = () => {
      const data = { address: '10.0.0.1' };
      inventory.transaction(() => inventory.events.append({ name: 'dhcp.released', mac: A, data }));
    };
    for (let n = 0; n < 50; n++) guest();
    expect([all.woken, machines.woken]).toEqual([50, 1]);
    inventory.transaction(() =>
      inventory.events.append({
        ...{ name: 'dhcp.released', mac: A, data: { address: '10.0.0.1' } },
        hardwarename: 'C0MPUT3' as never,
      }),
    );
    expect(machines.woken).toBe(2);
    inventory.transaction(() =>
      inventory.events.append({ name: 'daemon.started', data: { version: '1', pid: 1 } }),
    );
    expect(machines.woken).toBe(3);
    world.pass(100);
    guest();
    expect([all.woken, machines.woken]).toEqual([53, 4]);
  });

  it('at once, when one of them may have lost an address by what names none', () => {
    const { inventory } = createWorld();
    let woken = 0;
    inventory.events.follow(() => void woken++, 'machines');
    const happens = (event: NewEvent) =>
      inventory.transaction(() => inventory.events.append(event));
    const data = { address: '10.0.0.1' };
    for (let n = 0; n < 3; n++) happens({ name: 'dhcp.released', mac: A, data });
    expect(woken).toBe(1);
    const declined = { ...data, quarantineSeconds: 60 };
    happens({ name: 'dhcp.declined', mac: A, data: declined });
    expect(woken).toBe(2);
    const acked = { ...data, client: 'os', bootFile: '', leaseSeconds: 60 } as const;
    happens({ name: 'dhcp.acked', mac: A, data: acked });
    expect(woken).toBe(2);
    happens({ name: 'dhcp.acked', mac: A, data: { ...acked, displaced: B } });
    expect(woken).toBe(3);
  });

  it('a rehearsal leaves nothing', () => {
    const world = createWorld();
    const shown = world.inventory.rehearse(() =>
      world.view.bootFor({
        mac: A,
        segment: world.segments[0] as never,
        client: {
          stage: 'ipxe',
          arch: 0,
          archName: 'bios',
          foreignIpxe: false,
          ipxeHttps: false,
          httpsAlone: false,
          userClass: '',
          vendorClass: '',
          hostname: '',
        },
      }),
    );
    expect(shown.options.file).toMatch(/script\.ipxe$/);
    expect(world.inventory.boots.list(10)).toEqual([]);
    expect(world.inventory.events.lastId()).toBe(0);
  });
});

describe('the schema', () => {
  it('is brought up once, and a newer one is refused', () => {
    const { db } = createWorld();
    const version = () => db.pragma('user_version', { simple: true });
    const before = version();
    migrate(db);
    expect(version()).toBe(before);
    db.pragma('user_version = 99');
    expect(() => migrate(db)).toThrow('schema 99 is newer');
  });
});

it('boots that never end are not held in memory once nothing continues them', () => {
  const world = createWorld();
  const { boots, transaction } = world.inventory;
  const watch = createStallWatch({ ...world.inventory, clock: world.clock, mono: world.clock });
  const macs = Array.from({ length: 50 }, (_, index) =>
    mac(`52:54:00:00:01:${(index + 16).toString(16)}`),
  );
  const move = (of: (typeof macs)[number]) =>
    transaction(() => boots.sight({ mac: of, client: 'os', arch: '', hardwarename: undefined }));
  for (const of of macs) {
    transaction(() => boots.sight({ mac: of, client: 'ipxe', arch: 'x', hardwarename: undefined }));
    world.pass(limit('bootIdleMs') / 10);
    // One goes on all the time.
    move(macs[0] ?? of);
    watch();
  }
  const held = [...boots.unfinished().keys()];
  expect(held.length).toBeLessThan(15);
  expect(held).toContain(boots.latest(macs[0] ?? A)?.id);
  expect(held).toContain(boots.latest(macs.at(-1) ?? A)?.id);
});

it('boots in memory are what they were after a transaction that fails, and are not read anew', () => {
  const db = new Sqlite(':memory:');
  let [reads, now] = [0, 1_700_000_000_000];
  const prepare = db.prepare.bind(db);
  db.prepare = ((sql: string) => {
    const statement = prepare(sql);
    if (!/last_at >= \? AND report_digest IS NULL/.test(sql)) return statement;
    const all = statement.all.bind(statement);
    statement.all = (...values: unknown[]) => {
      reads += 1;
      return all(...values);
    };
    return statement;
  }) as typeof db.prepare;
  const inventory = openInventory({ db, clock: () => now as Millis });
  const { boots, transaction, rehearse } = inventory;
  const sight = (of: typeof A) =>
    boots.sight({ mac: of, client: 'ipxe', arch: 'x', hardwarename: undefined })?.boot.id ??
    expect.fail();
  const fails = (run: () => void) =>
    expect(() =>
      transaction(() => {
        run();
        throw new Error('no');
      }),
    ).toThrow('no');
  // The first look is inside one that fails.
  fails(() => void sight(A));
  expect([...boots.unfinished()]).toEqual([]);
  const a = transaction(() => sight(A));
  const was = [[a, now]];
  expect(reads).toBe(2);
  now += 1000;
  fails(() => {
    sight(A);
    sight(B);
    boots.stalled(a);
  });
  expect([...boots.unfinished()]).toEqual(was);
  rehearse(() => boots.reported(a, 'x', 'M1' as never));
  expect([...boots.unfinished()]).toEqual(was);
  // What is committed stays.
  const b = transaction(() => sight(B));
  boots.touch(a);
  rehearse(() => boots.touch(b));
  expect([...boots.unfinished()].sort()).toEqual(
    [
      [a, now],
      [b, now],
    ].sort(),
  );
  expect(reads).toBe(2);
});
