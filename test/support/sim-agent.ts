/**
 * The agent of simulated machines: takes the work that there is, says how far it is, and has the last word, all in simulated
 * time; the appliance may be down whenever it asks. It acts through the same store as the machines' routes.
 */
import { randomBytes } from 'node:crypto';
import type { WorkToken } from '../../src/inventory/work.ts';
import type { AgentResult } from '../../src/inventory/work-report.ts';
import { signingKey } from '../../src/recycle/certificate.ts';
import { openRecycleDesk } from '../../src/recycle/desk.ts';
import { erasedSchema } from '../../src/recycle/seen.ts';
import type { BootId, Hardwarename } from '../../src/wire/ids.ts';
import type { Mac } from '../../src/wire/mac.ts';
import { createHall, type Hall, type HallOptions } from './job-hall.ts';
import { report } from './reports.ts';

export interface AgentKnobs {
  /** How rounds end, in turn; the last one again and again. */
  readonly rounds?: readonly (
    | 'ok'
    | 'retry'
    | 'disk'
    | 'silent'
    | 'reboots'
    | 'no-order'
    | 'absent'
  )[];
  /** The installed system never calls. */
  readonly mute?: boolean;
}

const PLAN_MS = 2000;
/** How often an erased machine asks for more. */
const ASKS = 30;
const COPY_MS = 40_000;
const SYSTEM_MS = 60_000;
const MAC = '52:54:00:00:00:01' as Mac;

/** A hall with one available machine that has reported two disks alike but for size, and an image to install. */
export function createInstallHall(knobs: AgentKnobs = {}, options: HallOptions = {}): Hall {
  const rounds = [...(knobs.rounds ?? ['ok'])];
  const hall = createHall({
    ...options,
    onPxeimage: (current, name) => runAgent(current, name, { knobs, rounds }),
  });
  const { inventory } = hall.now;
  inventory.transaction(() => {
    const db = hall.database();
    const { inventory: now } = hall.now;
    const sha256 = 'a'.repeat(64);
    const sizes = { sizeBytes: 100, contentBytes: 300, contentSha256: 'b'.repeat(64) };
    now.blobs.add({ sha256, ...sizes, compression: 'zstd' });
    const image = { name: 'debian-12', version: '1', kind: 'tarball', signedBy: '' } as const;
    const doc = { description: '', kernelArguments: '' };
    const cause = { who: 'test', why: 'test' };
    now.images.add({ ...image, doc, files: [{ role: 'root', sha256 }] }, cause);
    now.images.move({ name: 'debian-12', channel: 'stable', version: '1' }, cause);
    db.prepare('UPDATE machine_hardware SET hardware = ?').run(JSON.stringify(report()));
    db.prepare("UPDATE machines SET state = 'available'").run();
  });
  return hall;
}

function runAgent(
  hall: Hall,
  name: Hardwarename,
  { knobs, rounds }: { knobs: AgentKnobs; rounds: AgentKnobs['rounds'] & object },
): void {
  const machine = hall.machine(0);
  const boot = `boot ${hall.time.now()}` as BootId;
  const netboots = machine.netboots();
  /** Does it when the appliance is there; not at all once the machine was switched off or started anew. */
  const later = (ms: number, act: () => void): void => {
    hall.time.at(hall.time.now() + ms, () => {
      if (!machine.isOn() || machine.netboots() !== netboots) return;
      if (!hall.now.life.alive) return later(2000, act);
      hall.now.inventory.transaction(act);
    });
  };
  /** An erased machine stays in pxeimage and asks what is next. */
  const ask = (times: number): void => {
    later(PLAN_MS, () => {
      if (hall.now.inventory.work.liveOf(name)) runAgent(hall, name, { knobs, rounds });
      else if (times > 0) ask(times - 1);
    });
  };
  later(PLAN_MS, () => {
    const { work, events } = hall.now.inventory;
    const order = work.liveOf(name);
    if (!order) return;
    const how = (rounds.length > 1 ? (rounds as string[]).shift() : rounds[0]) ?? 'ok';
    // It never gets as far as asking.
    if (how === 'absent') return;
    const token = work.take(order, { boot, mac: MAC });
    if (!token) return;
    if (how === 'no-order') {
      // It was offered the work, could not fetch the order, and says so.
      const fault = { step: 'order', code: 'AGENT_FAILED', detail: 'no order', log: '' } as const;
      work.concluded(token, { ok: false, ...fault, retry: true });
      const { job, purpose, round } = order;
      const data = { job, purpose, round, ...fault, retry: true };
      events.append({ name: 'agent.failed', hardwarename: name, boot, data });
      return;
    }
    work.fetched(token);
    later(PLAN_MS, () => {
      if (hall.now.inventory.work.liveOf(name)) hall.now.inventory.work.destroys(token.order.job);
    });
    if (how === 'silent') return;
    if (how === 'reboots') {
      // Its firmware goes to the network by itself, past the BMC's flags.
      hall.time.at(
        hall.time.now() + COPY_MS,
        () => machine.isOn() && runAgent(hall, name, { knobs, rounds }),
      );
      return;
    }
    later(COPY_MS, () => {
      const { inventory } = hall.now;
      if (!inventory.work.liveOf(name)) return;
      const ok = how === 'ok';
      const code = how === 'disk' ? 'DISK_FAILED' : 'IMAGE_UNREACHABLE';
      const result = ok
        ? { ok, step: 'verify' }
        : { ok, step: 'copy', code, detail: 'vda broke', retry: how === 'retry', log: 'dd: error' };
      if (token.purpose === 'recycle') certify(hall, token, result);
      if (!inventory.work.concluded(token, result)) return;
      const { job, purpose, round } = token.order;
      const about = { job, purpose, round };
      if (ok)
        inventory.events.append({
          ...{ name: 'agent.finished', hardwarename: name, data: { ...about, measurements: {} } },
        });
      else
        inventory.events.append({
          ...{ name: 'agent.failed', hardwarename: name, boot },
          data: {
            ...about,
            step: 'copy',
            code,
            detail: 'vda broke',
            retry: how === 'retry',
            log: '',
          },
        });
      if (!ok) runAgent(hall, name, { knobs, rounds });
      else if (token.purpose === 'recycle') ask(ASKS);
      else if (!knobs.mute) callHome(hall, name, job);
    });
  });
}

const KEY = signingKey(randomBytes(32));

/** As the machines' routes do: every disk of the last report is erased, and the certificate says so. */
function certify(hall: Hall, token: WorkToken, result: AgentResult): void {
  const { inventory } = hall.now;
  const desk = openRecycleDesk({ inventory, clock: hall.clock, key: KEY, site: 'lab' });
  const machine = inventory.machines.byHardwarename(token.order.hardwarename);
  for (const { name, serial, sizeBytes } of machine?.hardware.disks ?? []) {
    const how = { method: 'overwrite', ok: result.ok, seconds: 1, samples: 18 };
    desk.erased(token, erasedSchema.parse({ name, serial, sizeBytes, ...how }));
  }
  desk.concluded(token, result);
}

function callHome(hall: Hall, name: Hardwarename, job: string): void {
  hall.time.at(hall.time.now() + SYSTEM_MS, () => {
    if (!hall.now.life.alive) return callHome(hall, name, job);
    const { inventory } = hall.now;
    inventory.transaction(() => {
      if (inventory.work.ofJob(job)?.state !== 'done' || !inventory.work.phoned(job)) return;
      const data = { job, hostname: 'web1', image: 'debian-12@1', address: '10.0.0.1' };
      inventory.events.append({ name: 'os.phoned-home', hardwarename: name, data });
    });
  });
}
