/** Images of the kind `installer`: a machine boots the distribution's own, is handed its template, and says when it is done. */
import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { createAdmission } from '../../../src/images/admission.ts';
import type { TemplateFormat } from '../../../src/inventory/images.ts';
import type { Output } from '../../../src/jobs/definition.ts';
import { createJobWork } from '../../../src/jobs/work.ts';
import { ADMISSION, createStoreWorld } from '../../support/image-store.ts';
import { A, B, createWorkWorld } from '../../support/work-world.ts';

const KERNEL = randomBytes(20_000);
const INITRD = randomBytes(50_000);
const PRESEED = `d-i netcfg/get_hostname string {{ hostname }}
d-i netcfg/get_domain string {{ domain }}
d-i passwd/root-password password {{ metadata.password }}
d-i preseed/late_command string wget --post-data= {{ installedUrl }}; in-target ./phone {{ phoneHomeUrl }}
`;
const ARGUMENTS = 'auto=true priority=critical url={{ url }} hostname={{ hostname }} ---';
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKq3xkk6lNqoUSuTH0zhQyRoJ5IYbHpl0V5WmnTTmJ7m a@b';
const PARAMS = {
  ...{ image: 'netinst/stable', hostname: 'web1.example.org', role: 'web', sshKeys: [KEY] },
  ...{ metadata: { password: 'r00t "me"' }, verify: 'sample' as const },
};

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A site with an installer in its store, and one machine, available; as far as the daemon goes without jobs and BMCs. */
async function site({
  template = PRESEED,
  format = 'preseed' as TemplateFormat,
  kernelArguments = ARGUMENTS,
} = {}) {
  const made = createStoreWorld();
  const put = async (bytes: Uint8Array) => made.put(bytes);
  const files = [
    { role: 'kernel', sha256: await put(KERNEL) },
    { role: 'initrd', sha256: await put(INITRD) },
    { role: 'template', sha256: await put(Buffer.from(template)) },
  ] as const;
  const { inventory } = made.world;
  inventory.transaction(() => {
    const doc = { description: '', kernelArguments, format };
    const version = { name: 'netinst', version: '1', kind: 'installer', doc, files } as const;
    made.desk().add(version, '', { who: 'ann', why: '' });
    inventory.images.move(
      { name: 'netinst', channel: 'stable', version: '1' },
      { who: 'ann', why: '' },
    );
  });
  const images = {
    open: (name: string) => made.store.open(name),
    admission: createAdmission(ADMISSION),
    pace: () => undefined,
  };
  const work = createWorkWorld({ images, domain: 'lab.test' }, made.world);
  closers.push(async () => {
    await work.close();
    await made.store.stop();
    made.folder.drop(made.folder.root);
  });
  const machine = await work.register(A, 'SN-0001');
  const steps = createJobWork(inventory, work.clock);
  return {
    ...{ work, inventory, machine, steps },
    get: async (path: string) => (await work.app.inject(path)) as Answer,
    /** What the job's first steps do. @returns what `prepare` has found */
    begin(params: object = PARAMS): Output {
      const job = work.job(machine.name);
      const wanted = { job: job.id, machine: machine.name, params: { ...PARAMS, ...params } };
      return inventory.transaction(() => {
        const prepared = steps.prepareInstall(wanted as never);
        work.put(machine.name, 'installing');
        steps.armInstall({ ...wanted, prepared } as never);
        return prepared;
      });
    },
    /** Netboots as far as its script. */
    async boots(of = A) {
      const { token } = work.booted(of);
      const script = (await work.app.inject(`/boot/${token}/script.ipxe`)).body;
      return { script, token: /\/installer\/([^/]+)\/kernel/.exec(script)?.[1] ?? '' };
    },
    state: () => inventory.machines.record(machine.name)?.mayHoldData,
  };
}

interface Answer {
  readonly statusCode: number;
  readonly body: string;
  readonly rawPayload: Buffer;
}

/** Without the appliance, which has no address here. */
const pathOf = (url: string) => url.replace(/^https?:\/\/[^/]*/, '');
const lineOf = (text: string, word: string) =>
  new RegExp(`${word} (?:string|password) (.*)$`, 'm').exec(text)?.[1];

