/** One owner for a MAC and for an address, whoever writes it: by edit, entry, import, bulk, merge or split. */
import { describe, expect, it } from 'vitest';
import type { Hardwarename } from '../../../../src/wire/ids.ts';
import { createPeople, type People, problemOf } from '../../../support/people.ts';
import { ipv4, mac } from '../../../support/world.ts';

const A1 = '52:54:00:0a:00:01';
const A2 = '52:54:00:0a:00:02';
const A_BMC = '52:54:00:0a:00:0b';
const B1 = '52:54:00:0b:00:01';
const B_BMC = '52:54:00:0b:00:0b';

/** AAA-1 with two NICs, a BMC and two addresses of 10.1.0.0/28 (2 for A1, 3 for its BMC), and BBB-1 with one NIC. */
async function site(): Promise<People> {
  const people = await createPeople();
  const { admin } = people;
  const body = { cidr: '10.1.0.0/28', gateway: '10.1.0.1' };
  await admin('PUT', '/subnets/net', { body, version: 0 });
  await enter(people, { serial: 'AAA-1', nics: [A1, A2], bmcMac: A_BMC, bmcAddress: '10.9.0.1' });
  await enter(people, { serial: 'BBB-1', nics: [B1] });
  for (const one of [A1, A_BMC]) await reserve(people, 'AAA-1', one);
  return people;
}

const enter = (
  { admin }: People,
  { nics = [], ...entry }: { nics?: string[]; serial: string; [field: string]: unknown },
) => admin('POST', '/machines', { body: { ...entry, nics: nics.map((one) => ({ mac: one })) } });
const reserve = ({ admin }: People, name: string, of: string, address?: string) =>
  admin('POST', `/machines/${name}/addresses`, {
    body: { mac: of, subnet: 'net', ...(address ? { address } : {}) },
  });
const edit = ({ admin }: People, name: string, body: object) =>
  admin('PATCH', `/machines/${name}`, { body, version: '*' });

describe('a BMC on record', () => {
  const FOREIGN: readonly (readonly [string, object, string])[] = [
    ['the MAC of another BMC', { bmcMac: A_BMC }, '/bmcMac'],
    ['the MAC of a NIC of another machine', { bmcMac: A1 }, '/bmcMac'],
    ['the address of another BMC', { bmcAddress: '10.9.0.1' }, '/bmcAddress'],
    ['an address that is reserved for another NIC', { bmcAddress: '10.1.0.2' }, '/bmcAddress'],
  ];

  it.each(FOREIGN)('is not %s: by edit, entry, bulk and import', async (_what, fields, path) => {
    const people = await site();
    const before = people.world.inventory.machines.record('BBB-1' as Hardwarename);
    const refused = await edit(people, 'BBB-1', fields);
    expect(problemOf(refused)).toBe(`409 ADDRESS_TAKEN ${path}`);
    expect(refused.body.detail).toContain('AAA-1');
    expect(problemOf(await enter(people, { serial: 'CCC-1', ...fields }))).toBe(
      `409 ADDRESS_TAKEN ${path}`,
    );
    const { admin } = people;
    const bulk = { machines: ['BBB-1'], edit: fields, why: 'x' };
    const many = [
      await admin('POST', '/machines/bulk', { body: bulk }),
      await admin('POST', '/machines/import', {
        body: { machines: [{ hardwarename: 'BBB-1', ...fields }] },
      }),
      await admin('POST', '/machines/import', {
        body: { machines: [{ serial: 'CCC-1', ...fields }] },
      }),
    ];
    for (const { body } of many)
      expect(body).toMatchObject({ changed: 0, results: [{ code: 'ADDRESS_TAKEN' }] });
    expect(people.world.inventory.machines.record('BBB-1' as Hardwarename)).toEqual(before);
    expect(people.world.inventory.machines.record('CCC-1' as Hardwarename)).toBeUndefined();
  });

  it('may say again what is on record, and have what nobody has any more', async () => {
    const people = await site();
    expect((await edit(people, 'AAA-1', { bmcMac: A_BMC, notes: 'x' })).status).toBe(200);
    expect((await edit(people, 'AAA-1', { bmcMac: '', bmcAddress: '' })).status).toBe(200);
    const fields = { bmcMac: A_BMC, bmcAddress: '10.9.0.1' };
    expect((await edit(people, 'BBB-1', fields)).body).toMatchObject(fields);
  });

  it('gives its reserved address back when the machine has another', async () => {
    const people = await site();
    const { addresses } = people.world.inventory.serverdb;
    expect(addresses.reservedAt('net', ipv4('10.1.0.3'))).toBe(A_BMC);
    await edit(people, 'AAA-1', { bmcMac: B_BMC });
    expect(addresses.reservedAt('net', ipv4('10.1.0.3'))).toBeUndefined();
    expect(people.world.eventNames()).toContain('address.freed');
  });

  it('may share an address where a profile tells the machines apart', async () => {
    const people = await site();
    const at = { bmcAddress: '10.9.0.1' };
    const profile = { machines: ['BBB-1'], systemId: 'node2' };
    await people.admin('PUT', '/bmc-profiles/b', { body: profile, version: 0 });
    expect((await edit(people, 'BBB-1', at)).body).toMatchObject(at);
  });

  it.each(['10.1.0.0', '10.1.0.1', '10.1.0.15'])('is not at %s', async (bmcAddress) => {
    const people = await site();
    expect(problemOf(await edit(people, 'BBB-1', { bmcAddress }))).toBe(
      '400 REQUEST_INVALID /bmcAddress',
    );
  });
});

