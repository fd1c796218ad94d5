/** What the API says that a machine would be offered: the answers that it then gets, with nothing left behind by asking. */
import { describe, expect, it } from 'vitest';
import { stagesOf } from '../../../../src/dhcp/rehearsal.ts';
import type { Hardwarename } from '../../../../src/wire/ids.ts';
import { createPeople, problemOf } from '../../../support/people.ts';
import { furnish, macOf } from '../../../support/portal.ts';
import { createWorld, dhcpPacket, mac } from '../../../support/world.ts';

async function open() {
  const world = createWorld();
  const { segments, view, inventory, clock } = world;
  const { rehearse } = inventory;
  const people = await createPeople(
    { explain: (of) => stagesOf({ segments, view, rehearse }, of, clock()) },
    world,
  );
  const [name = ''] = furnish(world, 1);
  const move = (to: 'held' | 'broken') =>
    inventory.transaction(() =>
      inventory.serverdb.editor.move(name as Hardwarename, to, {
        ...{ by: 'operator', who: 'ada', why: 'to be looked at' },
      }),
    );
  return { people, world, name, move, viewer: people.as('viewer') };
}

interface Stage {
  readonly client: string;
  readonly outcome: string;
  readonly bootFile: string;
  readonly address: string;
  readonly why: string;
}

const stage = (stages: readonly Stage[], client: string): Stage | undefined =>
  stages.find((one) => one.client === client);

describe('what a machine would be offered', () => {
  it('is told for each kind of client, with the reasons of the decision', async () => {
    const { viewer, name, move } = await open();
    const { status, body } = await viewer('GET', `/machines/${name}/explain`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ hardwarename: name, mac: macOf(1), state: 'available' });
    expect(stage(body.stages, 'iPXE')?.why).toMatch(/^available: it waits for work; iPXE/);
    expect(stage(body.stages, 'operating system')).toMatchObject({
      outcome: 'offer',
      bootFile: '',
    });
    expect(stage(body.stages, 'UEFI x64 PXE firmware')?.bootFile).toMatch(/\.efi$/);
    move('broken');
    const after = await viewer('GET', `/machines/${name}/explain`);
    expect(stage(after.body.stages, 'iPXE')?.why).toMatch(/^broken: pxeimage in rescue/);
  });

  it('is what it gets when it asks', async () => {
    const { viewer, name, world } = await open();
    const { body } = await viewer('GET', `/machines/${name}/explain`);
    const outcome = world.dhcp(dhcpPacket({ mac: mac(macOf(1)), type: 1, client: 'uefi' }));
    const told = stage(body.stages, 'UEFI x64 PXE firmware');
    const got = outcome.kind === 'reply' ? outcome.event : undefined;
    expect(got).toMatchObject({
      name: 'dhcp.offered',
      data: { address: told?.address, bootFile: told?.bootFile, why: told?.why },
    });
  });

  it('leaves nothing behind, and shows no token', async () => {
    const { viewer, name, world } = await open();
    const { events, boots } = world.inventory;
    const before = [events.lastId(), boots.latest(mac(macOf(1)))?.id];
    const { text } = await viewer('GET', `/machines/${name}/explain`);
    expect([events.lastId(), boots.latest(mac(macOf(1)))?.id]).toEqual(before);
    expect(text).toContain('/boot/…/');
    expect(text).not.toMatch(/\/boot\/[A-Za-z0-9_-]{32}/);
  });

  it('is told of a NIC that is on no record, however it is written', async () => {
    const { viewer, name } = await open();
    const stranger = await viewer('GET', '/nics/52-54-00-99-99-99/explain');
    expect(stranger.body).toMatchObject({
      ...{ mac: '52:54:00:99:99:99', hardwarename: '', state: 'unknown' },
    });
    expect(stage(stranger.body.stages, 'iPXE')?.why).toMatch(/no record owns this NIC/);
    const { body } = await viewer('GET', `/nics/${macOf(1)}/explain`);
    expect(body).toEqual((await viewer('GET', `/machines/${name}/explain`)).body);
    expect(problemOf(await viewer('GET', '/nics/not-a-mac-at-all/explain'))).toBe(
      '400 REQUEST_INVALID /mac',
    );
  });

  it('is refused for what is not there', async () => {
    const { people, viewer, name } = await open();
    expect(problemOf(await viewer('GET', '/machines/NOBODY/explain'))).toBe('404 MACHINE_UNKNOWN');
    const foreign = await viewer('GET', `/machines/${name}/explain?mac=52:54:00:99:99:99`);
    expect(problemOf(foreign)).toBe('400 REQUEST_INVALID /mac');
    expect((await viewer('GET', `/machines/${name}/explain?mac=${macOf(1)}`)).status).toBe(200);
    expect((await people.nobody('GET', `/machines/${name}/explain`)).status).toBe(401);
  });
});
