/** The boots of one machine: by all its NICs, newest first, however many others there were. */
import { expect, it } from 'vitest';
import type { Hardwarename } from '../../../../src/wire/ids.ts';
import { createPeople } from '../../../support/people.ts';
import { arrive, carry, uuidOf } from '../../../support/portal.ts';
import { mac } from '../../../support/world.ts';

it('lists the boots of one machine, those before it was known among them', async () => {
  const { world, as } = await createPeople();
  const viewer = as('viewer');
  const own = '52:54:00:77:00:01';
  carry(world, own, 'ack', 'uefi');
  world.pass(3_600_000);
  arrive(world, { address: own, serial: 'C0MPUT3', uuid: uuidOf(1) });
  for (let n = 0; n < 20; n++) carry(world, `52:54:00:78:00:${10 + n}`, 'offer');
  world.pass(3_600_000);
  carry(world, own, 'kernel', 'uefi');
  const read = async (query: string) => {
    const { status, body } = await viewer('GET', `/boots${query}`);
    expect(status).toBe(200);
    return body.boots as { mac: string; state: string; startedAt: number }[];
  };
  const boots = await read('?hardwarename=C0MPUT3');
  expect(boots.map(({ state }) => state)).toEqual(['running', 'done', 'stalled']);
  expect(boots.every((boot) => boot.mac === own)).toBe(true);
  expect(boots[0]?.startedAt).toBe(world.inventory.boots.latest(mac(own))?.startedAt);
  expect(await read('?hardwarename=C0MPUT3&limit=1')).toEqual([boots[0]]);
  expect(await read('?hardwarename=NOBODY')).toEqual([]);
  expect(await read('')).toHaveLength(23);
  expect((await viewer('GET', '/boots?limit=0')).status).toBe(400);
  // A NIC that has left takes nothing of the story with it.
  const { ofMachine } = world.inventory.boots;
  world.db.prepare('DELETE FROM nics WHERE mac = ?').run(own);
  expect(ofMachine('C0MPUT3' as Hardwarename, 9)).toHaveLength(2);
});
