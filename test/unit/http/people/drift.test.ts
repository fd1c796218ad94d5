/** The policy on parts that changed between two reports. */
import { describe, expect, it } from 'vitest';
import { deliver } from '../../../support/deliver.ts';
import { createPeople, type People } from '../../../support/people.ts';
import { report } from '../../../support/reports.ts';

const put = (people: People, path: string, body: object, version: number | '*' = 0) =>
  people.admin('PUT', path, { body, version });

describe('the policy on drift', () => {
  const DIMM = { slot: 'DIMM 0', sizeBytes: 2 ** 28 };
  const usual = report();
  const bmc = (firmware: string, address: string) => ({
    bmc: { mac: '52:54:00:77:00:0b', firmware, address, inBand: true },
  });
  it.each([
    ['memory', { memory: { totalBytes: 2 ** 28, modules: [DIMM] } }, 'memory DIMM 0 0.5 GiB is '],
    ['bios', { dmi: { ...usual.dmi, bios: { vendor: 'SeaBIOS', version: '2' } } }, 'SeaBIOS 2'],
    ['bmc', bmc('2.0', '10.0.0.9'), 'bmc 52:54:00:77:00:0b 1.0 is 52:54:00:77:00:0b 2.0'],
  ])('holds capacity whose %s has changed, where it says so', async (part, changed, why) => {
    for (const holdOnChanged of [[], [part]]) {
      const people = await createPeople();
      await put(people, '/policies/drift', { holdOnLost: ['disk', 'nic'], holdOnChanged });
      deliver(people.world, { ...usual, ...bmc('1.0', '10.0.0.9') });
      const machine = deliver(people.world, { ...usual, ...bmc('1.0', '10.0.0.9'), ...changed });
      expect(machine.state).toBe(holdOnChanged.length > 0 ? 'held' : 'available');
      if (holdOnChanged.length === 0) continue;
      expect(machine.stateWhy).toMatch(/^changed since the last report: /);
      expect(machine.stateWhy).toContain(why);
    }
  });

  const withDisk = (firmware?: string, serial = 'DISK-1') => ({
    disks: [{ name: 'sda', serial, sizeBytes: 2 ** 31, ...(firmware ? { firmware } : {}) }],
  });
  const withNic = (firmware: string) => ({ nics: usual.nics.map((nic) => ({ ...nic, firmware })) });
  it.each([
    ['disk-firmware', withDisk('A1'), withDisk('A2'), 'disk-firmware DISK-1 A1 is DISK-1 A2'],
    [
      'nic-firmware',
      withNic('8.50'),
      withNic('9.00'),
      'nic-firmware 52:54:00:77:00:01 8.50 is 52:54:00:77:00:01 9.00',
    ],
  ])('tells of another %s, and holds for it', async (part, before, after, why) => {
    const people = await createPeople();
    await put(people, '/policies/drift', { holdOnChanged: [part] });
    deliver(people.world, { ...usual, ...before });
    const machine = deliver(people.world, { ...usual, ...after });
    expect([machine.state, machine.stateWhy]).toEqual([
      'held',
      `changed since the last report: ${why}`,
    ]);
    const told = people.world.inventory.events
      .after(0, 1000)
      .flatMap((event) => (event.name === 'machine.changed' ? event.data.changes : []));
    expect(told).toMatchObject([{ part, change: 'changed' }]);
  });

  it.each([
    ['that nobody knew before', withDisk(), withDisk('A2'), []],
    ['that nobody knows any more', withDisk('A1'), withDisk(), []],
    ['of another disk', withDisk('A1'), withDisk('A2', 'DISK-2'), ['disk', 'disk']],
  ])('tells of no firmware %s', async (_what, before, after, parts) => {
    const people = await createPeople();
    await put(people, '/policies/drift', { holdOnChanged: ['disk-firmware', 'nic-firmware'] });
    deliver(people.world, { ...usual, ...before });
    expect(deliver(people.world, { ...usual, ...after }).state).toBe('available');
    const told = people.world.inventory.events
      .after(0, 1000)
      .flatMap((event) => (event.name === 'machine.changed' ? event.data.changes : []));
    expect(told.map(({ part }) => part)).toEqual(parts);
  });

  it('a bill of materials asks for versions, each once', async () => {
    const people = await createPeople();
    const rule = {
      conditions: [{ fact: 'diskFirmware', contains: 'A' }],
      expect: {
        diskFirmware: 'A1',
        nicFirmware: '8.50',
        bmcFirmware: '1.0',
        biosVersion: '1.16.2',
      },
      holdOnMismatch: true,
    };
    await put(people, '/hardware-types/io', rule);
    const two = (one: string, other: string) => ({
      disks: [one, other].map((firmware, n) => ({
        ...{ name: `sd${n}`, serial: `D-${n}`, sizeBytes: 2 ** 31, firmware },
      })),
    });
    const all = { ...usual, ...withNic('8.50'), ...bmc('1.0', '10.0.0.9') };
    const met = deliver(people.world, { ...all, ...two('A1', 'A1') });
    expect([met.hardwareType, met.state]).toEqual(['io', 'available']);
    const differs = deliver(people.world, { ...all, ...two('A2', 'A1'), ...withNic('') });
    expect(differs.stateWhy).toBe(
      'not what a io has: diskFirmware is A1, A2, not A1; nicFirmware is unknown, not 8.50',
    );
  });

  it('does not hold a machine whose BMC has another address', async () => {
    const people = await createPeople();
    await put(people, '/policies/drift', { holdOnChanged: ['bmc'] });
    deliver(people.world, { ...usual, ...bmc('1.0', '10.0.0.9') });
    const machine = deliver(people.world, { ...usual, ...bmc('1.0', '10.0.0.10') });
    expect(machine.state).toBe('available');
  });

  it('is read from a record that was written before it knew changes', async () => {
    const people = await createPeople();
    await put(people, '/policies/drift', { holdOnLost: ['disk'] });
    people.world.db
      .prepare(`UPDATE records SET doc = '{"holdOnLost":["disk"]}' WHERE kind = 'policy'`)
      .run();
    deliver(people.world, usual);
    const other = { ...usual.dmi, bios: { vendor: 'SeaBIOS', version: '2' } };
    expect(deliver(people.world, { ...usual, dmi: other }).state).toBe('available');
    expect(deliver(people.world, { ...usual, disks: [] }).state).toBe('held');
    const { body } = await people.admin('GET', '/policies/drift');
    expect(body).toMatchObject({ holdOnLost: ['disk'], holdOnChanged: [] });
  });
});