describe('an address', () => {
  it('is reserved and freed only by the machine that has it', async () => {
    const people = await site();
    const { db, inventory } = people.world;
    // As an older version left it: BBB-1 names a NIC of AAA-1 as its BMC.
    db.prepare(`UPDATE machines SET bmc_mac = ? WHERE hardwarename = 'BBB-1'`).run(A1);
    expect(problemOf(await reserve(people, 'BBB-1', A1, '10.1.0.9'))).toBe(
      '409 ADDRESS_TAKEN /mac',
    );
    const { admin } = people;
    expect(problemOf(await admin('DELETE', `/machines/BBB-1/addresses/${A1}`))).toBe(
      '404 NOT_FOUND',
    );
    expect(inventory.serverdb.addresses.reservationFor('net', mac(A1))).toMatchObject({
      ...{ hardwarename: 'AAA-1', address: ipv4('10.1.0.2') },
    });
    expect((await admin('DELETE', `/machines/AAA-1/addresses/${A1}`)).status).toBe(204);
  });

  it.each([
    ['the network', '10.1.0.0'],
    ['the gateway', '10.1.0.1'],
    ['the broadcast', '10.1.0.15'],
  ])('of %s is no machine’s', async (_what, address) => {
    const people = await site();
    expect(problemOf(await reserve(people, 'BBB-1', B1, address))).toBe(
      '400 REQUEST_INVALID /address',
    );
    const nics = [{ mac: '52:54:00:0c:00:01', address, subnet: 'net' }];
    expect(
      problemOf(await people.admin('POST', '/machines', { body: { serial: 'CCC-1', nics } })),
    ).toBe('400 REQUEST_INVALID /nics/0/address');
  });

  it('is both of a /31, and the one of a /32', async () => {
    const people = await site();
    for (const [name, cidr] of [
      ['pair', '10.2.0.0/31'],
      ['one', '10.2.1.1/32'],
    ])
      await people.admin('PUT', `/subnets/${name}`, { body: { cidr }, version: 0 });
    const ask = (of: string, subnet: string) =>
      people.admin('POST', '/machines/AAA-1/addresses', { body: { mac: of, subnet } });
    expect((await ask(A1, 'pair')).body.address).toBe('10.2.0.0');
    expect((await ask(A2, 'pair')).body.address).toBe('10.2.0.1');
    expect((await ask(A2, 'one')).body.address).toBe('10.2.1.1');
  });

  it('of a BMC on record is not given out, and nobody else’s', async () => {
    const people = await site();
    await edit(people, 'AAA-1', { bmcAddress: '10.1.0.4' });
    expect(problemOf(await reserve(people, 'BBB-1', B1, '10.1.0.4'))).toBe('409 ADDRESS_TAKEN');
    expect((await reserve(people, 'BBB-1', B1)).body.address).toBe('10.1.0.5');
  });

  it.each([
    [{ gateway: '10.1.0.0' }, '400 REQUEST_INVALID /gateway'],
    [{ gateway: '10.1.0.15' }, '400 REQUEST_INVALID /gateway'],
    [{ first: '10.1.0.0' }, '400 REQUEST_INVALID /first'],
    [{ last: '10.1.0.15' }, '400 REQUEST_INVALID /last'],
    [{ gateway: '10.1.0.2' }, '409 STILL_REFERENCED /gateway'],
  ])('a subnet with %j is refused', async (fields, expected) => {
    const people = await site();
    const body = { cidr: '10.1.0.0/28', ...fields };
    const answer = await people.admin('PUT', '/subnets/net', { body, version: '*' });
    expect(problemOf(answer)).toBe(expected);
  });
});

