import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { blksizeCap, choose } from '../../../src/boot/quirks.ts';
import { diffText } from '../../../src/cli/config-diff.ts';
import { explainAt } from '../../../src/cli/explain-at.ts';
import { parseConfig } from '../../../src/config.ts';
import { openCore } from '../../../src/daemon/core.ts';
import { diffFleet } from '../../../src/daemon/fleet-diff.ts';
import { openFleetDiffDesk } from '../../../src/daemon/fleet-diff-desk.ts';
import { copyToScratch, NO_ROW } from '../../../src/platform/scratch-copy.ts';
import { negotiate } from '../../../src/tftp/negotiate.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { bytesOf, report } from '../../support/reports.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { ipv4, mac } from '../../support/world.ts';

const A = mac('52:54:00:77:00:01');
let folder = '';
const configOf = (more = '') => parseConfig(`database: { file: ${join(folder, 'r.db')} }\n${more}`);

beforeAll(() => {
  folder = temporaryFolder('time');
  const core = openCore(configOf());
  const { inventory } = core;
  const sighted = inventory.boots.sight({
    mac: A,
    client: 'firmware',
    arch: 'bios',
    hardwarename: undefined,
  });
  if (!sighted) throw new Error('no boot');
  inventory.transaction(() => {
    const subject = { mac: A, boot: sighted.boot.id };
    inventory.events.append({
      ...subject,
      name: 'dhcp.offered',
      data: {
        client: 'firmware',
        address: '10.77.0.100',
        bootFile: 'undionly.kpxe',
        why: 'unknown',
      },
    });
    inventory.events.append({
      ...subject,
      name: 'ipxe.script',
      data: { mode: 'recon', why: 'new' },
    });
  });
  const token = inventory.transaction(() => inventory.tokens.mint(sighted.boot.id, A, 'boot'));
  inventory.ingest({ token, body: bytesOf(report({ macs: [A] })) });
  core.close();
});

describe('explain --at', () => {
  it('tells what was offered and served, and why', () => {
    const at = new Date(Date.now() + 1000).toISOString();
    const found = JSON.parse(explainAt(configOf(), { subject: A, time: at, json: true }));
    expect(found).toMatchObject({ mac: A, state: 'available', boot: { arch: 'bios' } });
    expect(
      found.answers.map(
        ({ what, detail }: { what: string; detail: string }) => `${what}: ${detail}`,
      ),
    ).toEqual(['offer to firmware: 10.77.0.100 undionly.kpxe (unknown)', 'script: recon (new)']);
    expect(explainAt(configOf(), { subject: A, time: at, json: false })).toContain('undionly.kpxe');
  });
  it('knows the state of then, however much has happened since, and a boot from any NIC', () => {
    const core = openCore(configOf());
    const { inventory } = core;
    const B = mac('52:54:00:77:00:02');
    const name = inventory.machines.byMac(A)?.hardwarename ?? ('' as never);
    const at = Date.now() + 60_000;
    const sighting = { client: 'firmware', arch: 'uefi', hardwarename: name } as const;
    inventory.boots.sight({ ...sighting, mac: B });
    core.db.prepare('UPDATE boots SET started_at = ? WHERE mac = ?').run(at - 1, B);
    inventory.transaction(() => {
      inventory.machines.setNics(name, [{ mac: B, name: 'eth1' } as never], { add: true });
      for (let n = 0; n < 1100; n++)
        inventory.events.append({
          name: 'daemon.stopped',
          hardwarename: name,
          data: { signal: 'x' },
        });
    });
    expect(inventory.machines.byHardwarename(name)?.nics).toHaveLength(2);
    core.close();
    const time = new Date(at).toISOString();
    const found = JSON.parse(explainAt(configOf(), { subject: name, time, json: true }));
    expect(found).toMatchObject({ mac: B, state: 'available', boot: { arch: 'uefi' } });
  });
  it('knows nothing of a time before the first boot, and refuses what is no time', () => {
    const early = explainAt(configOf(), { subject: A, time: '2001-01-01', json: false });
    expect(early).toContain('it had not booted from here before');
    expect(early).toContain('unknown');
    expect(() => explainAt(configOf(), { subject: A, time: 'soon', json: false })).toThrow(
      /is no time/,
    );
    expect(() =>
      explainAt(configOf(), { subject: 'nobody', time: '2001-01-01', json: false }),
    ).toThrow(/neither a MAC/);
  });
});

