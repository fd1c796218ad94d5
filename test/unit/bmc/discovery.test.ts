/**
 * Finding out whose BMCs are on the network: simulated BMCs of a hall, the real client, registry and feed of events, one
 * simulated clock. What is looked at is what people see: the list of BMCs, the records of machines, the events.
 */
import { describe, expect, it } from 'vitest';
import { createClaimDesk } from '../../../src/bmc/claims.ts';
import { createDiscovery, type Discovery } from '../../../src/bmc/discovery.ts';
import { createBmcRegistry } from '../../../src/bmc/registry.ts';
import { type BmcSettings, bmcSchema } from '../../../src/bmc/settings.ts';
import { limit } from '../../../src/limits.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import type { Cidr } from '../../../src/wire/ipv4.ts';
import { addressOf, createHall, nameOf } from '../../support/job-hall.ts';

const MINUTE = 60_000;
const MAC = '02:00:00:00:99:01';
const CAUSE = { who: 'test', why: 'test' };

async function site(
  settings: Partial<BmcSettings> = {},
  machines = 1,
  networks: readonly Cidr[] = [],
) {
  const hall = createHall({ machines });
  const { inventory, access, desk } = hall.now;
  const { serverdb, events, transaction } = inventory;
  const { bmcs, credentials, editor } = serverdb;
  const errors: unknown[] = [];
  const disk = { full: false };
  const stores = { ...serverdb, ...inventory, clock: hall.clock };
  const registry = createBmcRegistry(stores);
  const claims = createClaimDesk(stores, networks);
  const create = (): Discovery =>
    createDiscovery({
      ...{ ...serverdb, registry, claims, access, events },
      transaction(run) {
        if (disk.full) throw new Error('database or disk is full');
        return transaction(run);
      },
      machines: inventory.machines,
      settings: { ...bmcSchema.parse({}), ...settings },
      clock: hall.clock,
      setUp: ({ hardwarename }) =>
        void desk.create({ action: 'bmc-setup', target: hardwarename, requester: 'discovery' }),
      after: (ms, callback) => hall.time.at(hall.time.now() + ms, callback),
      onError: (error) => void errors.push(error),
    });
  // The site's login opens a BMC that comes from the factory.
  const password = (name: string, username: string, secret: string) =>
    transaction(() =>
      credentials.put({ name, squad: '', username, notes: '', password: secret }, CAUSE),
    );
  password('site', 'admin', 'secret');
  const forget = (index: number) =>
    transaction(() => {
      hall.database().prepare('DELETE FROM machines WHERE hardwarename = ?').run(nameOf(index));
    });
  const seen = (mac: string, address: string) =>
    transaction(() => {
      const data = { mac, address, vendorClass: 'iDRAC', hostname: 'idrac-1' };
      events.append({ name: 'bmc.seen', data });
    });
  const told = (name: string) =>
    events
      .after(0, 10_000)
      .filter((event) => event.name === name)
      .map(({ data }) => data);
  const record = (name: Hardwarename) => inventory.machines.record(name);
  return {
    ...{ hall, registry, bmcs, editor, transaction, password, forget, seen, told, record, errors },
    ...{ create, desk, discovery: create(), disk },
  };
}

describe('a disk that is full', () => {
  it('ends nothing: what cannot be noted is tried again with each poll, until there is room', async () => {
    const { discovery, seen, forget, editor, transaction, told, hall, errors, disk } = await site();
    forget(0);
    const entry = { serial: 'LAB0001', manufacturer: 'X', product: 'Y', state: 'held', nics: [] };
    transaction(() => editor.enter(entry as never, CAUSE));
    discovery.start();
    seen(MAC, addressOf(0));
    // It has been heard of, and is being asked.
    await hall.time.pass(limit('bmcNewsMs') + 1);
    disk.full = true;
    await hall.time.pass(MINUTE);
    const polls = MINUTE / limit('bmcPollMs');
    expect(errors.length).toBeGreaterThan(polls);
    expect(errors.length).toBeLessThan(3 * polls);
    disk.full = false;
    await hall.time.pass(2 * limit('bmcPollMs'));
    expect(told('bmc.matched')).toEqual([{ bmc: MAC, address: addressOf(0), by: 'serial' }]);
    await discovery.stop();
  });
});

