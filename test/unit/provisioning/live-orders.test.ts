/**
 * Requests and pools over the real kinds of jobs, with agents that are simulated: at no commit, over kills of the appliance,
 * machines that fail, requests that are called off and pools that shrink, is a machine served an install or a recycle that no
 * unfinished job of that kind has ordered for it; and no token opens anything once its job is over.
 */
import { describe, expect, it } from 'vitest';
import { decide, targetWord } from '../../../src/boot/decide.ts';
import { nextInstruction } from '../../../src/boot/next.ts';
import type { WorkToken } from '../../../src/inventory/work.ts';
import { createKinds } from '../../../src/jobs/definition.ts';
import { installJob, reinstallJob } from '../../../src/jobs/kinds/install.ts';
import { recycleJob } from '../../../src/jobs/kinds/recycle.ts';
import type { BootToken, Hardwarename } from '../../../src/wire/ids.ts';
import { createProvisionHall, type ProvisionHall } from '../../support/provision-hall.ts';
import { nameOf, TB } from '../../support/provision-machines.ts';

const MACHINES = 10;
const NAMES = Array.from({ length: MACHINES }, (_, index) => nameOf(index));
const TICK_MS = 500;
const WORK_MS = 30_000;
const policy = { bmcPatienceMs: 300_000 };
const KINDS = createKinds([
  ...[installJob(policy), reinstallJob(policy), recycleJob({ level: 'clear' })],
]);

interface Seen {
  hall: ProvisionHall | undefined;
  served: number;
  refused: number;
  readonly tokens: Map<BootToken, string>;
  readonly faults: string[];
}

const DESTRUCTIVE: Readonly<Record<string, readonly string[]>> = {
  install: ['install', 'reinstall'],
  recycle: ['recycle'],
};

/** What every channel would say now, of every machine; and of every token that was ever given out. */
function look(seen: Seen): void {
  const { hall } = seen;
  if (!hall?.now.life.alive) return;
  const { inventory, jobs } = hall.now;
  for (const name of NAMES) {
    const machine = inventory.machines.record(name);
    if (!machine) continue;
    const standing = inventory.work.standing(name);
    const { state } = machine;
    const decision = decide({
      client: { stage: 'ipxe', arch: 0, foreignIpxe: false },
      ...{ state, ...standing, binariesServed: 0, binary: undefined, localBoot: 'auto' },
    });
    const next = nextInstruction({ machine, boot: { reportDigest: 'x' }, ...standing });
    for (const word of [targetWord(decision.target), next.instruction]) {
      const kinds = DESTRUCTIVE[word];
      if (!kinds) continue;
      seen.served += 1;
      const job = jobs.store.unfinishedOf(name);
      const off =
        job && jobs.store.logOf(job.number).some(({ entry }) => entry.is === 'cancelling');
      if (!job || off || !kinds.includes(job.kind))
        seen.faults.push(`${name} is served ${word} by ${job?.kind ?? 'nobody'}, ${state}`);
    }
  }
  for (const [token, id] of seen.tokens) {
    const job = jobs.store.byId(id);
    if (!job || job.endedAt === 0) continue;
    seen.refused += 1;
    if (opens(hall, token)) seen.faults.push(`a token of ${job.kind} ${id}, ${job.status}, opens`);
  }
}

function opens(hall: ProvisionHall, token: BootToken): boolean {
  try {
    hall.now.inventory.work.find(token);
    return true;
  } catch {
    return false;
  }
}