describe('config diff', () => {
  it('shows nothing for the same file', () => {
    expect(diffText(diffFleet(configOf(), { config: configOf() }), false)).toMatch(
      /^nothing changes/,
    );
  });
  it('shows addresses and scripts that change, for every machine on record', () => {
    const next = configOf(
      'boot: { kernelArguments: quiet }\ndhcp: { segments: [{ pool: { first: 10.77.0.50, last: 10.77.0.60 } }] }',
    );
    const diff = diffFleet(configOf(), { config: next });
    const { differences } = diff;
    const script = differences.find(({ what }) => what === 'script');
    expect(script?.after).toContain('quiet');
    expect(script?.before).not.toContain('quiet');
    const offers = differences.filter(({ what }) => what.includes('firmware'));
    expect(offers.map(({ after }) => after.split(',')[0])).toContain('10.77.0.50 undionly.kpxe');
    expect(diffText(diff, false)).toMatch(/ {2}\+ 10\.77\.0\.50/);
  });
  it('shows what an offer says beside the address', () => {
    const next = configOf(
      'dhcp: { segments: [{ domain: other.example, routers: [10.77.0.9], dns: [10.77.0.9] }] }',
    );
    const { differences } = diffFleet(configOf(), { config: next });
    expect(differences.length).toBeGreaterThan(0);
    for (const { before, after } of differences) {
      expect(before).toMatch(/for \d+ s, domain lab\.example$/);
      expect(after).toMatch(
        /for \d+ s, router 10\.77\.0\.9, name servers 10\.77\.0\.9, domain other\.example$/,
      );
    }
  });
  it('shows every record that comes and goes, and who looks after a lease', () => {
    const core = openCore(configOf());
    core.inventory.transaction(() =>
      core.inventory.leases.apply({
        ...{ segment: 'provisioning', mac: A, state: 'bound', address: ipv4('10.77.0.100') },
        ...{ clientId: undefined, hostname: '', boot: undefined },
        expiresAt: (Date.now() + 3_600_000) as Millis,
      }),
    );
    core.close();
    const next = configOf(
      'dns: { domain: fancy.example }\ndhcp: { segments: [{ address: 10.88.0.1, cidr: 10.88.0.0/24, pool: { first: 10.88.0.50, last: 10.88.0.60 } }] }',
    );
    const { zones, leases, faults } = diffFleet(configOf(), { config: next });
    const changed = new Map(zones.map(({ zone, removed, added }) => [zone, { removed, added }]));
    expect(changed.get('lab.example.')?.added).toEqual([]);
    expect(changed.get('lab.example.')?.removed.join('\n')).toMatch(/IN A 10\.77\.0\.100/);
    expect(changed.get('fancy.example.')?.removed).toEqual([]);
    expect(changed.get('fancy.example.')?.added.join('\n')).toMatch(/IN A 10\.77\.0\.100/);
    expect(changed.get('0.77.10.in-addr.arpa.')?.removed.join('\n')).toMatch(/IN PTR/);
    expect(leases).toMatchObject([
      { mac: A, what: 'lease of 10.77.0.100', before: 'segment provisioning' },
    ]);
    expect(leases[0]?.after).toMatch(/^no segment/);
    expect(faults).toEqual([]);
  });
});

describe('what a record or a template would change', () => {
  const nothing = { differences: [], leases: [], zones: [], faults: [] };
  const type = (more = {}) => ({
    ...{ kind: 'type' as const, name: 'small' },
    doc: { conditions: [{ fact: 'nicCount', atLeast: 1 }], ...more },
  });

  it('a hardware type gives every machine on record its new type, and the database keeps the old', () => {
    const { differences, counts } = diffFleet(configOf(), { records: [type()] });
    expect(differences).toMatchObject([{ what: 'hardware type', before: 'none', after: 'small' }]);
    expect(counts).toMatchObject({ answers: 1, machines: 1 });
    const core = openCore(configOf());
    expect(core.inventory.serverdb.records.list('type')).toEqual([]);
    expect(core.inventory.machines.byMac(A)?.hardwareType).toBe('');
    core.close();
  });
  it('a subnet brings its reverse zone', () => {
    const subnet = { kind: 'subnet' as const, name: 'blue', doc: { cidr: '10.99.7.0/24' } };
    const { zones, differences } = diffFleet(configOf(), { records: [subnet] });
    expect(zones.map(({ zone }) => zone)).toContain('7.99.10.in-addr.arpa.');
    expect(differences).toEqual([]);
  });
  it('a template changes the script of those that are handed it', () => {
    const script = '#!ipxe\necho changed {{machine}}\n';
    const { differences } = diffFleet(configOf(), { scripts: { 'pxeimage.ipxe': script } });
    expect(differences.length).toBeGreaterThan(0);
    for (const { what, after } of differences) {
      expect(what).toBe('script');
      expect(after).toContain('echo changed ');
    }
  });
  it('is refused as the change itself would be', () => {
    const diff = (change: object) => () => diffFleet(configOf(), change);
    expect(diff({ records: [{ kind: 'subnet', name: 'x', doc: { cidr: 'far' } }] })).toThrow(
      /subnet x: not a network/,
    );
    expect(diff({ records: [{ kind: 'rack', name: 'x', doc: null }] })).toThrow(/No rack x/);
    expect(diff({ scripts: { '../x.ipxe': '' } })).toThrow(/no template/);
    expect(diff({ scripts: { 'pxeimage.ipxe': '{{secret}}' } })).toThrow(/secret/);
  });
  it('leaves no copy behind, and copies no history and no secret', () => {
    const copies = join(folder, 'copies');
    mkdirSync(copies);
    vi.stubEnv('TMPDIR', copies);
    expect(diffFleet(configOf(), { config: configOf() })).toMatchObject(nothing);
    vi.unstubAllEnvs();
    expect(readdirSync(copies)).toEqual([]);
    const file = join(folder, 'scratch.db');
    copyToScratch(join(folder, 'r.db'), file, { events: NO_ROW });
    const [live, copy] = [join(folder, 'r.db'), file].map((name) => new Sqlite(name));
    const count = (db: typeof live, table: string) =>
      db?.prepare(`SELECT count(*) AS count FROM ${table}`).get() as { count: number };
    expect(count(live, 'events').count).toBeGreaterThan(0);
    expect(count(copy, 'events').count).toBe(0);
    expect(count(copy, 'machines')).toEqual(count(live, 'machines'));
    expect(copy?.pragma('user_version')).toEqual(live?.pragma('user_version'));
    for (const db of [live, copy]) db?.close();
  });
});