describe('an image that is an installer', () => {
  it('is booted with its own kernel, told of this machine alone, and followed until its system calls', async () => {
    const { begin, boots, get, work, inventory, machine, state } = await site();
    expect(begin()).toMatchObject({ image: 'netinst@1', installer: true });
    const { script, token } = await boots();
    expect(script).toContain('/installer/');
    expect(script).not.toContain('reveille.mode');
    const [, url = ''] =
      /auto=true priority=critical url=(\S+) hostname=web1 ---/.exec(script) ?? [];
    expect(pathOf(url)).toBe(`/installer/${token}/template`);
    expect((await get(`/installer/${token}/kernel`)).rawPayload.equals(KERNEL)).toBe(true);
    expect((await get(`/installer/${token}/initrd`)).rawPayload.equals(INITRD)).toBe(true);
    // Nothing is written by a kernel alone: what makes it write is the template.
    expect([inventory.work.liveOf(machine.name)?.destroysAt, state()]).toEqual([0, false]);
    const { body } = await get(`/installer/${token}/template`);
    expect(lineOf(body, 'get_hostname')).toBe('web1');
    expect(lineOf(body, 'get_domain')).toBe('example.org');
    expect(lineOf(body, 'root-password')).toBe('r00t "me"');
    expect(state()).toBe(true);
    expect(inventory.work.liveOf(machine.name)?.destroysAt).toBeGreaterThan(0);
    const [installed = '', home = ''] = [...body.matchAll(/https?:\/\/[^\s;]+/g)].map(([found]) =>
      pathOf(found),
    );
    expect((await work.post(installed)).statusCode).toBe(204);
    expect((await work.post(installed)).statusCode).toBe(204);
    expect((await boots()).script).toContain('sanboot');
    expect((await work.post(home)).statusCode).toBe(204);
    const told = work.namesOf(machine.name).filter((name) => /^(work|agent|os)\./.test(name));
    expect(told).toEqual(['work.armed', 'work.taken', 'agent.finished', 'os.phoned-home']);
  });

  it('is done when its system calls, where its template says nothing before that', async () => {
    const ignition = '{"ignition":{"version":"3.4.0"},"x":{{ phoneHomeUrl }},"k":{{ sshKeys }}}';
    const { begin, boots, get, work, machine } = await site({
      ...{ template: ignition, format: 'ignition' as const },
      kernelArguments: 'ignition.config.url={{ url }}',
    });
    begin();
    const { token } = await boots();
    const early = work.inventory.work.metadataToken(
      work.inventory.work.liveOf(machine.name)?.job ?? '',
    );
    expect((await work.post(`/phone-home/${early}`)).statusCode).toBe(410);
    const told = JSON.parse((await get(`/installer/${token}/template`)).body);
    expect(told.k).toEqual([KEY]);
    expect((await work.post(pathOf(told.x))).statusCode).toBe(204);
    expect(work.namesOf(machine.name)).toEqual(
      expect.arrayContaining(['agent.finished', 'os.phoned-home']),
    );
  });

  it('gives NoCloud a folder', async () => {
    const template = '#cloud-config\nautoinstall:\n  version: 1\n  x: {{ phoneHomeUrl }}\n';
    const { begin, boots, get } = await site({
      ...{ template, format: 'autoinstall' as const },
      kernelArguments: 'autoinstall ds=nocloud-net;s={{ seedUrl }}',
    });
    begin();
    const { script, token } = await boots();
    expect(script).toMatch(new RegExp(`ds=nocloud-net;s=http\\S+/installer/${token}/seed/ `));
    expect((await get(`/installer/${token}/seed/meta-data`)).body).toContain(
      'local-hostname: "web1.example.org"',
    );
    expect((await get(`/installer/${token}/seed/vendor-data`)).body).toBe('');
    expect((await get(`/installer/${token}/seed/user-data`)).body).toContain('autoinstall:');
  });

  it('is no work for an agent that waits: its job boots the machine', async () => {
    const { begin, work, machine } = await site();
    begin();
    const { answer } = await work.asking(machine.wait);
    work.put(machine.name, 'retired');
    expect((await answer).line('work')).toBeUndefined();
  });

  it.each([
    ['layout', { layout: 'lvm' }],
    ['disks', { disks: 'only disk' }],
    ['network', { network: { kind: 'dhcp' } }],
    ['userData', { userData: '#!/bin/sh' }],
  ])('takes no %s: its template says that', async (_name, params) => {
    const { begin, machine, inventory } = await site();
    expect(() => begin(params)).toThrow(/its template says this/);
    expect(inventory.work.liveOf(machine.name)).toBeUndefined();
  });

  it.each([
    ['template', {}],
    ['command line', { kernelArguments: 'url={{ url }} p={{ metadata.password }}' }],
  ])('ends its job with what is missing when its %s lacks a value', async (what, options) => {
    const { begin, boots, get, inventory, machine, state } = await site(options);
    begin({ metadata: what === 'template' ? {} : { password: 'a b' } });
    const { script, token } = await boots();
    if (what === 'template')
      expect((await get(`/installer/${token}/template`)).statusCode).toBe(422);
    else expect(script).toContain('reveille.mode=wait');
    const failed = inventory.events
      .ofMachine(machine.name, 100)
      .find(({ name }) => name === 'agent.failed');
    expect(failed?.data).toMatchObject({ code: 'TEMPLATE_INVALID', retry: false });
    expect(JSON.stringify(failed?.data)).toContain('metadata.password');
    expect(inventory.work.liveOf(machine.name)).toBeUndefined();
    expect((await boots()).script).toContain('reveille.mode=wait');
    expect(state()).toBe(false);
  });
});

