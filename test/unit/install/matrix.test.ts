/**
 * The matrix: every state of a machine, every channel, every condition of a token. Install and recycle are served to a machine
 * with a live order for exactly that, and to nobody else; nor is anything that could lead there.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decide, targetWord } from '../../../src/boot/decide.ts';
import { sendOptions } from '../../../src/http/machine/app.ts';
import { createAdmission } from '../../../src/images/admission.ts';
import { acceptRestored } from '../../../src/inventory/feed-epoch.ts';
import type { ResolvedImage } from '../../../src/inventory/images.ts';
import { MACHINE_STATES, type MachineState } from '../../../src/inventory/states.ts';
import type { WorkPurpose } from '../../../src/inventory/work.ts';
import { openBootFile } from '../../../src/platform/boot-files.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { ADMISSION } from '../../support/image-store.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { A, B, createWorkWorld, installDetail, type WorkWorld } from '../../support/work-world.ts';
import { dhcpPacket } from '../../support/world.ts';

type Machine = Awaited<ReturnType<WorkWorld['register']>>;
type Purpose = 'install' | 'recycle' | 'installer';
const LIVE_STATE: Readonly<Record<Purpose, MachineState>> = {
  ...{ install: 'installing', recycle: 'recycling', installer: 'installing' },
};
const PURPOSES = Object.keys(LIVE_STATE) as readonly Purpose[];
/** An image's own installer is an install, too. */
const workOf = (purpose: Purpose | 'burn-in'): WorkPurpose =>
  purpose === 'installer' ? 'install' : purpose;

const otherThan = (purpose: Purpose): Purpose => (purpose === 'recycle' ? 'install' : 'recycle');

/** A store that has every file that it is asked for. */
const dir = temporaryFolder('matrix');
writeFileSync(join(dir, 'file'), 'd-i x string {{ phoneHomeUrl }}');
const images = {
  open: () => openBootFile(dir, 'file'),
  admission: createAdmission({ ...ADMISSION, streamsMax: 10_000 }),
  pace: () => undefined,
};
const FILE = { sha256: 'a'.repeat(64), size: 31, compression: 'none' } as const;
const CONTENT = { contentSha256: 'a'.repeat(64), contentSize: 31 };
const INSTALLER: ResolvedImage = {
  ...{ name: 'netinst', version: '1', kind: 'installer' },
  files: (['kernel', 'initrd', 'template'] as const).map((role) => ({ role, ...FILE, ...CONTENT })),
  doc: { description: '', kernelArguments: 'url={{ url }}', format: 'preseed' },
};

interface Scene {
  readonly world: WorkWorld;
  readonly machine: Machine;
  readonly other: Machine;
  readonly purpose: Purpose;
}

