/** Time travel and the diff of the fleet by HTTP: who may ask, what is refused, and that the answer is the comparison's. */
import { describe, expect, it, vi } from 'vitest';
import { createPeople } from '../../../support/people.ts';
import { A, record } from '../../../support/recording.ts';

const DIFF = {
  differences: [{ machine: 'C1', mac: A, what: 'script', before: 'a', after: 'b' }],
  leases: [],
  zones: [{ zone: 'lab.example.', removed: [], added: ['x IN A 10.0.0.1'] }],
  faults: [],
  asked: 1,
  machines: 1,
  counts: { answers: 1, machines: 1, leases: 0, records: 1 },
};

async function appliance() {
  const world = record();
  const fleetDiff = vi.fn(async () => DIFF);
  const people = await createPeople({ recorder: world.recorder, fleetDiff }, world as never);
  return { ...people, world, fleetDiff };
}

describe('what a machine was offered at a moment', () => {
  it('is told of its MAC, as of that moment, with the boot that it was in', async () => {
    const { as, world } = await appliance();
    const viewer = as('viewer');
    world.lease('bios');
    const moment = world.clock();
    world.append({ name: 'ipxe.script', data: { mode: 'recon', why: 'new' } });
    const asked = (at: number | string) => viewer('GET', `/past?subject=${A}&at=${at}`);
    const { status, body } = await asked(moment + 1000);
    expect(status).toBe(200);
    expect(body).toMatchObject({ mac: A, hardwarename: null, boot: { id: world.bootId() } });
    expect(body.answers.map(({ what }: { what: string }) => what)).toContain('script');
    expect((await asked(new Date(moment).toISOString())).body.boot.id).toBe(world.bootId());
    expect((await asked(moment - 86_400_000)).body).toMatchObject({ boot: null, answers: [] });
  });
  it('is asked with a time and a machine that there are', async () => {
    const { as, nobody } = await appliance();
    const viewer = as('viewer');
    expect(await viewer('GET', `/past?subject=${A}&at=soon`)).toMatchObject({
      status: 400,
      body: { path: '/at' },
    });
    expect((await viewer('GET', '/past?subject=nobody&at=2026-01-31')).status).toBe(404);
    expect((await nobody('GET', `/past?subject=${A}&at=2026-01-31`)).status).toBe(401);
  });
});

describe('what would change over the fleet', () => {
  const subnet = { kind: 'subnet', name: 'blue', doc: { cidr: '10.9.0.0/24' } };
  it('is the comparison’s answer: of records for operators, of files for administrators', async () => {
    const { as, admin, fleetDiff } = await appliance();
    const ask = (who: typeof admin, body: object) =>
      who('POST', '/configuration/diff', { body }).then(({ status }) => status);
    const [technician, operator] = [as('technician'), as('operator')];
    expect(await ask(technician, { records: [subnet] })).toBe(403);
    expect(await ask(operator, { records: [subnet] })).toBe(200);
    expect(await ask(operator, { config: 'site: lab' })).toBe(403);
    expect(await ask(operator, { scripts: { 'pxeimage.ipxe': '' } })).toBe(403);
    const images = { templates: { 'netinst/stable': 'd-i x' }, channels: { 'netinst/beta': '2' } };
    expect(await ask(technician, images)).toBe(403);
    expect(await ask(operator, images)).toBe(200);
    expect(fleetDiff.mock.calls).toEqual([[{ records: [subnet] }], [images]]);
    const { body } = await admin('POST', '/configuration/diff', { body: { config: 'site: x' } });
    expect(body).toEqual(DIFF);
  });
  it('is refused where nothing is named, or a kind that there is not', async () => {
    const { admin } = await appliance();
    const templates = { netinst: 'no reference to an image' };
    const kind = 'hall';
    for (const body of [{}, { colour: 1 }, { records: [{ ...subnet, kind }] }, { templates }])
      expect((await admin('POST', '/configuration/diff', { body })).status).toBe(400);
  });
});