describe('the token of an installer', () => {
  const PATHS = ['kernel', 'initrd', 'template', 'seed/user-data', 'seed/meta-data'];

  it('opens nothing once its job is called off, and nothing for another machine', async () => {
    const { begin, boots, get, work, machine, inventory } = await site();
    await work.register(B, 'SN-0002');
    begin();
    const { token } = await boots();
    expect((await boots(B)).script).not.toContain('/installer/');
    const job = work.jobs.store.unfinishedOf(machine.name)?.id ?? '';
    inventory.transaction(() => work.jobs.cancel(job, { who: 'x', why: 'test' }));
    for (const path of PATHS)
      expect((await get(`/installer/${token}/${path}`)).statusCode, path).toBe(410);
    expect((await work.post(`/installer/${token}/installed`)).statusCode).toBe(410);
    expect((await boots()).script).toContain('reveille.mode=wait');
  });

  it('is not that of an agent, and an agent has no use for it', async () => {
    const { begin, boots, get, work } = await site();
    begin();
    const { token } = await boots();
    const disks = { bootMode: 'bios', disks: [{ name: 'vda', sizeBytes: 2 ** 31 }] };
    expect((await work.post(`/agent/${token}/plan`, disks)).statusCode).toBe(403);
    expect((await get(`/agent/${token}/work`)).statusCode).toBe(403);
    const { token: boot } = work.booted(A);
    for (const path of PATHS)
      expect((await get(`/installer/${boot}/${path}`)).statusCode, path).toBe(403);
    expect((await get(`/installer/${'x'.repeat(32)}/template`)).statusCode).toBe(404);
  });

  it('says that it is done only after it has begun', async () => {
    const { begin, boots, work, machine } = await site();
    begin();
    const { token } = await boots();
    expect((await work.post(`/installer/${token}/installed`)).statusCode).toBe(410);
    expect(work.namesOf(machine.name)).not.toContain('agent.finished');
  });

  it('is not handed out for ever: a machine that loops fails', async () => {
    const { begin, boots, get, work, machine } = await site();
    begin();
    const scripts: string[] = [];
    for (let boot = 0; boot < 6; boot++) {
      work.pass(600_000);
      const { script, token } = await boots();
      scripts.push(script.includes('/installer/') ? 'installer' : 'wait');
      if (token) await get(`/installer/${token}/template`);
    }
    expect(scripts).toEqual([...Array.from({ length: 4 }, () => 'installer'), 'wait', 'wait']);
    expect(work.inventory.events.ofMachine(machine.name, 100)).toContainEqual(
      expect.objectContaining({
        name: 'agent.failed',
        data: expect.objectContaining({ code: 'WORK_LOOP' }),
      }),
    );
  });

  it('is not handed out for ever to a machine that never comes as far as its template either', async () => {
    const { begin, boots, work, machine } = await site();
    begin();
    const scripts: boolean[] = [];
    for (let boot = 0; boot < 10; boot++) {
      work.pass(100_000);
      scripts.push((await boots()).script.includes('/installer/'));
    }
    expect(scripts).toEqual([...Array.from({ length: 8 }, () => true), false, false]);
    const told = work.inventory.events.ofMachine(machine.name, 100);
    expect(told.find(({ name }) => name === 'agent.failed')?.data).toMatchObject({
      code: 'WORK_LOOP',
      detail: 'It was offered this work in 8 boots and began it in 0.',
    });
  });
});
