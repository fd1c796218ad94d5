import { describe, expect, it } from 'vitest';
import type { Hardwarename } from '../../../../src/wire/ids.ts';
import { createPeople, type People, problemOf } from '../../../support/people.ts';
import { bytesOf, report } from '../../../support/reports.ts';
import { dhcpPacket, ipv4, mac, type World } from '../../../support/world.ts';

const M1 = '52:54:00:77:00:01';
const M2 = '52:54:00:77:00:02';

/** A report as a machine delivers it: boot, token, body. */
function deliver(world: World, body: ReturnType<typeof report>) {
  const bootMac = mac(body.bootMac);
  world.pass(4_000_000);
  world.dhcp(dhcpPacket({ mac: bootMac, type: 1, client: 'ipxe' }));
  const boot = world.inventory.boots.latest(bootMac);
  if (!boot) throw new Error('no boot');
  const token = world.inventory.tokens.mint(boot.id, bootMac, 'boot');
  return world.inventory.ingest({ token, body: bytesOf(body) }).machine;
}

const put = (people: People, path: string, body: object, version: number | '*' = 0) =>
  people.admin('PUT', path, { body, version });

describe('a machine that was entered before it came', () => {
  it.each([
    ['by its serial', { serial: 'SN-0001' }, 'SN-0001'],
    ['by one of its MACs', { nics: [{ mac: M1 }] }, 'MAC-525400770001'],
    ['by both', { serial: 'SN-0001', nics: [{ mac: M1 }] }, 'SN-0001'],
  ])('is found %s, keeps its place, and becomes capacity', async (_how, entry, name) => {
    const people = await createPeople();
    await people.admin('POST', '/machines', { body: { ...entry, rack: 'R7', unit: 3 } });
    const machine = deliver(people.world, report({ macs: [M1, M2] }));
    expect(machine).toMatchObject({
      ...{ hardwarename: name, state: 'available', reported: true, rack: 'R7', unit: 3 },
      memoryBytes: 2 ** 29,
    });
    expect(people.world.inventory.machines.list()).toHaveLength(1);
  });

  it('in service stays in service', async () => {
    const people = await createPeople();
    await people.admin('POST', '/machines', { body: { serial: 'SN-0001', state: 'in-use' } });
    expect(deliver(people.world, report())).toMatchObject({ state: 'in-use', reported: true });
  });

  it('with another MAC than it reports is a conflict', async () => {
    const people = await createPeople();
    await people.admin('POST', '/machines', {
      body: { serial: 'SN-0001', nics: [{ mac: '52:54:00:99:00:01' }] },
    });
    expect(deliver(people.world, report())).toMatchObject({
      state: 'held',
      conflictWith: 'SN-0001',
    });
  });
});

