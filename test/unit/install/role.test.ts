/** What a role's record brings to installs: into every document of the installed system, under what the job itself is given. */
import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { createAdmission } from '../../../src/images/admission.ts';
import { parseInstallDetail } from '../../../src/install/detail.ts';
import { withRole } from '../../../src/install/for-role.ts';
import { type RoleRecord, roleSchema } from '../../../src/inventory/role-record.ts';
import { installParams } from '../../../src/jobs/kinds/install-params.ts';
import { createJobWork } from '../../../src/jobs/work.ts';
import { ADMISSION, createStoreWorld } from '../../support/image-store.ts';
import { createPeople } from '../../support/people.ts';
import { A, B, createWorkWorld } from '../../support/work-world.ts';

const key = (who: string) =>
  `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKq3xkk6lNqoUSuTH0zhQyRoJ5IYbHpl0V5WmnTTmJ7m ${who}`;
const ROLE = roleSchema.parse({
  metadata: { backups: true, cluster: 'main', ports: [5432, 6432] },
  sshKeys: [key('dba@site')],
  userData: '#!/bin/sh\ntouch /role\n',
});

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const IMAGES = {
  snapshot: { kind: 'raw', files: { disk: randomBytes(4096) } },
  netinst: {
    kind: 'installer',
    files: {
      kernel: randomBytes(4096),
      initrd: randomBytes(4096),
      template: Buffer.from(
        'd-i x/y string {{ metadata.cluster }}\nd-i z string {{ phoneHomeUrl }}\n',
      ),
    },
  },
} as const;

/** A site with a snapshot and an installer in its store, and one machine, available. */
async function site() {
  const made = createStoreWorld();
  const { inventory } = made.world;
  for (const [name, { kind, files }] of Object.entries(IMAGES)) {
    const stored: { role: 'disk'; sha256: string }[] = [];
    for (const [role, bytes] of Object.entries(files))
      stored.push({ role: role as 'disk', sha256: await made.put(bytes) });
    const doc = {
      description: '',
      kernelArguments: 'auto url={{ url }}',
      format: 'preseed' as const,
    };
    const { format, kernelArguments, ...plain } = doc;
    inventory.transaction(() =>
      made.desk().add(
        {
          ...{ name, version: '1', kind, files: stored },
          doc:
            kind === 'raw'
              ? { ...plain, kernelArguments: '' }
              : { ...plain, kernelArguments, format },
        },
        '',
        { who: 'ann', why: '' },
      ),
    );
  }
  const images = {
    open: (name: string) => made.store.open(name),
    admission: createAdmission(ADMISSION),
    pace: () => undefined,
  };
  const work = createWorkWorld({ images }, made.world);
  closers.push(async () => {
    await work.close();
    await made.store.stop();
    made.folder.drop(made.folder.root);
  });
  const machine = await work.register(A, 'SN-0001');
  const steps = createJobWork(inventory, work.clock);
  const put = (doc: RoleRecord) =>
    inventory.transaction(() =>
      inventory.serverdb.records.put('role', { name: 'fancydb', doc }, { who: 'ann', why: '' }),
    );
  /** What an install job's first steps do. */
  const begin = (given: object, on = machine) => {
    work.put(on.name, 'available');
    const job = work.job(on.name);
    const params = installParams.parse({ hostname: 'db1', role: 'fancydb', ...given });
    const wanted = { job: job.id, machine: on.name, params };
    return inventory.transaction(() => {
      const prepared = steps.prepareInstall(wanted);
      work.put(on.name, 'installing');
      const arm = () => inventory.transaction(() => steps.armInstall({ ...wanted, prepared }));
      arm();
      return { job, arm, detail: () => parseInstallDetail(inventory.work.ofJob(job.id)?.detail) };
    });
  };
  return { work, inventory, machine, put, begin };
}

