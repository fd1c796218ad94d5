/**
 * What each kind of intent does at this site, by the code that answers the site's own API: forms are checked here, and what a machine's
 * state, its protection, a job or a name in use forbids is refused as there. Everything happens in the caller's transaction.
 */
import { z } from 'zod';
import { AppError } from '../errors.ts';
import type { MachineRecord } from '../inventory/machine-fields.ts';
import { changesSchema, machineEntrySchema, moveFields } from '../inventory/machine-schema.ts';
import type { Cause } from '../inventory/records.ts';
import { needsRelease } from '../inventory/states.ts';
import { poolSchema, resetSchema } from '../provisioning/pool.ts';
import { requestSchema } from '../provisioning/request.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Millis } from '../wire/time.ts';
import type { IntentParts } from './intents.ts';
import type { Intent, IntentBody } from './protocol.ts';
import { keepRecord, parsed } from './records.ts';

type BodyOf<Kind extends IntentBody['kind']> = Extract<IntentBody, { kind: Kind }>;
type Effect = Record<string, unknown>;

export interface EffectParts extends Omit<IntentParts, 'db' | 'clock' | 'keepsImages'> {
  /** The job that an intent has become. */
  jobOf(intent: string): string | undefined;
}

/** It ends later (deferred.ts). */
export const isLong = (body: IntentBody): boolean =>
  body.kind === 'record' && body.doc !== null && ['image', 'channel'].includes(body.record);

/** @throws AppError what the site's own API would say */
export function effectOf(parts: EffectParts, { id, who, body }: Intent): Effect {
  const { inventory, jobs, provisioning, pools } = parts;
  const requester = `central:${who}`;
  switch (body.kind) {
    case 'job': {
      const { action, params, release } = body;
      const target = body.target as Hardwarename;
      assertSeen(inventory.machines.record(target), body.seen);
      return { job: jobs.create({ action, target, params, release, requester }).id };
    }
    case 'cancel-job': {
      const job = parts.jobOf(body.job);
      if (job === undefined) return { was: 'unknown' };
      return { job: jobs.cancel(job, { who: requester, why: body.why }).id };
    }
    case 'stop-job': {
      const machine = inventory.machines.record(jobs.get(body.job).target);
      if (machine && machine.squad !== body.squad) throw otherNow(machine);
      return { job: jobs.cancel(body.job, { who: requester, why: body.why }).id };
    }
    case 'edit':
    case 'move':
    case 'name':
    case 'enter':
    case 'forget':
      return orderOf(parts, body, requester);
    case 'request':
      return ask(parts, body, { id, requester });
    case 'cancel-request': {
      if (!provisioning.store.byId(body.request)) return { request: body.request, was: 'unknown' };
      const { status } = provisioning.cancel(body.request, { who: requester, why: body.why });
      return { request: body.request, was: status };
    }
    case 'record':
      if (isLong(body))
        throw new AppError('NOT_FOUND', { detail: 'This appliance keeps no images.' });
      return keepRecord({ inventory, pools }, body, {
        who: requester,
        why: 'the fleet has changed it',
      });
    case 'size-pool': {
      const { pool, count, confirm, why, version } = body;
      const doc = parsed(poolSchema.safeParse({ ...pools.get(pool).doc, count }));
      pools.assertConfirmed(pool, count, confirm);
      return versionOf(pools.put(pool, doc, { who: requester, why, version }));
    }
    case 'reset': {
      const wish = parsed(resetSchema.safeParse(body.reset));
      return { reset: pools.reset({ pool: body.pool, site: '' }, wish, requester).id };
    }
    case 'turn-reset': {
      const cause = { who: requester, why: body.why };
      return { status: pools.store.turnReset(body.reset, body.turn, cause).status };
    }
  }
}

type Order = BodyOf<'edit' | 'move' | 'name' | 'enter' | 'forget'>;

const moveSchema = z.strictObject(moveFields);

/** Of one machine. */
function orderOf({ inventory, site }: EffectParts, body: Order, who: string): Effect {
  const { editor, hostnames } = inventory.serverdb;
  if (body.kind === 'enter') {
    const entry = parsed(machineEntrySchema.safeParse(body.entry));
    const { hardwarename, version } = editor.enter(entry, { who, why: body.why });
    return { hardwarename, version };
  }
  const cause: Cause = { who, why: body.why, version: body.version };
  const machine = body.target as Hardwarename;
  const record = inventory.machines.record(machine);
  if (!record) throw new AppError('MACHINE_UNKNOWN', { detail: machine });
  assertSeen(record, body.seen);
  switch (body.kind) {
    case 'edit':
      return versionOf(editor.edit(machine, parsed(changesSchema.safeParse(body.edit)), cause));
    case 'name': {
      const { role } = body;
      const wish = { role, site: record.site || site, serial: record.serial };
      const { hostname } = hostnames.allocate({ ...wish, hardwarename: machine });
      return versionOf(editor.edit(machine, { role, hostname }, cause));
    }
    case 'move': {
      const { to, deadlineAt, ...rest } = parsed(moveSchema.safeParse(body.move));
      return versionOf(
        editor.move(machine, to, {
          ...{ ...cause, ...rest, deadlineAt: deadlineAt as Millis | undefined },
          by: needsRelease(record.state) ? 'owner' : 'operator',
        }),
      );
    }
    case 'forget':
      editor.forget(machine, cause);
      return {};
  }
}

/** Who may was decided by what central had heard, which may be days old. @throws AppError VERSION_CONFLICT */
function assertSeen(now: MachineRecord | undefined, seen: BodyOf<'job'>['seen']): void {
  if (!now || !seen) return;
  if (now.squad === seen.squad && needsRelease(now.state) === seen.inUse) return;
  throw otherNow(now);
}

const otherNow = ({ state, squad }: MachineRecord): AppError =>
  new AppError('VERSION_CONFLICT', {
    detail: `It is ${state} now, of ${squad === '' ? 'no squad' : squad}.`,
  });

const versionOf = ({ version }: { readonly version: number }): Effect => ({ version });

function ask(
  { provisioning }: EffectParts,
  { request }: BodyOf<'request'>,
  by: { readonly id: string; readonly requester: string },
): Effect {
  const made =
    provisioning.store.byId(by.id) ??
    provisioning.create(parsed(requestSchema.safeParse(request)), by);
  return { request: made.id, image: made.doc.image };
}