describe('racks', () => {
  it('place a machine by the switch that it sees, and never against a person', async () => {
    const people = await createPeople();
    await put(people, '/racks/R1', { site: 'lon', switches: ['sw1'], ports: { Ethernet4: 12 } });
    const seen = (name: string, port: string) => {
      const body = report();
      const [nic] = body.nics;
      return { ...body, nics: [{ ...nic, lldp: { switch: name, port } }] } as typeof body;
    };
    expect(deliver(people.world, seen('sw1', 'Ethernet4'))).toMatchObject({
      ...{ rack: 'R1', unit: 12, site: 'lon', locatedBy: 'lldp' },
      nics: [{ switch: 'sw1', port: 'Ethernet4' }],
    });
    await put(people, '/racks/R2', { switches: ['sw2'] });
    expect(deliver(people.world, seen('sw2', 'x'))).toMatchObject({ rack: 'R2' });
    await people.admin('PATCH', '/machines/SN-0001', { body: { rack: 'R9' }, version: '*' });
    expect(deliver(people.world, seen('sw1', 'Ethernet4'))).toMatchObject({
      rack: 'R9',
      locatedBy: 'person',
    });
  });

  it('share no switch, and stay while a machine is in them', async () => {
    const people = await createPeople();
    await put(people, '/racks/R1', { switches: ['sw1'], units: 10 });
    expect(problemOf(await put(people, '/racks/R2', { switches: ['sw1'] }))).toBe(
      '409 ALREADY_EXISTS /switches',
    );
    const enter = (unit: number) =>
      people.admin('POST', '/machines', {
        body: { serial: `SN-${unit}00`, rack: 'R1', unit, height: 2 },
      });
    expect(problemOf(await enter(10))).toBe('400 REQUEST_INVALID /unit');
    expect((await enter(9)).status).toBe(201);
    expect(problemOf(await people.admin('DELETE', '/racks/R1', { version: '*' }))).toBe(
      '409 STILL_REFERENCED',
    );
  });

  it('are replaced only at the version that was read', async () => {
    const people = await createPeople();
    await put(people, '/racks/R1', { units: 48 });
    expect(problemOf(await put(people, '/racks/R1', { units: 50 }))).toBe('412 VERSION_CONFLICT');
    expect((await put(people, '/racks/R1', { units: 50 }, 1)).body).toMatchObject({
      version: 2,
      units: 50,
    });
    expect((await people.admin('GET', '/racks?limit=1')).body.items).toMatchObject([
      { name: 'R1' },
    ]);
    const event = people.world.inventory.events.after(0, 1000).at(-1);
    expect(event?.data).toMatchObject({
      kind: 'rack',
      before: { units: 48 },
      after: { units: 50 },
    });
  });
});

describe('addresses', () => {
  it('asked for twice change nothing the second time', async () => {
    const people = await createPeople();
    await people.admin('PUT', '/subnets/net', { body: { cidr: '10.0.0.0/29' }, version: 0 });
    await people.admin('POST', '/machines', { body: { serial: 'SN-1', nics: [{ mac: M1 }] } });
    const ask = () =>
      people.admin('POST', '/machines/SN-1/addresses', { body: { mac: M1, subnet: 'net' } });
    const version = async () => (await people.admin('GET', '/machines/SN-1')).body.machine.version;
    const first = await ask();
    const [before, events] = [await version(), people.world.inventory.events.lastId()];
    expect((await ask()).body).toEqual(first.body);
    expect([await version(), people.world.inventory.events.lastId()]).toEqual([before, events]);
  });

  async function subnet(): Promise<People> {
    const people = await createPeople();
    await put(people, '/subnets/prod', { cidr: '10.1.0.0/29', gateway: '10.1.0.1' });
    await people.admin('POST', '/machines', {
      body: {
        serial: 'SN-1',
        hostname: 'web1',
        nics: [{ mac: M1 }, { mac: M2 }],
        bmcMac: '52:54:00:77:00:0b',
      },
    });
    return people;
  }
  const reserve = (people: People, of: string, address?: string) =>
    people.admin('POST', '/machines/SN-1/addresses', {
      body: { mac: of, subnet: 'prod', ...(address ? { address } : {}) },
    });

  it('are the lowest free ones, one for a NIC, and reserved for DHCP and DNS', async () => {
    const people = await subnet();
    expect((await reserve(people, M1)).body.address).toBe('10.1.0.2');
    expect((await reserve(people, M1)).body.address).toBe('10.1.0.2');
    expect((await reserve(people, M2, '10.1.0.5')).body.address).toBe('10.1.0.5');
    expect((await reserve(people, '52:54:00:77:00:0b')).body.address).toBe('10.1.0.3');
    const { addresses } = people.world.inventory.serverdb;
    expect(addresses.reservationFor('prod', mac(M1))).toMatchObject({
      ...{ address: ipv4('10.1.0.2'), hardwarename: 'SN-1', hostname: 'web1' },
    });
    expect(addresses.reservationFor('other', mac(M1))).toBeUndefined();
    expect(addresses.reservedAt('prod', ipv4('10.1.0.5'))).toBe(M2);
    expect(addresses.pageOfNames('', 10)).toMatchObject([
      { hostname: 'web1', addresses: [{ nic: 'eth0' }, { nic: 'bmc' }, { nic: 'eth1' }] },
    ]);
    await people.admin('DELETE', `/machines/SN-1/addresses/${M1}`);
    expect(addresses.reservationFor('prod', mac(M1))).toBeUndefined();
  });

  it('have one owner', async () => {
    const people = await subnet();
    await reserve(people, M1, '10.1.0.2');
    expect(problemOf(await reserve(people, M2, '10.1.0.2'))).toBe('409 ADDRESS_TAKEN');
    for (const address of ['10.1.0.1', '10.1.1.1', 'x'])
      expect(problemOf(await reserve(people, M2, address))).toBe('400 REQUEST_INVALID /address');
    expect(problemOf(await reserve(people, '52:54:00:00:00:99'))).toBe('400 REQUEST_INVALID /mac');
  });

  it('run out, and hold their network', async () => {
    const people = await subnet();
    const { addresses } = people.world.inventory.serverdb;
    const name = 'SN-1' as Hardwarename;
    for (let n = 0; n < 5; n++)
      addresses.reserve(
        { hardwarename: name, mac: mac(`52:54:00:00:01:0${n}`), subnet: 'prod' },
        'test',
      );
    expect(problemOf(await reserve(people, M1))).toBe('409 ADDRESSES_EXHAUSTED');
    expect(problemOf(await put(people, '/subnets/prod', { cidr: '10.1.0.0/30' }, '*'))).toBe(
      '409 STILL_REFERENCED /cidr',
    );
    expect(problemOf(await put(people, '/subnets/other', { cidr: '10.1.0.0/24' }))).toBe(
      '409 ALREADY_EXISTS /cidr',
    );
    const { body } = await people.admin('GET', '/subnets/prod/addresses?limit=3');
    expect([body.reserved, body.addresses.length, body.next]).toEqual([5, 3, '10.1.0.4']);
  });
});

