/**
 * Keeps as many free machines warm as the rules say: looks every few seconds, and has jobs switch machines on and off.
 *
 * It remembers nothing that the jobs do not say. A machine whose last job switched it off is cold from then on, however lately
 * it was heard of; one whose last job was ours and has woken it is on its way for a while. What a job could not do is not
 * tried again for an hour, and never while the machine has failed a short while ago. Requests and pools prefer warm machines
 * by themselves (match.ts); nothing is reserved for anybody.
 */
import type { Database } from 'better-sqlite3';
import type { EventStore } from '../inventory/event-store.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { rackPlace } from '../inventory/rack-place.ts';
import { isCapacity } from '../inventory/states.ts';
import type { JobDesk } from '../jobs/desk.ts';
import type { JobTimers } from '../jobs/ports.ts';
import { limit } from '../limits.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Candidates, Known } from './candidates.ts';
import { nextWarm, type WarmAction, type WarmMachine, type WarmRule } from './warm.ts';

export interface WarmKeeperOptions {
  readonly db: Database;
  readonly candidates: Pick<Candidates, 'read'>;
  readonly jobs: JobDesk;
  readonly inventory: Pick<Inventory, 'machines' | 'tokens' | 'boots'>;
  readonly events: Pick<EventStore, 'append'>;
  readonly timers: Pick<JobTimers, 'after' | 'now'>;
  readonly rules: readonly WarmRule[];
  readonly idleMs: number;
  transaction<T>(run: () => T): T;
  onError(error: unknown): void;
}

export interface WarmKeeper {
  start(): void;
  stop(): void;
}

/** Who its jobs are asked for by. */
export const WARM_REQUESTER = 'warm capacity';

interface LastJob {
  readonly kind: string;
  readonly requester: string;
  readonly status: string;
  readonly created_at: number;
  readonly ended_at: number;
}

export function createWarmKeeper(options: WarmKeeperOptions): WarmKeeper {
  const { timers, rules, idleMs } = options;
  const seeing = createSight(options);
  /** What was told of each rule last, so that a lack is told once. */
  const told = new Map<WarmRule, number>();
  let cancelPoll: (() => void) | undefined;
  let stopped = false;

  const pass = (): void => {
    const machines = seeing();
    const movesMax = limit('warmMovesMax');
    const actions = nextWarm({ rules, machines, now: timers.now(), idleMs, movesMax });
    for (const action of actions) {
      carryOut(options, action);
      tellShort(options, action, told);
    }
  };
  const poll = (): void => {
    cancelPoll = timers.after(limit('provisioningPollMs'), () => {
      if (stopped) return;
      try {
        pass();
      } catch (error) {
        options.onError(error);
      }
      poll();
    });
  };
  return {
    start() {
      if (rules.length > 0) poll();
    },
    stop() {
      stopped = true;
      cancelPoll?.();
    },
  };
}

/** Every free machine, and those that a job of ours has in hand. */
function createSight(options: WarmKeeperOptions): () => WarmMachine[] {
  const { db, candidates, inventory, timers } = options;
  const lastJob = db.prepare<[string], LastJob>(
    `SELECT kind, requester, status, created_at, ended_at FROM jobs WHERE target = ?
     ORDER BY number DESC LIMIT 1`,
  );
  const stateOf = (machine: Known, last: LastJob | undefined): WarmMachine['is'] | undefined => {
    const ours = last?.requester === WARM_REQUESTER;
    if (last && last.ended_at === 0) {
      if (!ours) return 'other';
      return last.kind === 'power-off' ? 'leaving' : 'waking';
    }
    if (machine.unfit !== '') return undefined;
    const heardAt = heard(inventory, machine.hardwarename);
    if (machine.warm && heardAt > (last?.kind === 'power-off' ? last.ended_at : 0)) return 'warm';
    const now = timers.now();
    if (ours && last.kind === 'netboot') {
      if (now - last.ended_at < limit('warmWakingMs')) return 'waking';
      // It was woken and has not come.
      if (now - last.created_at < limit('warmAgainMs')) return undefined;
    }
    return 'cold';
  };
  return () =>
    candidates.read().flatMap((machine): WarmMachine[] => {
      if (!isCapacity(machine.state)) return [];
      const { hardwarename, site, failures } = machine;
      const is = stateOf(machine, lastJob.get(hardwarename));
      if (is === undefined) return [];
      const idleSinceAt = is === 'warm' ? idleSince(inventory, hardwarename) : 0;
      const [place, { type }] = [rackPlace(machine), machine.hardware];
      return [{ hardwarename, site, place, failures, type, is, idleSinceAt }];
    });
}

function heard({ machines, tokens }: WarmKeeperOptions['inventory'], name: Hardwarename): number {
  return Math.max(0, ...machines.nicsOf(name).map(({ mac }) => tokens.heardAt(mac)));
}

/** It became free, or has started since: whatever came last. */
function idleSince(
  { machines, boots }: WarmKeeperOptions['inventory'],
  name: Hardwarename,
): number {
  const started = machines.nicsOf(name).map(({ mac }) => boots.latest(mac)?.startedAt ?? 0);
  return Math.max(machines.record(name)?.stateAt ?? 0, ...started);
}

function carryOut(
  { jobs, events, inventory, transaction, onError }: WarmKeeperOptions,
  { rule, warm, wake, rest }: WarmAction,
): void {
  const move = (hardwarename: Hardwarename, way: 'waking' | 'resting'): void => {
    try {
      transaction(() => {
        const uefi = inventory.machines.byHardwarename(hardwarename)?.hardware.agent.bootMode;
        const request =
          way === 'waking'
            ? { action: 'netboot', params: { uefi: uefi !== 'bios' } }
            : // pxeimage has nothing to lose, and no power button that it would listen to.
              { action: 'power-off', params: { graceSeconds: 0 } };
        const job = jobs.create({ ...request, target: hardwarename, requester: WARM_REQUESTER });
        const data = { type: rule.type ?? '', keep: rule.count, warm, job: job.id };
        events.append({ name: `capacity.${way}`, hardwarename, data });
      });
    } catch (error) {
      onError(error);
    }
  };
  for (const name of wake) move(name, 'waking');
  for (const name of rest) move(name, 'resting');
}

function tellShort(
  { events, transaction }: WarmKeeperOptions,
  { rule, warm, short }: WarmAction,
  told: Map<WarmRule, number>,
): void {
  if ((told.get(rule) ?? 0) === short) return;
  told.set(rule, short);
  const data = { type: rule.type ?? '', keep: rule.count, warm, missing: short };
  transaction(() => events.append({ name: 'capacity.short', data }));
}
