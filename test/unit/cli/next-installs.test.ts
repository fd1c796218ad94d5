/** What a template of an installer, a channel or a role would change for the next installs of the fleet, before it is applied. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { beforeAll, describe, expect, it } from 'vitest';
import { diffText } from '../../../src/cli/config-diff.ts';
import { parseConfig } from '../../../src/config.ts';
import { openCore } from '../../../src/daemon/core.ts';
import { diffFleet, type FleetChange } from '../../../src/daemon/fleet-diff.ts';
import { LAST_INSTALLS } from '../../../src/daemon/fleet-diff-installs.ts';
import type { TemplateFormat } from '../../../src/inventory/images.ts';
import { limit } from '../../../src/limits.ts';
import { openImageFolder } from '../../../src/platform/image-folder.ts';
import { copyToScratch } from '../../../src/platform/scratch-copy.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import { bytesOf, report } from '../../support/reports.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { mac } from '../../support/world.ts';

const CAUSE = { who: 'ann', why: 'test' };
const PRESEED = [
  'd-i netcfg/get_hostname string {{ hostname }}',
  'd-i passwd/root-password password {{ metadata.password }}',
  'd-i mirror/http/hostname string {{ metadata.mirror }}',
  'd-i preseed/late_command string wget {{ phoneHomeUrl }}',
  '',
].join('\n');
const KICKSTART = `network --hostname={{ hostname }}\n%post\ncurl {{ phoneHomeUrl }}\n%end\n`;
const SECRET = 'hunter2';
const CLOUD_SECRET = 'correct-horse';

let folder = '';
const configOf = (more = '') => parseConfig(`database: { file: ${join(folder, 'r.db')} }\n${more}`);
const diff = (change: FleetChange) => diffFleet(configOf(), change);
type Core = ReturnType<typeof openCore>;

function register({ inventory }: Core, of: Mac, serial: string): Hardwarename {
  const sighting = { mac: of, client: 'firmware', arch: 'bios', hardwarename: undefined } as const;
  const boot = inventory.boots.sight(sighting)?.boot ?? expect.fail();
  const token = inventory.transaction(() => inventory.tokens.mint(boot.id, of, 'boot'));
  const uuid = `4c4c4544-0042-3510-8052-${serial.slice(-4).padStart(12, '0')}`;
  inventory.ingest({ token, body: bytesOf(report({ macs: [of], serial, uuid })) });
  return inventory.machines.byMac(of)?.hardwarename ?? expect.fail();
}

function putFile({ db }: Core, text: string): string {
  const sha256 = createHash('sha256').update(text).digest('hex');
  const path = openImageFolder(join(folder, 'images')).keptPath(sha256);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  const size = Buffer.byteLength(text);
  db.prepare("INSERT OR IGNORE INTO image_blobs VALUES (?, ?, 'none', ?, ?, '', 0, 0)").run(
    ...[sha256, size, sha256, size],
  );
  return sha256;
}

function addInstaller(core: Core, name: string, version: string, more: object): void {
  const { template, format, kernelArguments } = {
    ...{ template: PRESEED, format: 'preseed' as TemplateFormat },
    ...{ kernelArguments: 'auto=true url={{ url }} hostname={{ hostname }}', ...more },
  };
  const files = [
    { role: 'kernel', sha256: putFile(core, 'kernel') },
    { role: 'initrd', sha256: putFile(core, 'initrd') },
    { role: 'template', sha256: putFile(core, template) },
  ] as const;
  const { images, transaction } = core.inventory;
  transaction(() => {
    const doc = { description: '', kernelArguments, format };
    images.add({ name, version, kind: 'installer', doc, files, signedBy: '' }, CAUSE);
  });
}

function addJob({ db }: Core, target: string, job: { params: object; status?: string }): void {
  const { params, status = 'finished' } = job;
  db.prepare(
    `INSERT INTO jobs (id, kind, version, target, params, requester, user, priority, created_at, ended_at, status, bmc, hardware_type)
     VALUES (lower(hex(randomblob(16))), 'install', 1, ?, ?, '', '', 0, 1, 1, ?, '', '')`,
  ).run(target, JSON.stringify(params), status);
}

beforeAll(() => {
  folder = temporaryFolder('installs');
  const core = openCore(configOf());
  const { inventory } = core;
  addInstaller(core, 'netinst', '1', {});
  addInstaller(core, 'netinst', '2', { kernelArguments: 'auto=true url={{ url }} quiet' });
  addInstaller(core, 'rocky', '9', { template: KICKSTART, format: 'kickstart' });
  const names = ['SN-0001', 'SN-0002', 'SN-0003'].map((serial, index) =>
    register(core, mac(`52:54:00:77:00:0${index + 1}`), serial),
  );
  const [one = '', two = '', three = ''] = names;
  inventory.transaction(() => {
    for (const name of ['netinst', 'rocky'])
      inventory.images.move(
        { name, channel: 'stable', version: name === 'rocky' ? '9' : '1' },
        CAUSE,
      );
    const role = { metadata: { mirror: 'deb.example.org' }, sshKeys: [], userData: '', notes: '' };
    inventory.serverdb.records.put('role', { name: 'web', doc: role }, CAUSE);
    for (const [index, name] of names.entries())
      inventory.serverdb.editor.edit(
        name as Hardwarename,
        { hostname: `web${index + 1}`, role: 'web' },
        CAUSE,
      );
  });
  addJob(core, one, { params: { image: 'rocky/stable' } });
  addJob(core, one, { params: { image: 'netinst/stable', metadata: { password: SECRET } } });
  addJob(core, one, { params: { image: 'rocky/stable' }, status: 'failed' });
  addJob(core, two, { params: { image: 'netinst@1', metadata: { password: SECRET } } });
  addJob(core, three, { params: { image: 'rocky/stable', userData: CLOUD_SECRET } });
  core.close();
});

describe('what a template of an installer would change', () => {
  it('is the lines that differ, for the machines whose next install is told by it', () => {
    const text = PRESEED.replace('string {{ metadata.mirror }}', 'string {{ rack }}mirror');
    const { differences, counts } = diff({ templates: { 'netinst/stable': text } });
    expect(differences).toEqual([
      {
        ...{ machine: 'SN-0001', mac: '', what: 'template of netinst/stable' },
        before: 'd-i mirror/http/hostname string deb.example.org',
        after: 'd-i mirror/http/hostname string mirror',
      },
    ]);
    expect(counts).toMatchObject({ answers: 1, machines: 1 });
    const pinned = diff({ templates: { 'netinst@1': text, 'netinst/stable': PRESEED } });
    expect(pinned.differences.map(({ machine }) => machine)).toEqual(['SN-0002']);
  });

  it('is told in every format, with its own escapes', () => {
    const { differences } = diff({
      templates: { 'rocky/stable': `${KICKSTART}# {{ hostname }}\n` },
    });
    expect(differences).toEqual([
      {
        ...{ machine: 'SN-0003', mac: '', what: 'template of rocky/stable' },
        ...{ before: '', after: "# 'web3'" },
      },
    ]);
  });

  it('shows what would be refused, and no value that only the machine may read', () => {
    const text = `${PRESEED}# {{ metadata.password }} {{ metadata.colour }}\n`;
    const refused = diff({ templates: { 'netinst/stable': text } }).differences;
    expect(refused).toMatchObject([{ after: 'refused: there is no value for metadata.colour' }]);
    const told = diff({ templates: { 'netinst/stable': `# {{ metadata.password }}\n${PRESEED}` } });
    expect(told.differences).toMatchObject([{ before: '', after: '# HIDDEN' }]);
    expect(JSON.stringify([refused, told])).not.toContain(SECRET);
    expect(diffText(told, false)).toBe(
      'SN-0001, template of netinst/stable\n  + # HIDDEN\n' +
        '1 answers change for 1 machine(s); 0 lease(s) get another segment or none; 0 record(s) change in 0 zone(s)\n',
    );
  });

  it('is told up to so many bytes, and counted beyond', () => {
    const long = `# ${'x'.repeat(limit('rehearsalBytesMax') / 2)}\n`;
    const debian = { 'netinst/stable': PRESEED + long, 'netinst@1': PRESEED + long };
    const { differences, counts } = diff({
      templates: { ...debian, 'rocky/stable': KICKSTART + long },
    });
    expect(counts).toMatchObject({ answers: 3, machines: 3 });
    expect(differences.map(({ machine }) => machine)).toEqual(['SN-0001', 'SN-0002']);
  });

  it('is refused as the store would refuse it', () => {
    const put = (ref: string, text: string) => () => diff({ templates: { [ref]: text } });
    expect(put('netinst/none', PRESEED)).toThrow(/no sound image netinst\/none/);
    expect(put('netinst/stable', '{{ colour }} {{ phoneHomeUrl }}')).toThrow(/line 1: 'colour'/);
    expect(put('netinst/stable', 'd-i x')).toThrow(/no \{\{ phoneHomeUrl \}\}/);
  });
});

describe('what is copied of the jobs', () => {
  it('is the last installs, without the user data that no template is told', () => {
    const scratch = join(folder, 'scratch.db');
    copyToScratch(join(folder, 'r.db'), scratch, { jobs: LAST_INSTALLS });
    expect(readFileSync(scratch, 'utf8')).not.toContain(CLOUD_SECRET);
    const copy = new Sqlite(scratch);
    expect(copy.prepare('SELECT params FROM jobs ORDER BY number').pluck().all()).toEqual([
      `{"image":"netinst/stable","metadata":{"password":"${SECRET}"}}`,
      `{"image":"netinst@1","metadata":{"password":"${SECRET}"}}`,
      '{"image":"rocky/stable"}',
    ]);
    copy.close();
  });
});

describe('what else changes the next install', () => {
  it('a channel: the version, and what that has another of', () => {
    const { differences } = diff({ channels: { 'netinst/stable': '2' } });
    expect(differences).toEqual([
      {
        ...{ machine: 'SN-0001', mac: '', what: 'next install' },
        ...{ before: 'netinst/stable: netinst@1', after: 'netinst/stable: netinst@2' },
      },
      {
        ...{ machine: 'SN-0001', mac: '', what: 'command line of netinst/stable' },
        before: 'auto=true url=http://appliance/installer/TOKEN/template hostname=web1',
        after: 'auto=true url=http://appliance/installer/TOKEN/template quiet',
      },
    ]);
    expect(() => diff({ channels: { 'netinst/stable': '7' } })).toThrow(/netinst@7/);
    expect(() => diff({ channels: { 'netinst@1': '2' } })).toThrow(/NAME\/CHANNEL/);
  });

  it('the record of its role', () => {
    const doc = { metadata: { mirror: 'other.example.org' } };
    const { differences } = diff({ records: [{ kind: 'role', name: 'web', doc }] });
    expect(differences.map(({ machine, after }) => `${machine} ${after}`)).toEqual([
      'SN-0001 d-i mirror/http/hostname string other.example.org',
      'SN-0002 d-i mirror/http/hostname string other.example.org',
    ]);
  });

  it('and nothing of it is applied', () => {
    diff({ channels: { 'netinst/stable': '2' }, templates: { 'netinst/stable': PRESEED } });
    const core = openCore(configOf());
    expect(core.inventory.images.resolve('netinst/stable')?.version).toBe('1');
    core.close();
  });
});
