import { describe, expect, it } from 'vitest';
import type { Hardwarename } from '../../../../src/wire/ids.ts';
import { deliver } from '../../../support/deliver.ts';
import { createPeople, type People, problemOf } from '../../../support/people.ts';
import { report } from '../../../support/reports.ts';
import { ipv4, mac } from '../../../support/world.ts';

const M1 = '52:54:00:77:00:01';
const M2 = '52:54:00:77:00:02';

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

  it('are nobody’s else in DNS: in another spelling, by a hardwarename, or by a record that a person wrote', async () => {
    const people = await named({
      all: { pattern: '{role}{n}' },
      own: { role: 'me', pattern: '{serial}' },
    });
    const edit = (serial: string, hostname: string) =>
      people.admin('PATCH', `/machines/${serial}`, { body: { hostname }, version: '*' });
    await edit('SN-2', 'web1.lab.example');
    await people.admin('POST', '/machines', { body: { serial: 'WEB2' } });
    const record = people.world.db.prepare(
      `INSERT INTO dns_records (id, name, type, ttl, data, note, created_at) VALUES (?, ?, ?, 60, ?, '', 0)`,
    );
    record.run('1', 'Web3.lab.example.', 'cname', 'www');
    record.run('2', 'web4', 'A', '10.0.0.9');
    record.run('3', 'web5', 'TXT', '"beside it"');
    expect((await name(people, 'SN-1', 'web')).body.hostname).toBe('web5');
    for (const [hostname, expected] of [
      ['web1', '409 HOSTNAME_TAKEN /hostname'],
      ['web2', '409 HOSTNAME_TAKEN /hostname'],
      ['web2.lab.example', '409 HOSTNAME_TAKEN /hostname'],
    ] as const)
      expect(problemOf(await edit('SN-3', hostname))).toBe(expected);
    expect((await edit('SN-3', 'web1.other.example')).status).toBe(200);
    // Its own hardwarename is nobody's else, and so is the name that it has in another spelling.
    expect((await name(people, 'SN-3', 'me')).body.hostname).toBe('sn-3');
    expect((await edit('SN-2', 'web1')).status).toBe(200);
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
