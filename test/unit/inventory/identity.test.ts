import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { hardwarenameOf, isUsableSerial, usableUuid } from '../../../src/inventory/identity.ts';
import {
  assertTransition,
  MACHINE_STATES,
  STATE_RULES,
  TRANSITIONS,
} from '../../../src/inventory/states.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import { deliver } from '../../support/deliver.ts';
import { bytesOf, report } from '../../support/reports.ts';
import { createWorld, dhcpPacket, mac, type World } from '../../support/world.ts';

const find = (world: World, name: string) =>
  world.inventory.machines.byHardwarename(name as Hardwarename);
const M1 = '52:54:00:00:00:01';
const M2 = '52:54:00:00:00:02';
const M3 = '52:54:00:00:00:03';
const UUID = '4c4c4544-0042-3510-8052-b4c04f4e3732';
const OTHER_UUID = '4c4c4544-0042-3510-8052-b4c04f4e3799';

describe('the rows of docs/identity.md', () => {
  it('a first report with a usable serial is a new machine, available', () => {
    const world = createWorld();
    expect(deliver(world, report({ serial: ' sn-7 x ', macs: [M1] }))).toMatchObject({
      hardwarename: 'SN-7-X',
      serial: 'sn-7 x',
      state: 'available',
    });
    expect(world.eventNames()).toContain('machine.registered');
  });

  it('the same serial with a shared MAC is the same machine; NICs are recorded changes', () => {
    const world = createWorld();
    deliver(world, report({ macs: [M1, M2] }));
    const again = deliver(world, report({ macs: [M1, M3] }));
    expect(again).toMatchObject({ hardwarename: 'SN-0001', state: 'available' });
    expect(again.nics.map((nic) => nic.mac)).toEqual([M1, M3]);
    const changed = world.inventory.events
      .after(0, 1000)
      .find(({ name }) => name === 'machine.changed');
    expect(changed?.data).toMatchObject({
      changes: [
        { part: 'nic', change: 'removed' },
        { part: 'nic', change: 'added' },
      ],
    });
    expect(world.inventory.machines.list()).toHaveLength(1);
  });

  it('a replaced disk is a recorded change', () => {
    const world = createWorld();
    deliver(world, report());
    deliver(world, report({ disks: [{ name: 'vda', serial: 'DISK-2', sizeBytes: 2 ** 31 }] }));
    const changed = world.inventory.events
      .after(0, 1000)
      .find(({ name }) => name === 'machine.changed');
    expect(changed?.data).toMatchObject({
      changes: [
        { part: 'disk', change: 'removed' },
        { part: 'disk', change: 'added' },
      ],
    });
  });

  it('all NICs replaced, but UUID and a disk agree: the same machine', () => {
    const world = createWorld();
    deliver(world, report({ macs: [M1] }));
    expect(deliver(world, report({ macs: [M2] }))).toMatchObject({
      hardwarename: 'SN-0001',
      state: 'available',
    });
  });

  it.each([
    ['first a, then b', [M1, M2]],
    ['first b, then a', [M2, M1]],
  ])('a serial twice is a conflict, both held, whoever is first: %s', (_order, macs) => {
    const world = createWorld();
    for (const one of macs) {
      deliver(
        world,
        report({ serial: 'TWIN-1', macs: [one], uuid: one === M1 ? UUID : OTHER_UUID }),
      );
    }
    const [a, b] = world.inventory.machines.list();
    expect([a?.state, b?.state]).toEqual(['held', 'held']);
    expect([a?.conflictWith, b?.conflictWith]).toEqual([b?.hardwarename, a?.hardwarename]);
    expect(world.eventNames().filter((name) => name === 'machine.conflict')).toHaveLength(2);
    // Each is recognised by its own NICs from now on.
    for (const one of macs) {
      deliver(
        world,
        report({ serial: 'TWIN-1', macs: [one], uuid: one === M1 ? UUID : OTHER_UUID }),
      );
    }
    expect(world.inventory.machines.list()).toHaveLength(2);
  });

  it('a conflict does not disturb a machine that is in use', () => {
    const world = createWorld();
    const first = deliver(world, report({ serial: 'TWIN-1', macs: [M1] }));
    world.inventory.machines.transition(first.hardwarename, 'installing', {
      by: 'job',
      why: 'test',
    });
    world.inventory.machines.transition(first.hardwarename, 'in-use', { by: 'job', why: 'test' });
    deliver(world, report({ serial: 'TWIN-1', macs: [M2], uuid: OTHER_UUID }));
    expect(find(world, 'TWIN-1')).toMatchObject({ state: 'in-use' });
  });

  it('a new serial takes over a NIC of another machine, with an event on both', () => {
    const world = createWorld();
    deliver(world, report({ serial: 'OLD-1', macs: [M1, M2] }));
    const other = deliver(world, report({ serial: 'NEW-1', macs: [M2, M3], uuid: OTHER_UUID }));
    expect(other).toMatchObject({ hardwarename: 'NEW-1', state: 'available' });
    expect(find(world, 'OLD-1')?.nics.map((nic) => nic.mac)).toEqual([M1]);
    const moved = world.inventory.events.after(0, 1000).filter(({ name }) => name === 'nic.moved');
    expect(moved.map(({ hardwarename }) => hardwarename).sort()).toEqual(['NEW-1', 'OLD-1']);
  });

  it('a changed serial on the same NICs and UUID is held, under its old name', () => {
    const world = createWorld();
    deliver(world, report({ serial: 'OLD-1', macs: [M1] }));
    expect(deliver(world, report({ serial: 'NEW-1', macs: [M1] }))).toMatchObject({
      hardwarename: 'OLD-1',
      state: 'held',
    });
    expect(find(world, 'OLD-1')?.stateWhy).toBe('its serial changed from OLD-1 to NEW-1');
  });

  it.each(['To Be Filled By O.E.M.', '', '0123456789', 'xxxxxxxx', ' Default string '])(
    'serial %j: named by its MAC, held, and found again',
    (serial) => {
      const world = createWorld();
      const body = report({ serial, macs: [M1], uuid: '03000200-0400-0500-0006-000700080009' });
      const machine = deliver(world, body);
      expect(machine).toMatchObject({ hardwarename: 'MAC-525400000001', state: 'held' });
      expect(machine.stateWhy).toMatch(/^no usable serial/);
      deliver(world, { ...body, disks: [] });
      expect(world.inventory.machines.list()).toHaveLength(1);
    },
  );

  it('a nameless machine that gets a serial stays held, under its name, and says which serial', () => {
    const world = createWorld();
    deliver(world, report({ serial: '', macs: [M1] }));
    const machine = deliver(world, report({ serial: 'NOW-1', macs: [M1] }));
    expect(machine).toMatchObject({ hardwarename: 'MAC-525400000001', state: 'held' });
    expect(machine.stateWhy).toBe('it now has the serial NOW-1: a person confirms it');
  });

  it('a machine that loses its serial is held, and keeps the serial on record', () => {
    const world = createWorld();
    deliver(world, report({ serial: 'SN-9', macs: [M1] }));
    const machine = deliver(world, report({ serial: 'Default string', macs: [M1] }));
    expect(machine).toMatchObject({ hardwarename: 'SN-9', serial: 'SN-9', state: 'held' });
    expect(machine.stateWhy).toMatch(/^its serial SN-9 is gone/);
  });

  it('a report is never lost over a name', () => {
    const world = createWorld();
    deliver(world, report({ serial: '', macs: [M1, M2] }));
    expect(deliver(world, report({ serial: 'TAKES-1', macs: [M1, M3] })).hardwarename).toBe(
      'TAKES-1',
    );
    const nameless = deliver(world, report({ serial: '', macs: [M1, M2] }));
    expect(nameless).toMatchObject({ hardwarename: 'MAC-525400000001-2', state: 'held' });
  });

  it('the board serial names a machine whose system serial is a placeholder', () => {
    const body = report({ serial: 'System Serial Number', macs: [M1] });
    const machine = deliver(createWorld(), {
      ...body,
      dmi: { ...body.dmi, board: { serial: 'BRD-5' } },
    });
    expect(machine).toMatchObject({ hardwarename: 'BRD-5', state: 'available' });
  });

  it('two machines without a serial are two records', () => {
    const world = createWorld();
    deliver(world, report({ serial: '', macs: [M1] }));
    deliver(world, report({ serial: '', macs: [M2] }));
    expect(world.inventory.machines.list().map((machine) => machine.hardwarename)).toEqual([
      'MAC-525400000001',
      'MAC-525400000002',
    ]);
  });

  it('two serials that fold to one name are two records', () => {
    const world = createWorld();
    deliver(world, report({ serial: 'AB#1', macs: [M1] }));
    const second = deliver(world, report({ serial: 'AB 1', macs: [M2], uuid: OTHER_UUID }));
    expect(second).toMatchObject({ hardwarename: 'MAC-525400000002', state: 'held' });
    expect(find(world, 'AB-1')).toMatchObject({ serial: 'AB#1' });
  });
});