/** Leaves the machine with a token of this purpose that is good for nothing, or with a good one, or with none. */
const CONDITIONS = {
  async none() {
    return undefined;
  },
  async live(scene: Scene) {
    return taken(scene, scene.purpose);
  },
  async expired(scene: Scene) {
    const token = await taken(scene, scene.purpose);
    scene.world.db.prepare('UPDATE work_orders SET expires_at = ?').run(scene.world.clock());
    scene.world.db.prepare('UPDATE work_tokens SET expires_at = ?').run(scene.world.clock());
    return token;
  },
  async 'other machine'(scene: Scene) {
    return taken({ ...scene, machine: scene.other }, scene.purpose);
  },
  async 'other purpose'(scene: Scene) {
    return taken(scene, otherThan(scene.purpose));
  },
  async 'cancelled job'(scene: Scene) {
    const token = await taken(scene, scene.purpose);
    const { inventory, jobs } = scene.world;
    const job = jobs.store.unfinishedOf(scene.machine.name);
    inventory.transaction(() => jobs.cancel(job?.id ?? '', { who: 'x', why: 'test' }));
    return token;
  },
  async 'ended job'(scene: Scene) {
    const token = await taken(scene, scene.purpose);
    const { inventory, jobs } = scene.world;
    const job = jobs.store.unfinishedOf(scene.machine.name);
    const ended = { is: 'ended', status: 'failed', code: 'INTERNAL', detail: '' } as const;
    if (job) inventory.transaction(() => jobs.store.append(job, ended));
    return token;
  },
  async 'earlier round'(scene: Scene) {
    const token = await taken(scene, scene.purpose);
    const job = scene.world.jobs.store.unfinishedOf(scene.machine.name);
    if (job) scene.world.arm(job, workOf(scene.purpose), detailOf(scene.purpose));
    scene.world.db.prepare("UPDATE work_orders SET state = 'ended'").run();
    return token;
  },
  /** Another boot of the machine has begun the work since: two agents would write the same disks. */
  async 'earlier boot'(scene: Scene) {
    const token = await taken(scene, scene.purpose);
    const { inventory } = scene.world;
    inventory.transaction(() => inventory.boots.scriptServed(scene.machine.boot));
    scene.world.pass(1000);
    const { boot } = scene.world.booted(A);
    const order = inventory.work.liveOf(scene.machine.name);
    if (!order || boot === scene.machine.boot) throw new Error('there is no second boot');
    const later = inventory.transaction(() => inventory.work.take(order, { boot, mac: A }));
    if (later) inventory.transaction(() => inventory.work.fetched(later));
    return token;
  },
  /** A database was put back in which the work was live; since then the machine may have come into use. */
  async 'restored copy'(scene: Scene) {
    const token = await taken(scene, scene.purpose);
    acceptRestored(scene.world.db);
    return token;
  },
  async 'burn-in'(scene: Scene) {
    return taken(scene, 'burn-in');
  },
  async used(scene: Scene) {
    const token = await taken(scene, scene.purpose);
    await scene.world.post(`/agent/${token}/result`, { ok: false, step: 'copy' });
    return token;
  },
} as const;
type Condition = keyof typeof CONDITIONS;

/** A job of this purpose whose order the machine has taken, in the state that it belongs to. */
async function taken({ world, machine }: Scene, purpose: Purpose | 'burn-in'): Promise<string> {
  const job = world.job(machine.name, workOf(purpose));
  world.put(machine.name, purpose === 'burn-in' ? 'available' : LIVE_STATE[purpose]);
  const order = world.arm(job, workOf(purpose), detailOf(purpose));
  const { boot } = machine;
  const mac = machine.boot === boot ? (world.inventory.boots.byId(boot)?.mac ?? A) : A;
  const token = world.inventory.transaction(() => world.inventory.work.take(order, { boot, mac }));
  return token?.token ?? '';
}

const detailOf = (purpose: Purpose | 'burn-in') =>
  installDetail(purpose === 'installer' ? { image: INSTALLER } : {});