/** The agents of all machines: they take what there is for them, work for a while, and have the last word. */
function runAgents(seen: Seen, hall: ProvisionHall, fails: (name: Hardwarename) => boolean): void {
  const since = new Map<string, { token: WorkToken; at: number; told?: number }>();
  const tick = (): void => {
    const { inventory, life } = hall.now;
    if (life.alive) for (const name of NAMES) inventory.transaction(() => act(name));
    hall.time.at(hall.time.now() + TICK_MS, tick);
  };
  const act = (name: Hardwarename): void => {
    const { inventory } = hall.now;
    const { work, boots, machines, events } = inventory;
    const order = work.liveOf(name);
    const [nic] = machines.nicsOf(name);
    const boot =
      nic && boots.sight({ mac: nic.mac, client: 'ipxe', arch: 'x', hardwarename: name });
    const known = since.get(name);
    if (order && nic && boot && known?.token.order.job !== order.job) {
      const token = work.take(order, { boot: boot.boot.id, mac: nic.mac });
      if (!token) return;
      seen.tokens.set(token.token, order.job);
      work.fetched(token);
      work.destroys(order.job);
      machines.write(name, { mayHoldData: true });
      since.set(name, { token, at: hall.time.now() });
      return;
    }
    if (!known || hall.time.now() - known.at < WORK_MS) return;
    const { token } = known;
    const { job, purpose, round } = token.order;
    if (known.told === undefined) {
      known.told = hall.time.now();
      if (work.liveOf(name)?.job !== job) return;
      const ok = purpose === 'install' && !fails(name);
      const about = { job, purpose, round };
      const result = { ok, step: 'copy', code: 'DISK_FAILED', detail: 'vda broke' };
      if (!work.concluded(token, result)) return;
      events.append(
        ok
          ? { name: 'agent.finished', hardwarename: name, data: { ...about, measurements: {} } }
          : {
              ...{ name: 'agent.failed', hardwarename: name },
              data: { ...about, ...result, retry: false, log: '' },
            },
      );
    } else if (work.ofJob(job)?.state === 'done' && work.phoned(job)) {
      const data = { job, hostname: '', image: '', address: '' };
      events.append({ name: 'os.phoned-home', hardwarename: name, data });
    }
  };
  tick();
}

function open(seed: number, fails: (name: Hardwarename) => boolean) {
  const seen: Seen = {
    ...{ hall: undefined, served: 0, refused: 0 },
    tokens: new Map(),
    faults: [],
  };
  const hall = createProvisionHall({
    ...{ machines: MACHINES, seed, kinds: KINDS, onCommit: () => look(seen) },
    work: { isListening: () => true },
    machine: () => ({ disks: [{ kind: 'nvme', sizeBytes: 2 * TB }] }),
  });
  seen.hall = hall;
  runAgents(seen, hall, fails);
  return { hall, seen };
}

describe('no machine is served an install or a recycle without a live order', () => {
  it.each([1, 4])(
    'while requests and pools come, fail, shrink and are killed (%i)',
    async (seed) => {
      const broken = new Set([nameOf(seed), nameOf((seed * 3) % MACHINES)]);
      const { hall, seen } = open(seed, (name) => broken.has(name));
      hall.ask({ count: 3 });
      const off = hall.ask({ count: 3, role: 'other' });
      hall.pool('web', { count: 2, health: { everySeconds: 3600 } });
      for (let crash = 0; crash < 25; crash++) {
        const { commits } = hall.now.life;
        hall.cut = { at: commits + 1 + ((crash * seed) % 7), when: crash % 2 ? 'before' : 'after' };
        await hall.time.pass(4000);
        if (crash === 5)
          hall.now.inventory.transaction(() =>
            hall.now.desk.cancel(off.id, { who: 'ann', why: 'not needed' }),
          );
        if (crash === 16) hall.pool('web', { count: 1, health: { everySeconds: 3600 } });
      }
      hall.cut = undefined;
      await hall.time.pass(15 * 60_000);
      look(seen);
      expect(seen.faults).toEqual([]);
      expect(hall.crashes).toBeGreaterThan(4);
      expect([seen.served > 10, seen.refused > 10, seen.tokens.size >= 6]).toEqual([
        true,
        true,
        true,
      ]);
    },
  );

  it('and the check would say so: an order whose job is gone is not live, one that is, is served', async () => {
    const { hall, seen } = open(9, () => false);
    hall.ask({ count: 1 });
    await hall.until(() => seen.tokens.size > 0);
    const [token] = seen.tokens.keys();
    const served = NAMES.find((name) => hall.now.inventory.work.liveOf(name));
    if (!served || !token) throw new Error('nothing was served');
    expect(opens(hall, token)).toBe(true);
    const job = hall.now.jobs.store.unfinishedOf(served);
    hall.now.inventory.transaction(() =>
      hall.now.jobs.cancel(job?.id ?? '', { who: 'ann', why: 'test' }),
    );
    hall.database().prepare("UPDATE work_orders SET state = 'armed'").run();
    look(seen);
    expect(seen.faults.length).toBeGreaterThan(0);
  });
});
