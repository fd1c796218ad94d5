/** A machine that comes for the first time, with parts of one on record: docs/identity.md, "What comes back". */
import { describe, expect, it } from 'vitest';
import { machineEntrySchema } from '../../../src/inventory/machine-schema.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import { deliver } from '../../support/deliver.ts';
import { type Report, report } from '../../support/reports.ts';
import { createWorld, type World } from '../../support/world.ts';

const find = (world: World, name: string) =>
  world.inventory.machines.byHardwarename(name as Hardwarename);
const M1 = '52:54:00:00:00:01';
const M2 = '52:54:00:00:00:02';
const OTHER_UUID = '4c4c4544-0042-3510-8052-b4c04f4e3799';

/** What a person who knows only that it will come enters. */
const ENTRY = machineEntrySchema.parse({ serial: 'X-100' });

describe('a repair that replaced the mainboard', () => {
  const disk = (serial: string, wwn?: string) => [
    {
      name: 'sda',
      serial,
      sizeBytes: 2 ** 40,
      model: 'M-1',
      ...(wwn === undefined ? {} : { wwn }),
    },
  ];
  const WWN = '0x5000c500a1b2c3d4';
  const seeing = (body: Report, port: string): Report => ({
    ...body,
    nics: body.nics.map((nic) => ({ ...nic, lldp: { switch: 'sw1', port } })),
  });
  const withBoard = (body: Report, serial: string): Report => ({
    ...body,
    dmi: { ...body.dmi, board: { serial } },
  });
  const unrepaired = (serial: string, disks = disk('D-00001', WWN)) =>
    withBoard(seeing(report({ serial, macs: [M1], disks }), 'Eth1'), `${serial}-BOARD`);
  const repaired = (disks = disk('D-00001', WWN), port = 'Eth1', serial = 'NEW-1') =>
    seeing(report({ serial, macs: [M2], uuid: OTHER_UUID, disks }), port);
  const use = (world: World, name: string, ...way: readonly ['broken'?]) => {
    const { machines } = world.inventory;
    machines.transition(name as Hardwarename, 'installing', { by: 'job', why: 'test' });
    machines.transition(name as Hardwarename, 'in-use', { by: 'job', why: 'test' });
    for (const to of way)
      if (to) machines.transition(name as Hardwarename, to, { by: 'owner', why: 'test' });
  };

  it('is held beside the old record, with the mark of the data on its disks', () => {
    const world = createWorld();
    deliver(world, unrepaired('OLD-1'));
    use(world, 'OLD-1', 'broken');
    expect(deliver(world, repaired())).toMatchObject({
      ...{ hardwarename: 'NEW-1', state: 'held', mayHoldData: true, conflictWith: 'OLD-1' },
      stateWhy: `part swap: it has the disk ${WWN}, switch port sw1 Eth1 of OLD-1`,
    });
    expect(find(world, 'OLD-1')).toMatchObject({ state: 'broken', conflictWith: 'NEW-1' });
    expect(world.eventNames().filter((name) => name === 'machine.conflict')).toHaveLength(2);
    // It comes back, and stays what it is.
    expect(deliver(world, repaired())).toMatchObject({ state: 'held', mayHoldData: true });
    expect(world.eventNames().filter((name) => name === 'machine.conflict')).toHaveLength(2);
  });

  it.each([
    ['without a serial', '', 'MAC-525400000002'],
    ['under a serial that a person has entered before it came', 'SEEN-1', 'SEEN-1'],
  ])('%s it is held all the same', (_how, serial, name) => {
    const world = createWorld();
    deliver(world, unrepaired('OLD-1'));
    use(world, 'OLD-1', 'broken');
    const { serverdb, transaction } = world.inventory;
    if (serial !== '')
      transaction(() => serverdb.editor.enter({ ...ENTRY, serial }, { who: 'test', why: 'test' }));
    const machine = deliver(world, repaired(disk('D-00001', WWN), 'Eth1', serial));
    const conflict = { state: 'held', mayHoldData: true, conflictWith: 'OLD-1' };
    expect(machine).toMatchObject({ hardwarename: name, ...conflict });
    expect(machine.stateWhy).toContain('part swap');
  });

  it('a disk of a machine with data is enough, on any port; one of a machine without is not', () => {
    const world = createWorld();
    deliver(world, unrepaired('OLD-1'));
    expect(deliver(world, repaired(undefined, 'Eth7')).state).toBe('available');
    const other = createWorld();
    deliver(other, unrepaired('OLD-1'));
    use(other, 'OLD-1');
    expect(deliver(other, repaired(undefined, 'Eth7'))).toMatchObject({
      ...{ state: 'held', mayHoldData: true },
    });
    expect(find(other, 'OLD-1')?.state).toBe('in-use');
  });

  it('a disk and the port of a machine that nobody has used hold both, without a mark', () => {
    const world = createWorld();
    deliver(world, unrepaired('OLD-1'));
    expect(deliver(world, repaired())).toMatchObject({ state: 'held', mayHoldData: false });
    expect(find(world, 'OLD-1')).toMatchObject({ state: 'held', conflictWith: 'NEW-1' });
  });

  it("a board's own serial is enough", () => {
    const world = createWorld();
    deliver(world, unrepaired('OLD-1'));
    expect(
      deliver(world, withBoard(repaired(disk('E-00001'), 'Eth7'), 'OLD-1-BOARD')),
    ).toMatchObject({
      ...{ state: 'held', conflictWith: 'OLD-1' },
    });
  });

  it('a board serial that three have is nobody’s', () => {
    const world = createWorld();
    const one = (n: number) => {
      const name = `SN-10${n}`;
      const macs = [`52:54:00:00:01:0${n}`];
      return withBoard(report({ serial: name, macs, disks: [] }), 'SAME-BOARD');
    };
    const states = [1, 2, 3, 4, 5].map((n) => deliver(world, one(n)).state);
    expect(states).toEqual(['available', 'held', 'held', 'available', 'available']);
  });

  it.each([
    ['the port alone', disk('E-00001'), 'Eth1'],
    ["a serial that QEMU gives every machine's first disk", disk('QM00001'), 'Eth7'],
    ['nothing', disk('E-00001'), 'Eth7'],
  ])('%s is not', (_what, disks, port) => {
    const world = createWorld();
    deliver(world, unrepaired('OLD-1', disk('QM00001')));
    use(world, 'OLD-1', 'broken');
    expect(deliver(world, repaired(disks, port))).toMatchObject({
      ...{ hardwarename: 'NEW-1', state: 'available', mayHoldData: false },
    });
  });
});