/** What each channel serves to the machine, in one word: the purpose, or anything else. */
const CHANNELS = {
  async DHCP({ world }: Scene) {
    const words: string[] = [];
    for (const client of ['bios', 'uefi', 'http', 'ipxe'] as const) {
      const outcome = world.dhcp(dhcpPacket({ mac: A, type: 1, client }));
      words.push(JSON.stringify(outcome.kind === 'reply' ? (outcome.event ?? {}) : {}));
    }
    return words.some((text) => /with a live work order/.test(text)) ? 'served' : 'not';
  },
  /** A file by TFTP or UEFI HTTP Boot is a loader, whatever the state: it leads to the script and to nothing else. */
  async TFTP({ world }: Scene) {
    const outcome = world.dhcp(dhcpPacket({ mac: A, type: 1, client: 'bios' }));
    const file = outcome.kind === 'reply' ? outcome.reply.file : '';
    return /^(undionly\.kpxe)?$/.test(file) ? 'not' : file;
  },
  async script({ world, purpose }: Scene) {
    const { token } = world.booted(A);
    const answer = await world.app.inject(`/boot/${token}/script.ipxe`);
    const own = /\/installer\/\S+\/kernel/.test(answer.body) ? 'installer' : 'nothing';
    const mode = /reveille\.mode=(\S+)/.exec(answer.body)?.[1] ?? own;
    return mode === purpose ? 'served' : (PURPOSES as string[]).includes(mode) ? mode : 'not';
  },
  async next({ world, machine, purpose }: Scene) {
    const { answer } = await world.asking(machine.wait);
    // A long poll that has nothing to say is told that the machine is in use, so that it ends.
    world.put(machine.name, 'in-use');
    const { line } = await answer;
    const word = line('instruction') ?? '';
    // A burn-in writes to no disk, and its token is judged by what it opens.
    if (word === 'burn-in') return 'not';
    if (line('work') !== undefined && word !== purpose) return `a token with ${word}`;
    return word === purpose ? 'served' : ['install', 'recycle'].includes(word) ? word : 'not';
  },
  async work({ world, purpose }: Scene, token: string) {
    const { statusCode, body } = await world.app.inject(`/agent/${token}/work`);
    if (statusCode >= 300 || /^work: burn-in$/m.test(body)) return 'not';
    return new RegExp(`^work: ${workOf(purpose)}$`, 'm').test(body) ? 'served' : body;
  },
  plan: async ({ world }: Scene, token: string) => {
    const disks = [{ name: 'vda', sizeBytes: 2 ** 31 }];
    const answer = await world.post(`/agent/${token}/plan`, { bootMode: 'bios', disks });
    return answer.statusCode === 200 ? 'served' : 'not';
  },
  metadata: (scene: Scene, token: string) => asks(scene, `/metadata/${token}/user-data`),
  image: (scene: Scene, token: string) => asks(scene, `/images/${token}/${'a'.repeat(64)}`),
  kernel: (scene: Scene, token: string) => asks(scene, `/installer/${token}/kernel`),
  template: (scene: Scene, token: string) => asks(scene, `/installer/${token}/template`),
  seed: (scene: Scene, token: string) => asks(scene, `/installer/${token}/seed/user-data`),
  installed: async ({ world }: Scene, token: string) =>
    (await world.post(`/installer/${token}/installed`)).statusCode < 300 ? 'served' : 'not',
} as const;
type Channel = keyof typeof CHANNELS;
/** They answer who shows a token, not who the machine is. */
const OF_INSTALLERS: readonly Channel[] = ['kernel', 'template', 'seed'];
const BY_TOKEN: readonly Channel[] = [
  ...(['work', 'plan', 'metadata', 'image', 'installed'] as const),
  ...OF_INSTALLERS,
];

async function asks({ world }: Scene, url: string): Promise<string> {
  return (await world.app.inject(url)).statusCode < 300 ? 'served' : 'not';
}

/** What may be served: only with a live order, in its state; of the channels by token only what that token is for. */
function mayServe(
  condition: Condition,
  channel: Channel,
  at: { state: MachineState; purpose: Purpose },
) {
  const { state, purpose } = at;
  if (!['live', 'other purpose', 'earlier boot'].includes(condition)) return false;
  // The machine is served in its later boot; what it had before opens nothing.
  if (condition === 'earlier boot' && (BY_TOKEN.includes(channel) || channel === 'next'))
    return channel === 'next' && state === LIVE_STATE[purpose] && purpose !== 'installer';
  if (state !== LIVE_STATE[purpose]) return false;
  if (OF_INSTALLERS.includes(channel)) return purpose === 'installer';
  if (channel === 'plan') return purpose === 'install';
  // Files by their hash are an agent's, and its own installer has the very same ones by name.
  if (channel === 'image') return purpose !== 'recycle';
  // What has fetched no template has installed nothing.
  if (['TFTP', 'metadata', 'installed'].includes(channel)) return false;
  return purpose !== 'installer' || (channel !== 'next' && channel !== 'work');
}

