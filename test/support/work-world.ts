/** A world with one registered machine that runs pxeimage and waits, and jobs with work for it. */
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pino from 'pino';
import { createMachineApp } from '../../src/http/machine/app.ts';
import type { MachineAppOptions } from '../../src/http/machine/holder.ts';
import type { InstallDetail } from '../../src/install/detail.ts';
import type { ResolvedImage } from '../../src/inventory/images.ts';
import type { MachineState } from '../../src/inventory/states.ts';
import type { WorkOrder, WorkPurpose } from '../../src/inventory/work.ts';
import type { Job } from '../../src/jobs/store.ts';
import type { Hardwarename } from '../../src/wire/ids.ts';
import type { Mac } from '../../src/wire/mac.ts';
import type { Millis } from '../../src/wire/time.ts';
import { report } from './reports.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { createWorld, dhcpPacket, mac, type World } from './world.ts';

export const A = mac('52:54:00:00:00:0a');
export const B = mac('52:54:00:00:00:0b');

export const SNAPSHOT: ResolvedImage = {
  name: 'debian-12',
  version: '1',
  kind: 'tarball',
  files: [
    {
      ...{ role: 'root', sha256: 'a'.repeat(64), size: 1000, compression: 'zstd' },
      ...{ contentSha256: 'b'.repeat(64), contentSize: 5000 },
    },
  ],
  doc: { description: '', kernelArguments: '' },
};

export const RAW: ResolvedImage = {
  ...SNAPSHOT,
  kind: 'raw',
  files: SNAPSHOT.files.map((file) => ({ ...file, role: 'disk' as const })),
};

export function installDetail(changes: Partial<InstallDetail> = {}): InstallDetail {
  return {
    lines: { image: 'debian-12@1' },
    image: SNAPSHOT,
    ...{ hostname: 'web1.example.org', role: 'web', squad: '', site: 'lab', rack: 'R1' },
    layout: undefined,
    disks: { kind: 'any', pick: 'only' },
    sshKeys: [
      'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKq3xkk6lNqoUSuTH0zhQyRoJ5IYbHpl0V5WmnTTmJ7m a@b',
    ],
    network: { kind: 'dhcp' },
    mac: A,
    metadata: {},
    userData: '',
    verify: 'sample',
    ...changes,
  };
}

export type WorkWorld = ReturnType<typeof createWorkWorld>;

export function createWorkWorld(
  more: Pick<MachineAppOptions, 'images' | 'send' | 'recycle' | 'domain'> = {},
  world: World = createWorld(),
) {
  const dir = temporaryFolder('work');
  writeFileSync(join(dir, 'vmlinuz'), 'kernel');
  writeFileSync(join(dir, 'initrd.img'), 'initrd');
  const log = pino({ level: 'silent' });
  const app = createMachineApp({ ...world, ...more, log, assets: dir, pxeimage: dir });
  const { inventory, jobs } = world;

  const { followOne } = inventory.events;
  let heldNow = (): void => undefined;
  inventory.events.followOne = (...words) => {
    heldNow();
    return followOne(...words);
  };

  const next = async (token: string) => {
    const answer = await app.inject(`/agent/${token}/next`);
    const line = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(answer.body)?.[1];
    return { status: answer.statusCode, line, body: answer.body };
  };

  const booted = (of: Mac) => {
    world.dhcp(dhcpPacket({ mac: of, type: 1, client: 'ipxe' }));
    const boot = inventory.boots.latest(of);
    if (!boot) throw new Error('no boot');
    const { token } = inventory.transaction(() => inventory.tokens.mint(boot.id, of, 'boot'));
    return { boot: boot.id, token };
  };
  const post = (url: string, payload?: object) =>
    app.inject({ method: 'POST', url, ...(payload === undefined ? {} : { payload }) });

  return {
    ...{ ...world, app, booted, post },
    /** Boots, reports and waits; its name is its serial. */
    async register(of: Mac, serial: string) {
      const { boot, token } = booted(of);
      const uuid = `4c4c4544-0042-3510-8052-${serial.slice(-4).padStart(12, '0')}`;
      const answer = await post(`/recon/${token}`, report({ macs: [of], serial, uuid }));
      const wait = /^token: (.*)$/m.exec(answer.body)?.[1] ?? '';
      const name = /^hardwarename: (.*)$/m.exec(answer.body)?.[1] as Hardwarename;
      return { boot, token, wait, name };
    },
    job(target: Hardwarename, kind = 'install'): Job {
      const who = { requester: 'test', user: 'test', priority: 0, bmc: '', hardwareType: '' };
      return inventory.transaction(() => {
        const job = { id: randomUUID(), kind, version: 1, target, params: {}, ...who };
        const made = jobs.store.insert(job);
        const deadlineAt = world.clock() + 1e9;
        const started = { is: 'started', step: 'look', attempt: 1, cursor: 0, deadlineAt } as const;
        jobs.store.append(made, started);
        return made;
      });
    },
    arm(job: Job, purpose: WorkPurpose = 'install', detail: unknown = installDetail()): WorkOrder {
      const expiresAt = (world.clock() + 100_000_000) as Millis;
      const { id, target: hardwarename } = job;
      return inventory.transaction(() =>
        inventory.work.arm({ job: id, hardwarename, purpose, detail, expiresAt }),
      );
    },
    /** Puts the record into a state, past the table of transitions: the tests ask about every one. */
    put(name: Hardwarename, state: MachineState) {
      inventory.transaction(() => {
        world.db.prepare('UPDATE machines SET state = ? WHERE hardwarename = ?').run(state, name);
        inventory.events.append({
          name: 'machine.state',
          hardwarename: name,
          data: { from: '', to: state, why: 'test', by: 'job' },
        });
      });
    },
    next,
    /** Asks, and goes on when the question is held, or answered at once. @returns the answer to come */
    async asking(token: string) {
      const held = new Promise<void>((resolve) => {
        heldNow = resolve;
      });
      const answer = next(token);
      await Promise.race([held, answer]);
      return { answer };
    },
    namesOf: (name: Hardwarename) =>
      inventory.events.ofMachine(name, 1000).map((event) => event.name),
    close: () => app.close(),
  };
}

export type { World };