describe('a role', () => {
  it('is beneath what the job is given, name by name, and adds its keys', () => {
    const job = { metadata: { cluster: 'test', shard: 3 }, sshKeys: [key('ann'), key('dba@site')] };
    expect(withRole(job, ROLE)).toEqual({
      metadata: { backups: true, cluster: 'test', ports: [5432, 6432], shard: 3 },
      sshKeys: [key('dba@site'), key('ann')],
      userData: '#!/bin/sh\ntouch /role\n',
    });
    expect(withRole({ userData: '' }, ROLE).userData).toBe('');
    expect(withRole({}, undefined)).toEqual({ metadata: {}, sshKeys: [], userData: '' });
  });

  it('is in what cloud-init reads, and in the page for configuration management', async () => {
    const { put, begin, work, inventory } = await site();
    put(ROLE);
    const { job } = begin({ image: 'snapshot@1', metadata: { cluster: 'test' } });
    const token = inventory.work.metadataToken(job.id);
    const page = async (name: string) => (await work.app.inject(`/metadata/${token}/${name}`)).body;
    const meta = await page('meta-data');
    expect(meta).toContain('backups: true\ncluster: "test"\nports: [5432,6432]\n');
    expect(meta).toContain(`public-keys:\n  - "${key('dba@site')}"\n`);
    expect(await page('user-data')).toBe(ROLE.userData);
    const { token: boot } = work.booted(A);
    const next = await work.next(boot);
    const disks = [{ name: 'vda', serial: 'D1', sizeBytes: 2 ** 31, interface: 'virtio' }];
    const seen = { bootMode: 'bios', disks };
    const plan = await work.post(`/agent/${next.line('work')}/plan`, seen);
    const file = (path: string) => {
      const [, , , text = ''] =
        plan.body
          .split('\n')
          .map((line) => line.split('\t'))
          .find(([verb, at]) => verb === 'file' && at === path) ?? [];
      return Buffer.from(text, 'base64').toString();
    };
    expect(JSON.parse(file('/etc/reveille/machine.json'))).toMatchObject({
      ...{ role: 'fancydb', metadata: { backups: true, cluster: 'test', ports: [5432, 6432] } },
    });
    expect(file('/root/.ssh/authorized_keys')).toBe(`${key('dba@site')}\n`);
    expect(file('/var/lib/cloud/seed/nocloud/user-data')).toBe(ROLE.userData);
    expect(file('/var/lib/cloud/seed/nocloud/meta-data')).toBe(meta);
  });

  it('that changes meanwhile is in the next install, not in a later round of this one', async () => {
    const { put, begin, work } = await site();
    put(ROLE);
    const first = begin({ image: 'snapshot@1' });
    put({ ...ROLE, metadata: { cluster: 'new' } });
    first.arm();
    expect(first.detail().metadata.cluster).toBe('main');
    const other = await work.register(B, 'SN-0002');
    const next = begin({ image: 'snapshot@1', hostname: 'db2' }, other);
    expect(next.detail().metadata).toEqual({ cluster: 'new' });
  });

  it('fills the places of an installer’s template, whose user-data is its own', async () => {
    const { put, begin, work } = await site();
    put(ROLE);
    begin({ image: 'netinst@1' });
    const { token } = work.booted(A);
    const { body } = await work.app.inject(`/boot/${token}/script.ipxe`);
    const [, installer = ''] = /\/installer\/([^/]+)\/kernel/.exec(body) ?? [];
    const template = await work.app.inject(`/installer/${installer}/template`);
    expect(template.body).toContain('d-i x/y string main\n');
  });

  it('takes no name that each machine has by itself, and is an administrator’s to write', async () => {
    for (const name of ['instance-id', 'local-hostname', 'role', '1st', 'a b'])
      expect(roleSchema.safeParse({ metadata: { [name]: 1 } }).success).toBe(false);
    const people = await createPeople();
    const body = { metadata: { cluster: 'main' } };
    const put = (as: typeof people.admin) => as('PUT', '/roles/fancydb', { body, version: 0 });
    const operator = people.as('operator');
    expect((await put(operator)).status).toBe(403);
    expect((await put(people.admin)).status).toBe(200);
    const { body: read } = await people.admin('GET', '/roles/fancydb');
    expect(read).toMatchObject({ name: 'fancydb', metadata: { cluster: 'main' }, sshKeys: [] });
  });
});