describe('a BMC that asks for an address', () => {
  it('is matched by the MAC that a report named, and its new address noted', async () => {
    const { discovery, seen, record, editor, transaction, told, bmcs, hall } = await site();
    transaction(() => editor.edit(nameOf(0), { bmcMac: MAC as never, bmcAddress: '' }, CAUSE));
    discovery.start();
    seen(MAC, '10.9.9.9');
    await hall.time.pass(MINUTE);
    expect(record(nameOf(0))).toMatchObject({ bmcAddress: '10.9.9.9', bmcMac: MAC });
    expect(told('bmc.matched')).toEqual([{ bmc: MAC, address: '10.9.9.9', by: 'mac' }]);
    expect(bmcs.get(MAC)).toMatchObject({ hardwarename: nameOf(0), vendorClass: 'iDRAC' });
    // Nobody had to log in.
    expect(hall.machine(0).state.carriedOut).toEqual([]);
    expect(bmcs.counts()).toEqual({ matched: 1, unmatched: 0 });
    await discovery.stop();
  });

  it('is asked who it is when nobody knows its MAC, and matched by what it says', async () => {
    const { discovery, seen, forget, editor, transaction, told, hall } = await site();
    forget(0);
    transaction(() =>
      editor.enter(
        { serial: 'LAB0001', manufacturer: 'X', product: 'Y', state: 'held', nics: [] } as never,
        CAUSE,
      ),
    );
    discovery.start();
    seen(MAC, addressOf(0));
    await hall.time.pass(MINUTE);
    expect(told('bmc.matched')).toEqual([{ bmc: MAC, address: addressOf(0), by: 'serial' }]);
    expect(told('bmc.unmatched')).toHaveLength(1);
    await discovery.stop();
  });

  it('that was looked at before its machine reported is matched once, by what the report names', async () => {
    const { discovery, seen, forget, editor, transaction, told, hall } = await site();
    forget(0);
    discovery.start();
    seen(MAC, addressOf(0));
    await hall.time.pass(MINUTE);
    expect(told('bmc.matched')).toEqual([]);
    const entry = { serial: 'LAB0001', manufacturer: 'X', product: 'Y', state: 'held', nics: [] };
    const bmc = { bmcMac: MAC, bmcAddress: addressOf(0) };
    transaction(() => editor.enter({ ...entry, ...bmc } as never, CAUSE));
    await hall.time.pass(MINUTE);
    expect(told('bmc.matched')).toEqual([{ bmc: MAC, address: addressOf(0), by: 'mac' }]);
    await discovery.stop();
  });

  it('at the address of another takes that from its machine: nobody switches the wrong one', async () => {
    const { discovery, seen, record, editor, transaction, hall } = await site({}, 2);
    const other = '02:00:00:00:99:02';
    for (const [index, bmcMac] of [MAC, other].entries())
      transaction(() => editor.edit(nameOf(index), { bmcMac: bmcMac as never }, CAUSE));
    discovery.start();
    await hall.time.pass(MINUTE);
    seen(other, addressOf(0));
    await hall.time.pass(MINUTE);
    expect(record(nameOf(0))?.bmcAddress).toBe('');
    expect(record(nameOf(1))?.bmcAddress).toBe(addressOf(0));
    await discovery.stop();
  });

  it('is found although the appliance was killed right after it was seen', async () => {
    const { create, seen, told, editor, transaction, hall } = await site();
    transaction(() => editor.edit(nameOf(0), { bmcMac: MAC as never }, CAUSE));
    seen(MAC, '10.9.9.9');
    const successor = create();
    successor.start();
    await hall.time.pass(MINUTE);
    expect(told('bmc.matched')).toHaveLength(1);
    await successor.stop();
    const third = create();
    third.start();
    await hall.time.pass(MINUTE);
    expect(told('bmc.matched')).toHaveLength(1);
    await third.stop();
  });
});