describe('delivery', () => {
  function ready() {
    const world = createWorld();
    world.dhcp(dhcpPacket({ mac: mac(M1), type: 1, client: 'ipxe' }));
    const boot = world.inventory.boots.latest(mac(M1));
    if (!boot) throw new Error('no boot');
    return { world, token: world.inventory.tokens.mint(boot.id, mac(M1), 'boot') };
  }
  const code = (run: () => unknown) => {
    try {
      run();
    } catch (error) {
      return error instanceof AppError ? `${error.code} ${error.path ?? ''}`.trim() : String(error);
    }
    return 'accepted';
  };

  it('answers a repeated report again and changes nothing', () => {
    const { world, token } = ready();
    const body = bytesOf(report({ macs: [M1] }));
    expect(world.inventory.ingest({ token, body }).repeated).toBe(false);
    const before = world.inventory.events.lastId();
    expect(world.inventory.ingest({ token, body })).toMatchObject({
      repeated: true,
      machine: { hardwarename: 'SN-0001' },
    });
    expect(world.inventory.events.lastId()).toBe(before);
  });

  it.each<[string, string, Uint8Array]>([
    ["another machine's token", 'TOKEN_MISMATCH /nics', bytesOf(report({ macs: [M2] }))],
    ['no JSON', 'REPORT_INVALID', Uint8Array.of(0xff, 0xfe)],
    [
      'a bad MAC',
      'REPORT_INVALID /nics/0/mac',
      bytesOf({ ...report({ macs: [M1] }), nics: [{ name: 'eth0', mac: 'zz' }] }),
    ],
    [
      'an unknown field',
      'REPORT_INVALID /nics/0/colour',
      bytesOf({ ...report({ macs: [M1] }), nics: [{ name: 'eth0', mac: M1, colour: 'red' }] }),
    ],
    ['one MAC twice', 'REPORT_INVALID /nics/1/permanentMac', bytesOf(report({ macs: [M1, M1] }))],
    [
      'a boot MAC that is none of its NICs',
      'REPORT_INVALID /bootMac',
      bytesOf({ ...report({ macs: [M1] }), bootMac: M3 }),
    ],
    ['another schema', 'REPORT_INVALID /schema', bytesOf({ ...report({ macs: [M1] }), schema: 2 })],
  ])('refuses %s with %s, and says so in the feed', (_what, expected, body) => {
    const { world, token } = ready();
    expect(code(() => world.inventory.ingest({ token, body }))).toBe(expected);
    expect(world.inventory.machines.list()).toEqual([]);
    expect(world.eventNames().at(-1)).toBe('recon.refused');
  });

  it('refuses a second, different report of one boot', () => {
    const { world, token } = ready();
    world.inventory.ingest({ token, body: bytesOf(report({ macs: [M1] })) });
    expect(
      code(() =>
        world.inventory.ingest({ token, body: bytesOf(report({ serial: 'OTHER', macs: [M1] })) }),
      ),
    ).toBe('REPORT_CHANGED');
  });

  it('leaves nothing behind when it breaks at any statement, and works when it is delivered again', () => {
    const tables = ['machines', 'nics', 'reports', 'events', 'boots'];
    for (const table of tables) {
      const { world, token } = ready();
      const body = bytesOf(report({ macs: [M1] }));
      const count = () =>
        tables.map(
          (name) =>
            (world.db.prepare(`SELECT count(*) AS n FROM ${name}`).get() as { n: number }).n,
        );
      const before = count();
      const verb = table === 'boots' ? 'UPDATE' : 'INSERT';
      world.db.exec(
        `CREATE TRIGGER broken BEFORE ${verb} ON ${table} BEGIN SELECT raise(ABORT, 'power cut'); END`,
      );
      expect(() => world.inventory.ingest({ token, body })).toThrow('power cut');
      expect(count()).toEqual(before);
      world.db.exec('DROP TRIGGER broken');
      expect(world.inventory.ingest({ token, body })).toMatchObject({
        repeated: false,
        machine: { state: 'available' },
      });
    }
  });
});

