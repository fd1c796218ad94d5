/** The simulated agent against the machines' listener: it reports, waits, takes an install, fetches the image and calls home. */
import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { callHome, runAgent, type SimulatedDisk } from '../../../qemu-lab/simulated-agent.ts';
import { createAdmission } from '../../../src/images/admission.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import { until } from '../../support/fleet.ts';
import { ADMISSION, createStoreWorld } from '../../support/image-store.ts';
import { A, createWorkWorld, installDetail, RAW } from '../../support/work-world.ts';

let close: (() => Promise<unknown>) | undefined;
afterEach(async () => {
  await close?.();
  close = undefined;
});

const NAME = 'SN-0001' as Hardwarename;

/** A machine that has just been started, its appliance, and what a job would give it to do. */
async function started() {
  const made = createStoreWorld();
  const sha256 = await made.put(randomBytes(300_000));
  const images = {
    open: (name: string) => made.store.open(name),
    admission: createAdmission(ADMISSION),
    pace: () => undefined,
  };
  const world = createWorkWorld({ images }, made.world);
  await world.app.listen({ host: '127.0.0.1', port: 0 });
  const off = new AbortController();
  close = async () => {
    off.abort();
    await world.close();
    await made.store.stop();
    made.folder.drop(made.folder.root);
  };
  const disk: SimulatedDisk = { image: '', phoneHome: '' };
  const boot = {
    hardware: { mac: A, serial: NAME, bmcAddress: '10.0.0.9', bmcMac: '02:00:00:00:00:09' },
    url: `http://127.0.0.1:${(world.app.server.address() as AddressInfo).port}`,
    ...{ disk, token: world.booted(A).token, mode: 'recon', power: off.signal },
    say: () => undefined,
  };
  const install = (sum: string) => {
    const [file] = RAW.files;
    if (!file) throw new Error('the image has no file');
    const job = world.job(NAME);
    world.put(NAME, 'installing');
    const image = { ...RAW, files: [{ ...file, sha256: sum }] };
    world.arm(job, 'install', installDetail({ image }));
  };
  return { world, boot, disk, sha256, install };
}

const registered = (world: Awaited<ReturnType<typeof started>>['world']) =>
  until(
    async () => world.inventory.machines.record(NAME)?.state,
    (state) => state === 'available',
  );

it('is an agent as far as the appliance can see', async () => {
  const { world, boot, disk, sha256, install } = await started();
  const running = runAgent(boot);
  await registered(world);
  install(sha256);
  await until(
    async () => world.namesOf(NAME),
    (names) => names.includes('agent.finished'),
  );
  expect(world.namesOf(NAME)).toEqual(
    expect.arrayContaining(['work.taken', 'agent.progress', 'agent.finished']),
  );
  expect(disk.image).toBe(sha256);
  expect(disk.phoneHome).toMatch(/\/phone-home\/[A-Za-z0-9_-]{32}$/);
  const home = new URL(disk.phoneHome).pathname;
  await callHome(boot, boot.url + home);
  expect(world.namesOf(NAME)).toContain('os.phoned-home');
  // Its work is done, and it starts anew.
  expect(await running).toBe('reboot');
});

it('installs no other image than the plan says', async () => {
  const { world, boot, disk, install } = await started();
  const running = runAgent(boot);
  await registered(world);
  install('f'.repeat(64));
  await expect(running).rejects.toThrow('the image ffff');
  expect(disk.image).toBe('');
});