describe('a NIC', () => {
  const C1 = '52:54:00:0c:00:01';
  const macsOf = (people: People, name: string) =>
    people.world.inventory.machines.nicsOf(name as Hardwarename).map((nic) => nic.mac);
  const add = ({ admin }: People, name: string, of: string) =>
    admin('POST', `/machines/${name}/nics`, { body: { mac: of } });

  it('is put on record once, and in one machine', async () => {
    const people = await site();
    expect((await add(people, 'BBB-1', C1)).status).toBe(201);
    expect(macsOf(people, 'BBB-1')).toEqual([B1, C1]);
    expect(problemOf(await add(people, 'BBB-1', C1))).toBe('409 ALREADY_EXISTS');
    for (const one of [A1, A_BMC])
      expect(problemOf(await add(people, 'BBB-1', one))).toBe('409 ADDRESS_TAKEN /mac');
    const event = people.world.inventory.events.after(0, 1000).at(-1);
    expect(event).toMatchObject({ hardwarename: 'BBB-1', data: { after: { nics: [B1, C1] } } });
  });

  it('is taken off with its address, from a machine in use only by naming it, and may be another’s then', async () => {
    const people = await site();
    const { db, inventory } = people.world;
    db.prepare(`UPDATE machines SET state = 'in-use' WHERE hardwarename = 'AAA-1'`).run();
    const remove = (query = '') => people.admin('DELETE', `/machines/AAA-1/nics/${A1}${query}`);
    expect(problemOf(await remove())).toBe('409 RELEASE_NEEDED');
    expect((await remove('?release=AAA-1&why=moved')).status).toBe(204);
    expect(problemOf(await remove('?release=AAA-1'))).toBe('404 NOT_FOUND');
    expect(inventory.serverdb.addresses.reservedAt('net', ipv4('10.1.0.2'))).toBeUndefined();
    expect((await add(people, 'BBB-1', A1)).status).toBe(201);
    expect([macsOf(people, 'AAA-1'), macsOf(people, 'BBB-1')]).toEqual([[A2], [B1, A1]]);
  });
});

describe('a merge', () => {
  const merge = ({ admin }: People, kept: string, gone: string) =>
    admin('POST', `/machines/${kept}/merge`, { body: { gone, why: 'x' } });
  const split = ({ admin }: People, id: number) =>
    admin('POST', `/merges/${id}/split`, { body: { why: 'x' } });

  it('hands over the BMC and its address where the kept one has none, and the split gives them back', async () => {
    const people = await site();
    const { machines, serverdb } = people.world.inventory;
    const { id } = (await merge(people, 'BBB-1', 'AAA-1')).body;
    const bmc = { bmcMac: A_BMC, bmcAddress: '10.9.0.1' };
    expect(machines.record('BBB-1' as Hardwarename)).toMatchObject(bmc);
    expect(serverdb.addresses.reservationFor('net', mac(A_BMC))?.hardwarename).toBe('BBB-1');
    expect((await split(people, id)).status).toBe(200);
    expect(machines.record('AAA-1' as Hardwarename)).toMatchObject(bmc);
    expect(machines.record('BBB-1' as Hardwarename)).toMatchObject({ bmcMac: '', bmcAddress: '' });
    expect(serverdb.addresses.reservationFor('net', mac(A_BMC))?.hardwarename).toBe('AAA-1');
  });

  it('frees the address of a BMC that goes', async () => {
    const people = await site();
    await edit(people, 'BBB-1', { bmcMac: B_BMC });
    await merge(people, 'BBB-1', 'AAA-1');
    const { addresses } = people.world.inventory.serverdb;
    expect(addresses.reservedAt('net', ipv4('10.1.0.3'))).toBeUndefined();
    expect(addresses.reservationFor('net', mac(A1))?.hardwarename).toBe('BBB-1');
  });

  it('undone gives nothing back that somebody else was given since', async () => {
    const people = await site();
    await edit(people, 'BBB-1', { bmcMac: B_BMC });
    await edit(people, 'AAA-1', { rack: 'R1', unit: 4, hostname: 'web1' });
    const { id } = (await merge(people, 'BBB-1', 'AAA-1')).body;
    const taken = { rack: 'R1', unit: 4, hostname: 'web1', bmcMac: A_BMC, bmcAddress: '10.9.0.1' };
    expect((await enter(people, { serial: 'CCC-1', ...taken })).status).toBe(201);
    expect((await split(people, id)).status).toBe(200);
    const back = people.world.inventory.machines.record('AAA-1' as Hardwarename);
    expect(back).toMatchObject({ rack: 'R1', unit: 0, hostname: '', bmcMac: '', bmcAddress: '' });
  });

  it.each(['installing', 'recycling'])('waits for the job of one that is %s', async (state) => {
    const people = await site();
    const { id } = (await merge(people, 'BBB-1', 'AAA-1')).body;
    const set = people.world.db.prepare('UPDATE machines SET state = ? WHERE hardwarename = ?');
    set.run(state, 'BBB-1');
    expect(problemOf(await split(people, id))).toBe('409 STILL_REFERENCED');
    await enter(people, { serial: 'CCC-1' });
    expect(problemOf(await merge(people, 'CCC-1', 'BBB-1'))).toBe('409 STILL_REFERENCED');
  });
});

describe('a collision that a person has settled', () => {
  it('is over on both records', async () => {
    const people = await site();
    const { machines, transaction } = people.world.inventory;
    const [a, b] = ['AAA-1', 'BBB-1'] as Hardwarename[];
    people.world.db.prepare(`UPDATE machines SET state = 'in-use' WHERE hardwarename = ?`).run(a);
    transaction(() => {
      machines.setConflict(a as Hardwarename, b);
      machines.setConflict(b as Hardwarename, a);
    });
    const body = { to: 'available', why: 'the card was taken out' };
    const moved = await people.admin('POST', '/machines/BBB-1/transitions', { body });
    expect(moved.body).toMatchObject({ state: 'available', conflictWith: '' });
    expect(machines.record(a as Hardwarename)?.conflictWith).toBe('');
  });
});