describe('hostnames by rule', () => {
  const name = (people: People, serial: string, role: string) =>
    people.admin('POST', `/machines/${serial}/hostname`, { body: { role } });

  async function named(rules: Record<string, object>): Promise<People> {
    const people = await createPeople();
    for (const [rule, body] of Object.entries(rules))
      await put(people, `/naming-rules/${rule}`, body);
    for (const serial of ['SN-1', 'SN-2', 'SN-3'])
      await people.admin('POST', '/machines', { body: { serial, site: 'lon' } });
    return people;
  }

  it('count up, skip what is taken, and take the most precise rule', async () => {
    const people = await named({
      all: { pattern: '{role}-{n}.{site}' },
      db: { role: 'fancydb', pattern: 'db{n:3}', first: 7 },
      here: { role: 'fancydb', site: 'lon', pattern: 'lon-db{n:3}', first: 7 },
    });
    expect((await name(people, 'SN-1', 'fancydb')).body.hostname).toBe('lon-db007');
    await people.admin('PATCH', '/machines/SN-2', {
      body: { hostname: 'lon-db008' },
      version: '*',
    });
    expect((await name(people, 'SN-3', 'fancydb')).body.hostname).toBe('lon-db009');
    expect((await name(people, 'SN-1', 'web')).body.hostname).toBe('web-1.lon');
  });

  it('are random without words, and never twice', async () => {
    const people = await named({ r: { pattern: 'x{random:3}' } });
    const names = new Set<string>();
    for (const serial of ['SN-1', 'SN-2', 'SN-3']) {
      const { hostname } = (await name(people, serial, 'pool')).body;
      expect(hostname).toMatch(/^x[bcdfghjkmnpqrstvwxz2-9]{3}$/);
      names.add(hostname);
    }
    expect(names.size).toBe(3);
  });

  it.each([
    [{}, '404 NOT_FOUND'],
    [{ r: { pattern: '{n}-{role}-' } }, '400 REQUEST_INVALID'],
  ])('are refused without a rule that makes one: %j', async (rules, expected) => {
    expect(problemOf(await name(await named(rules), 'SN-1', 'web'))).toBe(expected);
  });

  it.each(['web', '{role}', '{n}{evil}', 'UPPER{n}', '{random:99}'])(
    'a pattern %s is none',
    async (pattern) => {
      const people = await createPeople();
      expect(problemOf(await put(people, '/naming-rules/r', { pattern }))).toBe(
        '400 REQUEST_INVALID /pattern',
      );
    },
  );
});

