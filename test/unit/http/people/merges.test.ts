/** Two records that are one machine, and back: what goes along, and who is told. */
import { describe, expect, it } from 'vitest';
import type { Hardwarename } from '../../../../src/wire/ids.ts';
import { deliver } from '../../../support/deliver.ts';
import { createPeople, problemOf } from '../../../support/people.ts';
import { report } from '../../../support/reports.ts';
import { mac } from '../../../support/world.ts';

const M1 = '52:54:00:77:00:01';
const M2 = '52:54:00:77:00:02';

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

  it('take IPv6 addresses along, and give back those that nobody else was given', async () => {
    const people = await createPeople();
    const { world } = people;
    deliver(world, report({ serial: 'TWIN-1', macs: [M1] }));
    const uuid = '4c4c4544-0042-3510-8052-b4c04f4e3799';
    const { hardwarename: gone } = deliver(world, report({ serial: 'TWIN-1', macs: [M2], uuid }));
    const set = (name: string, ipv6: string[]) =>
      people.admin('PATCH', `/machines/${name}`, { body: { ipv6 }, version: '*' });
    const ipv6 = async (name: string) =>
      (await people.admin('GET', `/machines/${name}`)).body.machine.ipv6;
    await set('TWIN-1', ['fd00::1']);
    await set(gone, ['fd00::2', 'fd00::3']);
    expect(problemOf(await set(gone, ['fd00::1']))).toBe('409 ADDRESS_TAKEN /ipv6');
    const merged = await people.admin('POST', '/machines/TWIN-1/merge', {
      body: { gone, why: 'x' },
    });
    expect(await ipv6('TWIN-1')).toEqual(['fd00::1', 'fd00::2', 'fd00::3']);
    const third = await people.admin('POST', '/machines', { body: { serial: 'THIRD' } });
    await set('TWIN-1', ['fd00::1', 'fd00::2']);
    expect((await set(third.body.hardwarename ?? 'THIRD', ['fd00::3'])).status).toBe(200);
    await people.admin('POST', `/merges/${merged.body.id}/split`, { body: { why: 'y' } });
    expect([await ipv6('TWIN-1'), await ipv6(gone)]).toEqual([['fd00::1'], ['fd00::2']]);
    expect(problemOf(await set('TWIN-1', ['fd00::3']))).toBe('409 ADDRESS_TAKEN /ipv6');
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
