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
  readonly terms: string;
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

  it('has every option that such a client asks for, as the packet has room for it', async () => {
    const yaml = `dhcp:
  segments:
    - routers: [10.77.0.254]
      options:
        routes: [{ to: 10.0.0.0/8, via: 10.77.0.253 }]
        ntp: [10.77.0.9]
        mtu: 9000
        raw: [{ code: 43, hex: '0104' }, { code: 224, text: site }]`;
    const { segments, view, inventory, clock } = createWorld(undefined, yaml);
    const stages = (of: typeof segments) =>
      stagesOf({ segments: of, view, rehearse: inventory.rehearse }, mac(macOf(1)), clock());
    const terms = (client: string) => stages(segments).find((one) => one.client === client)?.terms;
    expect(terms('operating system')).toBe(
      'for 600 s, domain lab.example, classless routes 0.0.0.0/0 via 10.77.0.254, 10.0.0.0/8 via 10.77.0.253' +
        ', ntp 10.77.0.9, mtu 9000, option 224 73697465, vendor specific 0104',
    );
    expect(terms('UEFI x64 PXE firmware')).toBe(
      'for 600 s, router 10.77.0.254, domain lab.example, ntp 10.77.0.9',
    );
    expect(terms('iPXE')).toBe('for 600 s, router 10.77.0.254, domain lab.example, mtu 9000');
  });

  it('has what is for one vendor class, of the segment and of the machine', () => {
    const yaml = `dhcp:
  segments:
    - options:
        raw:
          - { code: 43, hex: '0104', vendorClass: Arista }
          - { code: 67, text: ztp.sh, vendorClass: Arista }
          - { code: 43, hex: '0601', vendorClass: PXEClient }
  machines: [{ mac: '${macOf(2)}', options: { raw: [{ code: 224, u8: 9, vendorClass: Cisco }] } }]`;
    const { segments, view, inventory, clock } = createWorld(undefined, yaml);
    const terms = (number: number, client: string) =>
      stage(stagesOf({ segments, view, ...inventory }, mac(macOf(number)), clock()), client)?.terms;
    const arista =
      'for 600 s, domain lab.example, vendor specific 0104 for vendor class Arista, boot file ztp.sh for vendor class Arista';
    expect(terms(1, 'operating system')).toBe(arista);
    expect(terms(1, 'UEFI x64 PXE firmware')).toMatch(/, vendor specific .*6/);
    expect(terms(2, 'operating system')).toBe(`${arista}, option 224 09 for vendor class Cisco`);
  });

  it('says what a packet has no room for', () => {
    const raw = ['a', 'b', 'c'].map((text, n) => `{ code: ${224 + n}, text: ${text.repeat(250)} }`);
    const yaml = `dhcp: { segments: [{ options: { raw: [${raw}] } }] }`;
    const { segments, view, inventory, clock } = createWorld(undefined, yaml);
    const stages = stagesOf({ segments, view, ...inventory }, mac(macOf(1)), clock());
    expect(stage(stages, 'operating system')?.terms).toMatch(
      /, no room for option 22\d, option 22\d$/,
    );
  });

  it('is told of ARM64 by each way of booting, which the files and pxeimage are not all for', async () => {
    const { viewer, name } = await open();
    const { body } = await viewer('GET', `/machines/${name}/explain`);
    const arm = stage(body.stages, 'UEFI arm64 HTTP Boot');
    expect(arm?.bootFile).toMatch(/^http:.*\/boot\/ipxe\/snponly-arm64\.efi$/);
    expect(stage(body.stages, 'iPXE on UEFI arm64')?.why).toMatch(/does not run on uefi-arm64/);
    expect(stage(body.stages, 'iPXE')?.why).not.toMatch(/does not run/);
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