describe('hardware types', () => {
  const HIGH_IO = {
    conditions: [
      { fact: 'memoryBytes', atLeast: 2 ** 29 },
      { fact: 'product', contains: 'model' },
    ],
    expect: { diskCount: 1, threadCount: 2 },
    holdOnMismatch: true,
  };

  it('are given by the first rule that fits, and hold what lacks a part', async () => {
    const people = await createPeople();
    await put(people, '/hardware-types/high-io', HIGH_IO);
    await put(people, '/hardware-types/any', {
      priority: 1,
      conditions: [{ fact: 'nicCount', atLeast: 1 }],
    });
    expect(deliver(people.world, report())).toMatchObject({
      ...{ hardwareType: 'high-io', typeMismatch: '', state: 'available' },
    });
    expect(deliver(people.world, report({ disks: [] }))).toMatchObject({
      ...{ hardwareType: 'high-io', typeMismatch: 'diskCount is 0, not 1', state: 'held' },
    });
  });

  it('are applied to the reports on record when the rules change', async () => {
    const people = await createPeople();
    deliver(people.world, report());
    await put(people, '/hardware-types/high-io', HIGH_IO);
    expect((await people.admin('POST', '/hardware-types/apply')).body).toEqual({ changed: 1 });
    expect((await people.admin('POST', '/hardware-types/apply')).body).toEqual({ changed: 0 });
  });

  it('a part that is gone holds capacity where the policy says so', async () => {
    const people = await createPeople();
    await put(people, '/policies/drift', { holdOnLost: ['disk'] });
    deliver(people.world, report());
    const machine = deliver(people.world, report({ disks: [] }));
    expect(machine).toMatchObject({ state: 'held' });
    expect(machine.stateWhy).toContain('gone since the last report: disk');
  });
});

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

