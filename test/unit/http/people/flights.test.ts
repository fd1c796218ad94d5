/** Flight records and quirks by HTTP: who is shown what the console printed, and which quirks are taken. */
import { describe, expect, it } from 'vitest';
import type { Hardwarename } from '../../../../src/wire/ids.ts';
import { createPeople, problemOf } from '../../../support/people.ts';
import { A, record } from '../../../support/recording.ts';

const NAME = 'C0MPUT3' as Hardwarename;
const SECRET = 'root password: hunter2, Kernel panic - not syncing';

async function appliance() {
  const world = record();
  const people = await createPeople({ recorder: world.recorder }, world as never);
  people.squad('db', 'other');
  return { ...people, world };
}

/** A boot that has panicked, of a machine of squad `db`, with its console. */
async function panicked() {
  const here = await appliance();
  const { world } = here;
  const { inventory } = world;
  const cause = { who: 'test', why: 'test' };
  const entry = { serial: NAME, manufacturer: 'LabCorp', product: 'X', state: 'held', squad: 'db' };
  const nics = [{ mac: A, name: 'eth0' }];
  inventory.transaction(() => inventory.serverdb.editor.enter({ ...entry, nics } as never, cause));
  world.lease('ipxe');
  world.append({ name: 'ipxe.script', data: { mode: 'recon', why: '' } });
  for (const file of ['vmlinuz', 'initrd.img']) {
    world.append({ name: 'http.started', data: { file, sizeBytes: 9, offsetBytes: 0 } });
    world.append({ name: 'http.sent', data: { file, sizeBytes: 9, durationMs: 1 } });
  }
  inventory.transaction(() => {
    const number = inventory.consoles.begin({
      hardwarename: NAME,
      boot: world.bootId(),
      why: 'boot',
    });
    inventory.consoles.append(number, Buffer.from(`${SECRET}\r\n`));
  });
  for (let second = 0; second < 100; second++) world.step();
  return here;
}

describe('what a machine printed', () => {
  it('is in the record of its boot for technicians of the site and of its squad, for nobody else', async () => {
    const here = await panicked();
    const path = `/boots/${here.world.bootId()}/flight`;
    const kinds = async (caller: typeof here.admin) => {
      const { status, body, text } = await caller('GET', path);
      const shown = body.entries.some(({ kind }: { kind: string }) => kind === 'console');
      expect([status, text.includes('hunter2')]).toEqual([200, shown]);
      expect(body.entries.length).toBeGreaterThan(3);
      return shown;
    };
    expect(await kinds(here.as('viewer'))).toBe(false);
    expect(await kinds(here.as('viewer', { other: 'admin' }))).toBe(false);
    expect(await kinds(here.as('viewer', { db: 'technician' }))).toBe(true);
    expect(await kinds(here.as('technician'))).toBe(true);
  });

  it('is in no diagnosis and no event, which everybody reads', async () => {
    const { as, world } = await panicked();
    expect(world.diagnosed()).toEqual(['kernel-panic']);
    const { text } = await as('viewer')('GET', '/diagnoses');
    expect(text).toContain('kernel-panic');
    expect(text).not.toContain('hunter2');
    expect(JSON.stringify(world.inventory.events.after(0, 1000))).not.toContain('hunter2');
  });
});

it('how long the phases of a boot took is told beside what its model takes', async () => {
  const { as, world } = await appliance();
  world.lease('bios');
  world.step();
  world.append({ name: 'ipxe.script', data: { mode: 'recon', why: '' } });
  const { status, body } = await as('viewer')('GET', `/boots/${world.bootId()}/phases`);
  expect(status).toBe(200);
  const phases = body.phases.map(({ phase }: { phase: string }) => phase);
  expect(phases).toEqual(['offer', 'ack', 'script']);
  expect(body.phases[2]).toMatchObject({ tookMs: 1000, boots: 0, slow: false });
  expect((await as('viewer')('GET', '/boots/000000000000/phases')).status).toBe(404);
});

describe('a quirk that a person writes', () => {
  it('is looked up by its MAC however it was spelled, and refused where it would never be used', async () => {
    const { as, world } = await appliance();
    const operator = as('operator');
    const body = {
      ...{ scope: 'machine', subject: '52-54-00-00-00-0A', trait: 'binary', value: 'x.efi' },
      ...{ outcome: 'works', why: 'tried' },
    };
    const put = (changes: object) => operator('PUT', '/quirks', { body: { ...body, ...changes } });
    expect((await put({})).body).toMatchObject({ subject: A });
    expect(world.inventory.serverdb.quirks.known('binary', A, undefined).works).toBe('x.efi');
    for (const wrong of [
      { subject: 'C0MPUT3' },
      { value: '../x.efi' },
      { trait: 'blksize', value: '7' },
      { trait: 'blksize', value: 'large' },
      { trait: 'local-boot', value: 'sideways' },
      { trait: 'override', value: 'x' },
    ])
      expect([wrong, problemOf(await put(wrong)).slice(0, 19)]).toEqual([
        ...[wrong, '400 REQUEST_INVALID'],
      ]);
    for (const right of [
      { trait: 'blksize', value: '1468' },
      { trait: 'local-boot', value: 'exit' },
      { trait: 'override', value: 'other-mode' },
      { scope: 'model', subject: 'LabCorp / X / 1.0' },
    ])
      expect([right, (await put(right)).status]).toEqual([right, 200]);
    const query = 'scope=machine&subject=52-54-00-00-00-0A&trait=binary&value=x.efi';
    expect((await operator('DELETE', `/quirks?${query}`)).status).toBe(204);
  });
});