describe('a BMC that no machine is known of', () => {
  it('that does not open is tried again ever more seldom, and at once with another password', async () => {
    const { discovery, seen, forget, password, bmcs, hall } = await site();
    forget(0);
    password('site', 'admin', 'wrong');
    password('factory', 'nobody', 'x');
    discovery.start();
    seen(MAC, addressOf(0));
    await hall.time.pass(10 * MINUTE);
    expect(bmcs.get(MAC)).toMatchObject({ code: 'BMC_USER', hardwarename: '' });
    const looks = bmcs.get(MAC)?.looks ?? 0;
    expect(looks).toBeGreaterThan(1);
    expect(looks).toBeLessThan(6);
    password('site', 'admin', 'secret');
    await hall.time.pass(MINUTE);
    expect(bmcs.get(MAC)).toMatchObject({ code: '', facts: { serial: 'LAB0001' }, power: 'off' });
    await discovery.stop();
  });

  it('is listed, and its machine switched on when a person says so: by the network, once', async () => {
    const { discovery, seen, forget, registry, transaction, bmcs, told, hall } = await site();
    forget(0);
    discovery.start();
    seen(MAC, addressOf(0));
    await hall.time.pass(MINUTE);
    expect(told('bmc.wakeable')).toEqual([{ bmc: MAC, address: addressOf(0) }]);
    expect(bmcs.list({ after: '', count: 10, unmatched: true })).toMatchObject([
      { id: MAC, wake: 'wanted', facts: { serial: 'LAB0001' } },
    ]);
    await hall.time.pass(100 * MINUTE);
    expect(hall.machine(0).isOn()).toBe(false);
    transaction(() => registry.wake(MAC));
    await hall.time.pass(2 * MINUTE);
    expect(hall.machine(0).isOn()).toBe(true);
    expect(hall.machine(0).netboots()).toBe(1);
    expect(told('bmc.woken')).toEqual([
      { bmc: MAC, address: addressOf(0), attempt: 1, who: 'person' },
    ]);
    hall.machine(0).switch(false);
    await hall.time.pass(100 * MINUTE);
    expect(hall.machine(0).netboots()).toBe(1);
    await discovery.stop();
  });

  it('by policy has it switched on without asking: so many an hour, three times each', async () => {
    const count = 5;
    const { discovery, seen, forget, told, hall, bmcs } = await site(
      { wake: 'auto', wakesPerHour: 2 },
      count,
    );
    for (let index = 0; index < count; index++) forget(index);
    discovery.start();
    for (let index = 0; index < count; index++) seen(`02:00:00:00:98:0${index}`, addressOf(index));
    await hall.time.pass(30 * MINUTE);
    expect(told('bmc.woken')).toHaveLength(2);
    await hall.time.pass(150 * MINUTE);
    expect(told('bmc.woken').length).toBeGreaterThanOrEqual(count);
    expect(told('bmc.woken').length).toBeLessThanOrEqual(8);
    // Nothing comes of it: each goes off again, and is given up after three times.
    for (let hours = 0; hours < 11; hours++) {
      for (let index = 0; index < count; index++) hall.machine(index).switch(false);
      await hall.time.pass(60 * MINUTE);
    }
    expect(told('bmc.woken')).toHaveLength(3 * count);
    expect(bmcs.list({ after: '', count: 10, unmatched: true }).map(({ wake }) => wake)).toEqual(
      Array(count).fill('done'),
    );
    await discovery.stop();
  });

  it('that is on, or doubtful, is left alone', async () => {
    const { discovery, seen, forget, told, editor, transaction, hall } = await site(
      { wake: 'auto' },
      2,
    );
    forget(0);
    forget(1);
    hall.machine(0).switch(true);
    const entry = { serial: 'LAB0001', manufacturer: 'X', product: 'Y', state: 'held', nics: [] };
    transaction(() =>
      editor.enter({ ...entry, bmcMac: '02:00:00:00:77:77', bmcAddress: '' } as never, CAUSE),
    );
    discovery.start();
    seen('02:00:00:00:98:00', addressOf(0));
    seen('02:00:00:00:98:01', addressOf(1));
    await hall.time.pass(100 * MINUTE);
    expect(told('bmc.woken')).toEqual([]);
    expect(hall.machine(1).isOn()).toBe(false);
    await discovery.stop();
  });
});

describe('a person', () => {
  it('says whose it is, which outweighs the evidence', async () => {
    const { discovery, registry, seen, transaction, told, record, hall, bmcs } = await site({}, 2);
    discovery.start();
    seen(MAC, '10.9.9.9');
    await hall.time.pass(MINUTE);
    transaction(() => registry.assign(MAC, nameOf(1), 'negz'));
    expect(told('bmc.matched')).toMatchObject([{ by: 'person', who: 'negz' }]);
    expect(record(nameOf(1))).toMatchObject({ bmcMac: MAC, bmcAddress: '10.9.9.9' });
    seen(MAC, '10.9.9.10');
    await hall.time.pass(MINUTE);
    expect(record(nameOf(1))?.bmcAddress).toBe('10.9.9.10');
    expect(bmcs.get(MAC)?.matchedBy).toBe('person');
    expect(() => registry.assign(MAC, 'N0B0DY' as Hardwarename, 'negz')).toThrow(/No such machine/);
    expect(() => registry.wake(MAC)).toThrow(/ask for a job/);
    await discovery.stop();
  });
});

describe('a matched BMC', () => {
  it('is set up once where the site’s policy says so', async () => {
    const { discovery, editor, transaction, seen, desk, hall, errors } = await site({
      setUp: true,
    });
    transaction(() => editor.edit(nameOf(0), { bmcMac: MAC as never }, CAUSE));
    discovery.start();
    seen(MAC, addressOf(0));
    await hall.time.pass(10 * MINUTE);
    const jobs = desk.store.page({ kind: 'bmc-setup' }, 10);
    expect(jobs).toMatchObject([{ requester: 'discovery', status: 'finished' }]);
    await hall.time.pass(100 * MINUTE);
    expect(desk.store.page({ kind: 'bmc-setup' }, 10)).toHaveLength(1);
    expect(errors).toEqual([]);
    await discovery.stop();
  });
});