describe('names', () => {
  it('usable serials and UUIDs', () => {
    for (const bad of [
      '',
      '0',
      'N/A',
      'none',
      'OEM',
      '........',
      '00000000',
      'FFFFFFFF',
      'abc-0123456789',
      'To be filled by O.E.M.',
    ]) {
      expect(isUsableSerial(bad), bad).toBe(false);
    }
    for (const good of ['C0MPUT3', 'SN-0001', 'J12', '5CG1234ABC'])
      expect(isUsableSerial(good), good).toBe(true);
    for (const bad of [
      '',
      'x',
      '00000000-0000-0000-0000-000000000000',
      'ffffffff-ffff-ffff-ffff-ffffffffffff',
      '03000200-0400-0500-0006-000700080009',
      '4c4c4544-0000-2010-8020-80c04f202020',
    ]) {
      expect(usableUuid(bad), bad).toBeUndefined();
    }
    expect(usableUuid(UUID.toUpperCase())).toBe(UUID);
  });

  it('are safe', () => {
    expect(hardwarenameOf('..a/../b c..')).toBe('A-..-B-C');
    expect(hardwarenameOf('x'.repeat(300))).toHaveLength(63);
  });
});

describe('states', () => {
  it('allows exactly the transitions of the table, and names the legal ones', () => {
    for (const from of ['unknown', ...MACHINE_STATES] as const) {
      for (const to of MACHINE_STATES) {
        for (const by of ['recon', 'operator', 'owner', 'job'] as const) {
          const legal = TRANSITIONS.some(
            (row) => row.from === from && row.to === to && row.by === by,
          );
          if (legal) expect(() => assertTransition(from, to, by)).not.toThrow();
          else expect(() => assertTransition(from, to, by)).toThrow(/is not legal; legal: /);
        }
      }
    }
  });

  it('docs/states.md lists the same table', () => {
    const text = readFileSync('docs/states.md', 'utf8');
    const rows = [...text.matchAll(/^\| `([a-z-]+)` \| `([a-z-]+)` \| ([a-z]+) \| (.*) \|$/gm)].map(
      (row) => row.slice(1, 5),
    );
    expect(rows).toEqual(TRANSITIONS.map(({ from, to, by, why }) => [from, to, by, why]));
  });

  it('docs/states.md lists what each state waits for', () => {
    const text = readFileSync('docs/states.md', 'utf8');
    const rows = [...text.matchAll(/^\| `([a-z-]+)` \| (\d*) ?\| ([^|]*) \|$/gm)].map((row) =>
      row.slice(1),
    );
    const rules = Object.entries(STATE_RULES).map(([state, { deadlineMs, next }]) => [
      state,
      deadlineMs === undefined ? '' : String(deadlineMs / 3_600_000),
      next,
    ]);
    expect(rows).toEqual(rules);
  });
});