/** What they are about does not depend on the state: in the others they are as a live one or none. */
const IN_FEW_STATES: readonly Condition[] = ['earlier boot', 'restored copy', 'burn-in'];

const BOTH = [true, false].flatMap((a) => [true, false].map((b) => [a, b] as const));

const rows = PURPOSES.flatMap((purpose) =>
  (Object.keys(CONDITIONS) as Condition[]).flatMap((condition) =>
    (Object.keys(CHANNELS) as Channel[]).map((channel) => ({ purpose, condition, channel })),
  ),
);

describe('install and recycle', () => {
  it.each(rows)('$purpose, token $condition, by $channel', async (row) => {
    const { purpose, condition, channel } = row;
    const states = IN_FEW_STATES.includes(condition)
      ? ([LIVE_STATE[purpose], 'available', 'in-use'] as const)
      : MACHINE_STATES;
    for (const state of states) {
      const world = createWorkWorld({ images, send: sendOptions() });
      const machine = await world.register(A, 'SN-0001');
      const other = await world.register(B, 'SN-0002');
      const scene: Scene = { world, machine, other, purpose };
      const token = (await CONDITIONS[condition](scene)) ?? 'x'.repeat(32);
      world.put(machine.name, state);
      // What another machine was given is shown by this one: it opens what it opened there, and nothing of this machine.
      const shown = condition === 'other machine' && BY_TOKEN.includes(channel);
      if (shown) world.put(other.name, 'in-use');
      // An order for the other thing is that thing's, in that thing's state: here it is judged as one.
      const ordered = condition === 'other purpose' ? otherThan(purpose) : purpose;
      const served = await CHANNELS[channel]({ ...scene, purpose: ordered }, token);
      const expected = mayServe(condition, channel, { state, purpose: ordered }) ? 'served' : 'not';
      expect(served, `${state}`).toBe(expected);
      await world.close();
    }
  });

  it('are decided by nothing but a live order: all facts at once', () => {
    for (const state of [...MACHINE_STATES, 'unknown'] as const)
      for (const work of [undefined, 'install', 'recycle', 'burn-in'] as const)
        for (const [installed, installer] of BOTH)
          for (const stage of ['firmware', 'http-boot', 'ipxe', 'os', 'bmc'] as const)
            for (const foreignIpxe of [true, false]) {
              const decision = decide({
                client: { stage, arch: 0, foreignIpxe },
                ...{ state, work, installed, installer, binariesServed: 0, localBoot: 'auto' },
                binary: { file: 'undionly.kpxe', present: true },
              } as never);
              const word = targetWord(decision.target);
              if (word === 'install') expect([state, work]).toEqual(['installing', 'install']);
              if (word === 'recycle') expect([state, work]).toEqual(['recycling', 'recycle']);
            }
  });
});

describe('a token', () => {
  it('expires with its order, to the millisecond', async () => {
    const world = createWorkWorld();
    const machine = await world.register(A, 'SN-0001');
    const job = world.job(machine.name);
    world.put(machine.name, 'installing');
    const expiresAt = (world.clock() + 1000) as Millis;
    const order = world.inventory.transaction(() =>
      world.inventory.work.arm({
        ...{ job: job.id, hardwarename: machine.name, purpose: 'install', expiresAt },
        detail: installDetail(),
      }),
    );
    const taken = world.inventory.transaction(() =>
      world.inventory.work.take(order, { boot: machine.boot, mac: A }),
    );
    const status = async () => (await world.app.inject(`/agent/${taken?.token}/work`)).statusCode;
    world.pass(999);
    expect(await status()).toBe(200);
    world.pass(1);
    expect(await status()).toBe(410);
    expect(world.inventory.work.liveOf(machine.name)).toBeUndefined();
    await world.close();
  });
});
