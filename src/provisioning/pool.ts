/**
 * A pool: so many machines of a role at a site, kept so. Its form, and the pure rules: how far it is from its size, which
 * machine goes when it shrinks, what a rolling reset does next. Nothing here looks anything up.
 */
import { z } from 'zod';
import { text } from '../inventory/record-kinds.ts';
import { limit } from '../limits.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Millis } from '../wire/time.ts';
import { templateFields } from './request.ts';

/** The machine's own address and nothing else: a check is no way to reach other hosts. */
const checkUrl = z
  .string()
  .max(300)
  .regex(
    /^https?:\/\/\{address\}(?::\d{1,5})?(?:\/[\x21-\x7e]*)?$/,
    'as http://{address}:80/health',
  );

export const poolSchema = z.strictObject({
  ...templateFields,
  count: z.number().int().min(0).max(limit('requestMachinesMax')).describe('How many, always'),
  health: z
    .strictObject({
      url: checkUrl.optional().describe('Fetched regularly; any 2xx is health'),
      everySeconds: z.number().int().min(1).max(3600).default(30),
      failuresMax: z.number().int().min(1).max(100).default(3).describe('In a row: it has failed'),
      graceSeconds: z.number().int().min(0).max(86_400).default(300).describe('After an install'),
    })
    .prefault({}),
});

export type PoolBody = z.output<typeof poolSchema>;

export const resetSchema = z.strictObject({
  atOnceMax: z.number().int().min(1).max(1000).default(1).describe('Away at once, whatever for'),
  withinHours: z.number().min(0.01).max(720).default(24).describe('Nothing begins after that'),
  failuresMax: z.number().int().min(0).max(1000).default(0).describe('More of them stop it'),
  image: z.string().min(1).max(130).optional().describe('The image of the pool when absent'),
  why: text.min(1),
});

export type ResetBody = z.output<typeof resetSchema>;

export interface Member {
  readonly hardwarename: Hardwarename;
  readonly pool: string;
  readonly joinedAt: Millis;
  /** 0: it is healthy. */
  readonly unhealthyAt: number;
  /** It has failed, and an open breaker keeps it from being replaced. */
  readonly held: boolean;
  readonly why: string;
}

/** A member with what the rules need to know of its machine. */
export interface SeenMember extends Member {
  /** Of its rack, by `rackPlace`. */
  readonly place: string;
  readonly protected: boolean;
  /** In use, as opposed to being installed anew. */
  readonly atWork: boolean;
}

export type SizeAction =
  | { readonly do: 'nothing' }
  | { readonly do: 'ask'; readonly count: number }
  /** More is asked for than is wanted, by so many. */
  | { readonly do: 'call-off'; readonly count: number }
  | { readonly do: 'release'; readonly machine: Hardwarename };

/**
 * What is still to come goes before any machine in use: nobody works on it yet.
 * @param pending machines that open requests of the pool are still to bring
 */
export function nextSizeAction(
  count: number,
  members: readonly SeenMember[],
  pending: number,
): SizeAction {
  const missing = count - members.length - pending;
  if (missing > 0) return { do: 'ask', count: missing };
  if (missing === 0) return { do: 'nothing' };
  if (pending > 0) return { do: 'call-off', count: Math.min(-missing, pending) };
  const machine = leaver(members);
  return machine === undefined ? { do: 'nothing' } : { do: 'release', machine };
}

/** Who goes: what is unhealthy, then out of the rack with the most, then who came last. Never what is protected. */
function leaver(members: readonly SeenMember[]): Hardwarename | undefined {
  const inRack = new Map<string, number>();
  for (const { place } of members) inRack.set(place, (inRack.get(place) ?? 0) + 1);
  const order = (a: SeenMember, b: SeenMember) =>
    Number(b.unhealthyAt > 0) - Number(a.unhealthyAt > 0) ||
    (inRack.get(b.place) ?? 0) - (inRack.get(a.place) ?? 0) ||
    b.joinedAt - a.joinedAt ||
    (a.hardwarename < b.hardwarename ? -1 : 1);
  const free = members.filter((one) => !one.protected && one.atWork);
  return free.sort(order)[0]?.hardwarename;
}

/** A place of a request that has no machine in use yet. */
export interface ComingPlace {
  readonly request: string;
  readonly place: number;
  /** How far its install is: 0 without one, then a step more each. */
  readonly far: number;
  /** Since when it has its machine; 0: it has none. */
  readonly sinceAt: number;
}

/** Which places are given up: those with the least done, and of these the youngest. */
export function placesToCallOff(coming: readonly ComingPlace[], count: number): ComingPlace[] {
  const order = (a: ComingPlace, b: ComingPlace) =>
    a.far - b.far || b.sinceAt - a.sinceAt || b.place - a.place;
  return coming.toSorted(order).slice(0, count);
}

export type ResetMachineStatus = 'to-do' | 'running' | 'done' | 'failed' | 'gone';

export interface ResetFacts {
  readonly now: Millis;
  readonly deadlineAt: Millis;
  readonly atOnceMax: number;
  readonly failuresMax: number;
  readonly machines: readonly {
    readonly hardwarename: Hardwarename;
    readonly status: ResetMachineStatus;
  }[];
  /** How many machines the pools are short of health: failed, being replaced, or away for this reset. */
  readonly away: number;
}

export type ResetAction =
  | { readonly do: 'nothing' }
  | { readonly do: 'begin'; readonly machines: readonly Hardwarename[] }
  | { readonly do: 'end'; readonly status: 'finished' | 'stopped'; readonly why: string };

export function nextResetAction(facts: ResetFacts): ResetAction {
  const { machines, now, deadlineAt, atOnceMax, failuresMax, away } = facts;
  const of = (status: ResetMachineStatus) => machines.filter((one) => one.status === status);
  const [toDo, running, failed] = [of('to-do'), of('running'), of('failed')];
  if (failed.length > failuresMax && running.length === 0)
    return { do: 'end', status: 'stopped', why: `${failed.length} machines have failed` };
  if (failed.length > failuresMax) return { do: 'nothing' };
  if (toDo.length === 0)
    return running.length > 0 ? { do: 'nothing' } : { do: 'end', status: 'finished', why: '' };
  if (now >= deadlineAt)
    return running.length > 0
      ? { do: 'nothing' }
      : { do: 'end', status: 'stopped', why: `its time is over, ${toDo.length} are left` };
  const free = atOnceMax - Math.max(running.length, away);
  const next = toDo.slice(0, Math.max(0, free)).map(({ hardwarename }) => hardwarename);
  return next.length > 0 ? { do: 'begin', machines: next } : { do: 'nothing' };
}