describe('merge and split', () => {
  it('make two records one, and give both back as they were', async () => {
    const people = await createPeople();
    const { world } = people;
    deliver(world, report({ serial: 'TWIN-1', macs: [M1] }));
    const other = deliver(
      world,
      report({ serial: 'TWIN-1', macs: [M2], uuid: '4c4c4544-0042-3510-8052-b4c04f4e3799' }),
    );
    const gone = other.hardwarename;
    await people.admin('PATCH', `/machines/${gone}`, {
      body: { rack: 'R4', hostname: 'twin' },
      version: '*',
    });
    const before = (await people.admin('GET', `/machines/${gone}`)).body.machine;
    const { likeness } = (await people.admin('GET', '/machines/TWIN-1/merges')).body;
    expect(likeness).toMatchObject({
      ...{ with: gone, shared: ['serial', 'disks'], differing: ['UUID', 'NICs'], score: 57 },
    });

    const merged = await people.admin('POST', '/machines/TWIN-1/merge', {
      body: { gone, why: 'a new board' },
    });
    expect(merged.status).toBe(201);
    const kept = world.inventory.machines.byHardwarename('TWIN-1' as Hardwarename);
    expect(kept).toMatchObject({ conflictWith: '' });
    expect(kept?.nics.map((nic) => nic.mac).sort()).toEqual([M1, M2]);
    expect(world.inventory.machines.byMac(mac(M2))?.hardwarename).toBe('TWIN-1');
    expect((await people.admin('GET', '/machines/search?q=twin')).body.hits).toHaveLength(1);

    const split = () =>
      people.admin('POST', `/merges/${merged.body.id}/split`, { body: { why: 'two after all' } });
    expect((await split()).body).toMatchObject({ undone: true });
    const after = (await people.admin('GET', `/machines/${gone}`)).body.machine;
    const { version: _a, updatedAt: _b, ...rest } = before;
    expect(after).toMatchObject(rest);
    expect(world.inventory.machines.byMac(mac(M2))?.hardwarename).toBe(gone);
    expect(problemOf(await split())).toBe('409 ALREADY_EXISTS');
  });

  it('lose no mark of data: whichever had it, both have it, and neither is capacity', async () => {
    const people = await createPeople();
    const { machines } = people.world.inventory;
    for (const serial of ['SN-1', 'SN-2']) {
      await people.admin('POST', '/machines', { body: { serial } });
      const body = { to: 'available', why: 'x' };
      await people.admin('POST', `/machines/${serial}/transitions`, { body });
    }
    const body = { gone: 'SN-2', why: 'x' };
    const merged = await people.admin('POST', '/machines/SN-1/merge', { body });
    const kept = 'SN-1' as Hardwarename;
    people.world.inventory.transaction(() => {
      machines.transition(kept, 'installing', { by: 'job', why: 'test' });
      machines.transition(kept, 'in-use', { by: 'job', why: 'test' });
      machines.transition(kept, 'broken', { by: 'owner', why: 'test' });
    });
    await people.admin('POST', `/merges/${merged.body.id}/split`, { body: { why: 'x' } });
    expect(machines.record('SN-2' as Hardwarename)).toMatchObject({
      ...{ state: 'held', mayHoldData: true },
      stateWhy: 'split from SN-1; data may be on its disks: recycle it',
    });
    const free = { to: 'available', why: 'x' };
    const answer = await people.admin('POST', '/machines/SN-2/transitions', { body: free });
    expect(problemOf(answer)).toBe('409 DISKS_NOT_CLEAN');
  });

  it('tell of a third record that was in conflict with the one that went', async () => {
    const people = await createPeople();
    const { inventory } = people.world;
    for (const serial of ['SN-1', 'SN-2', 'SN-3'])
      await people.admin('POST', '/machines', { body: { serial } });
    const [, gone, third] = ['SN-1', 'SN-2', 'SN-3'] as Hardwarename[];
    if (!gone || !third) throw new Error('three machines');
    inventory.transaction(() => inventory.machines.setConflict(third, gone));
    await people.admin('POST', '/machines/SN-1/merge', { body: { gone, why: 'one box' } });
    expect(inventory.machines.record(third)?.conflictWith).toBe('');
    expect(inventory.events.ofMachine(third, 1)).toMatchObject([
      {
        name: 'machine.edited',
        data: {
          ...{ who: 'token:admin-1', why: 'one box' },
          ...{ before: { conflictWith: 'SN-2' }, after: { conflictWith: '' } },
        },
      },
    ]);
  });

  it('never swallow a machine in use', async () => {
    const people = await createPeople();
    for (const [serial, state] of [
      ['SN-1', 'held'],
      ['SN-2', 'in-use'],
    ] as const)
      await people.admin('POST', '/machines', { body: { serial, state } });
    const merge = (kept: string, gone: string) =>
      people.admin('POST', `/machines/${kept}/merge`, { body: { gone, why: 'x' } });
    expect(problemOf(await merge('SN-1', 'SN-2'))).toBe('409 RELEASE_NEEDED');
    expect(problemOf(await merge('SN-1', 'SN-1'))).toBe('400 REQUEST_INVALID');
    expect((await merge('SN-2', 'SN-1')).status).toBe(201);
  });
});

describe('the node classifier', () => {
  it('answers by hostname and hardwarename, as JSON and as YAML', async () => {
    const people = await createPeople();
    await people.admin('POST', '/machines', {
      body: {
        serial: 'SN-1',
        hostname: 'db1.lon',
        role: 'fancy-db',
        custom: { environment: 'staging' },
      },
    });
    const { body } = await people.admin('GET', '/enc/db1.lon');
    expect(body).toMatchObject({
      environment: 'staging',
      classes: { 'role::fancy_db': {} },
      parameters: { hardwarename: 'SN-1', site: 'lab' },
    });
    const yaml = await people.admin('GET', '/enc/SN-1', {
      headers: { accept: 'application/yaml' },
    });
    expect(yaml.text).toContain('role::fancy_db: {}');
    expect(problemOf(await people.admin('GET', '/enc/nobody'))).toBe('404 MACHINE_UNKNOWN');
  });
});