describe('what would change, asked of a running appliance', () => {
  const text = () => `database: { file: ${join(folder, 'r.db')} }\n`;
  it('is found out on another thread, and refused in the words of the change', async () => {
    const desk = openFleetDiffDesk(text());
    const config = `${text()}boot: { kernelArguments: quiet }\n`;
    const { differences } = await desk.diff({ config });
    expect(differences.map(({ what }) => what)).toContain('script');
    const refused = desk.diff({ config: 'colour: red' });
    await expect(refused).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
    await desk.close();
  });
  it('leaves no copy behind when it is cut off, nor what was cut off before it', async () => {
    const copies = join(folder, 'cut-off');
    const others = `reveille-rehearsal-${process.ppid}-x`;
    // No process has such a number: pid_max is 2^22 at most.
    const left = 'reveille-rehearsal-99999999-x';
    for (const name of [left, others]) mkdirSync(join(copies, name), { recursive: true });
    vi.stubEnv('TMPDIR', copies);
    const desk = openFleetDiffDesk(text());
    expect(readdirSync(copies)).toEqual([others]);
    const ended = desk.diff({ records: [] }).catch((error) => error);
    await expect.poll(() => readdirSync(copies).length, { interval: 2 }).toBeGreaterThan(1);
    await desk.close();
    vi.unstubAllEnvs();
    expect(await ended).toBeInstanceOf(Error);
    expect(readdirSync(copies)).toEqual([others]);
  });
  it('makes one at a time, and asks those beyond a few to wait', async () => {
    let [running, most] = [0, 0];
    const ends: (() => void)[] = [];
    const desk = openFleetDiffDesk(text(), () => {
      running += 1;
      most = Math.max(most, running);
      const answer = new Promise<never>((resolve) => {
        ends.push(() => {
          running -= 1;
          resolve({} as never);
        });
      });
      return { answer, end: () => undefined };
    });
    const asked = Array.from({ length: 6 }, () => desk.diff({ records: [] }));
    const ended = Promise.allSettled(asked);
    for (let n = 0; n < 4; n++) {
      await expect.poll(() => ends.length).toBeGreaterThan(n);
      ends[n]?.();
    }
    expect((await ended).map(({ status }) => status)).toEqual([
      ...Array.from({ length: 4 }, () => 'fulfilled'),
      ...['rejected', 'rejected'],
    ]);
    expect(most).toBe(1);
    await desk.close();
    await expect(desk.diff({ records: [] })).rejects.toMatchObject({ code: 'RATE_LIMITED' });
  });
});

describe('what is tried next', () => {
  it('a value that worked, then one that has not failed, then the first again', () => {
    const some = ['a', 'b', 'c'] as ['a', 'b', 'c'];
    const fails = (...values: string[]) => ({ works: undefined, fails: new Set(values) });
    expect(choose(some, fails()).value).toBe('a');
    expect(choose(some, fails('a'))).toEqual({ value: 'b', why: 'a failed before' });
    expect(choose(some, fails('a', 'b', 'c')).value).toBe('a');
    expect(choose(some, { works: 'c', fails: new Set(['a']) }).value).toBe('c');
  });
  it('smaller blocks, which TFTP then grants', () => {
    const cap = (...values: string[]) => blksizeCap({ works: undefined, fails: new Set(values) });
    expect([cap(), cap('1468'), cap('1468', '1024'), cap('512')]).toEqual([
      undefined,
      1024,
      512,
      512,
    ]);
    const asked = new Map([['blksize', '1468']]);
    expect(negotiate(asked, 1000, 1024)).toMatchObject({ blksizeBytes: 1024 });
    expect(negotiate(asked, 1000).accepted.get('blksize')).toBe('1468');
  });
});
