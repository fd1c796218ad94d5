/**
 * Carries requests out: asks `decide.ts` what each unfinished one does next, and does it.
 *
 * It remembers nothing that the logs do not say. A claim (the machine's name and role, its install job, the entry of the
 * log) is one transaction, and so is what follows from a job's end: killed at any moment, its successor reads the logs and
 * goes on. It is woken by the event feed, a few times a second at most, and by a slow poll; between two requests it gives
 * the event loop back. Requests are looked at by priority, then by age, so a higher one gets what has become free.
 */
import { AppError } from '../errors.ts';
import type { EventStore } from '../inventory/event-store.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { needsRelease } from '../inventory/states.ts';
import type { JobDesk } from '../jobs/desk.ts';
import type { JobTimers } from '../jobs/ports.ts';
import { limit } from '../limits.ts';
import type { Hardwarename } from '../wire/ids.ts';
import {
  type JobOutcome,
  nextRequestAction,
  type RequestAction,
  type Settlement,
} from './decide.ts';
import type { RequestDesk } from './desk.ts';
import { factorsOf } from './factors.ts';
import { type RequestFold, wantedPlaces } from './fold.ts';
import type { Choice } from './match.ts';
import type { ProvisioningRequest } from './store.ts';

export interface RequestEngineOptions {
  readonly desk: RequestDesk;
  readonly jobs: JobDesk;
  readonly inventory: Pick<Inventory, 'machines' | 'serverdb'>;
  readonly events: Pick<EventStore, 'follow'>;
  readonly timers: Pick<JobTimers, 'after'>;
  readonly installsMax: number;
  /** A machine of a pool is in use: in the transaction that says so. */
  readonly join?: (pool: string, machine: Hardwarename) => void;
  transaction<T>(run: () => T): T;
  onError(error: unknown, request?: string): void;
}

export interface RequestEngine {
  start(): void;
  stop(): void;
}

/** A request in memory. */
interface Live {
  readonly request: ProvisioningRequest;
  fold: RequestFold;
  /** The candidates that it last found too few. */
  triedVersion: number;
}

export function createRequestEngine(options: RequestEngineOptions): RequestEngine {
  return new Fulfiller(options);
}

class Fulfiller implements RequestEngine {
  private readonly options: RequestEngineOptions;
  private readonly live = new Map<number, Live>();
  /** Numbers of requests that are still to be looked at in this pass. */
  private queue: number[] = [];
  private passDue = false;
  private again = false;
  private stopped = false;
  private unfollow: (() => void) | undefined;
  private cancelPoll: (() => void) | undefined;

  constructor(options: RequestEngineOptions) {
    this.options = options;
  }

  start(): void {
    this.unfollow = this.options.events.follow(() => this.passSoon(), 'machines');
    this.poll();
    this.passSoon(0);
  }

  stop(): void {
    this.stopped = true;
    this.unfollow?.();
    this.cancelPoll?.();
  }

  private poll(): void {
    this.cancelPoll = this.options.timers.after(limit('provisioningPollMs'), () => {
      if (this.stopped) return;
      for (const live of this.live.values()) live.triedVersion = -1;
      this.passSoon();
      this.poll();
    });
  }

  private passSoon(ms = limit('provisioningGatherMs')): void {
    if (this.stopped) return;
    if (this.passDue) {
      this.again = true;
      return;
    }
    this.passDue = true;
    this.options.timers.after(ms, () => this.begin());
  }

  private begin(): void {
    if (this.stopped) return;
    this.again = false;
    this.guarded(undefined, () => {
      const open = this.options.desk.store.open();
      this.queue = open.map(({ number }) => number);
      for (const number of this.live.keys())
        if (!this.queue.includes(number)) this.live.delete(number);
    });
    this.next();
  }

  /** One step of one request, then the loop is given back. */
  private next(): void {
    if (this.stopped) return;
    const [number] = this.queue;
    if (number === undefined) {
      this.passDue = false;
      if (this.again) this.passSoon();
      return;
    }
    let more = false;
    this.guarded(number, () => {
      more = this.step(number);
    });
    if (!more) this.queue.shift();
    this.options.timers.after(0, () => this.next());
  }

  /** @returns whether there may be more to do for it at once */
  private step(number: number): boolean {
    const { desk } = this.options;
    const request = desk.store.byNumber(number);
    if (!request || request.endedAt > 0) return false;
    const known = this.live.get(number);
    // Calling off is written by others, of all of it or of some places.
    const stale =
      known &&
      ((request.status === 'cancelling' && !known.fold.cancelling) ||
        request.count !== wantedPlaces(known.fold));
    const live =
      known && !stale
        ? { ...known, request }
        : { request, fold: desk.store.foldOf(request), triedVersion: -1 };
    this.live.set(number, live);
    const action = nextRequestAction(live.fold, {
      outcome: ({ job, off = false }) => this.outcomeOf(job, live.fold.cancelling || off),
      free: (installing) =>
        Math.min(
          request.doc.parallel - installing,
          this.options.installsMax - desk.store.claims(),
          limit('requestPlacesPerStepMax'),
        ),
    });
    return this.carryOut(live, action);
  }

  private carryOut(live: Live, action: RequestAction): boolean {
    const { jobs, desk } = this.options;
    switch (action.do) {
      case 'settle':
        this.commit(live, (fold) =>
          action.all.reduce((at, one) => this.settle(live, at, one), fold),
        );
        return true;
      case 'cancel-jobs':
        this.commit(live, (fold) => {
          const { id, requester: who } = live.request;
          const why = fold.cancelling ? `request ${id} is off` : `request ${id} wants fewer`;
          const cause = { who, why };
          for (const job of action.jobs) jobs.cancel(job, cause);
          return fold;
        });
        // Places that are still wanted may be open.
        return !live.fold.cancelling;
      case 'end':
        this.commit(live, (fold) =>
          desk.store.append(live.request, fold, { is: 'ended', status: action.status }),
        );
        return false;
      case 'claim':
        return this.claim(live, action.places, action.open);
      case 'nothing':
        return false;
    }
  }

  /** The fold changes with the commit, or not at all. */
  private commit(live: Live, run: (fold: RequestFold) => RequestFold): void {
    live.fold = this.options.transaction(() => run(live.fold));
  }

  private outcomeOf(id: string, cancelling: boolean): JobOutcome {
    const { store } = this.options.jobs;
    const job = store.byId(id);
    if (!job) return { is: 'failed', code: 'NOT_FOUND', detail: `Job ${id} is gone.` };
    const { code, detail } = job;
    switch (job.status) {
      case 'finished':
        return { is: 'finished' };
      case 'failed':
      case 'cancelled':
        return { is: job.status, code, detail };
      case 'queued':
      case 'running': {
        const asked =
          cancelling && store.logOf(job.number).some(({ entry }) => entry.is === 'cancelling');
        return { is: 'running', cancelling: asked };
      }
    }
  }

  private settle({ request }: Live, fold: RequestFold, settlement: Settlement): RequestFold {
    const { desk, inventory } = this.options;
    const { place, machine, hostname, outcome } = settlement;
    const known = desk.candidates.one(machine);
    const factors = known && factorsOf({ ...known, image: request.doc.image });
    const note = (failed: boolean, code: string) => {
      if (!factors) return;
      const { site } = request;
      desk.breakers.note({ hardwarename: machine, site, source: 'install', failed, code, factors });
    };
    if (outcome.is === 'finished') {
      note(false, '');
      if (request.pool !== '') this.options.join?.(request.pool, machine);
      return desk.store.append(request, fold, { is: 'installed', place });
    }
    const { code, detail } = outcome;
    if (outcome.is === 'failed') note(true, code);
    const record = inventory.machines.record(machine);
    // The name is free for the machine that comes instead; an install that was undone has given it back, and nothing else.
    const isOurs =
      record?.hostname === hostname ||
      (record?.hostname === '' &&
        record.squad === request.doc.squad &&
        record.owner === request.doc.owner);
    if (record && !needsRelease(record.state) && isOurs) {
      const cause = { who: request.requester, why: `request ${request.id} goes on without it` };
      const none = { hostname: '', role: '', squad: '', owner: '' };
      inventory.serverdb.editor.edit(machine, none, cause);
    }
    return desk.store.append(request, fold, { is: 'failed', place, machine, code, detail });
  }

  private claim(live: Live, places: readonly number[], open: number): boolean {
    const { desk } = this.options;
    const { request } = live;
    const version = desk.candidates.version();
    if (live.fold.waiting && live.triedVersion === version) return false;
    const byImage = desk.breakers
      .open()
      .find(({ factor, value }) => factor === 'image' && value === request.doc.image);
    if (byImage) return this.wait(live, open, `breaker ${byImage.id}: image ${byImage.value}`);
    const { chosen, shortOf } = desk.plan(request.doc, places.length, live.fold);
    let claimed = 0;
    let fault = '';
    if (chosen.length > 0)
      this.commit(live, (fold) =>
        chosen.reduce((at, choice, index) => {
          try {
            const next = this.claimOne(live, at, { choice, place: places[index] ?? 0 });
            claimed += 1;
            return next;
          } catch (error) {
            if (!(error instanceof AppError) || error.httpStatus >= 500) throw error;
            fault = error.message;
            return at;
          }
        }, fold),
      );
    if (claimed === places.length) return true;
    live.triedVersion = desk.candidates.version();
    return this.wait(live, open - claimed, fault || shortOf);
  }

  private claimOne(
    { request }: Live,
    fold: RequestFold,
    { choice, place }: { choice: Choice; place: number },
  ): RequestFold {
    const { desk, jobs, inventory } = this.options;
    const { serverdb } = inventory;
    const { doc, requester, priority } = request;
    const { role, squad, owner } = doc;
    return serverdb.savepoint(() => {
      const { hardwarename: machine, why } = choice;
      const hostname = this.hostnameFor(request, fold, { machine, place });
      const cause = { who: requester, why: `request ${request.id}` };
      serverdb.editor.edit(machine, { hostname, role, squad, owner }, cause);
      const params = desk.paramsOf(doc, hostname);
      const wanted = { action: 'install', target: machine, params, priority };
      const { id: job } = jobs.create({ ...wanted, requester, user: owner });
      return desk.store.append(request, fold, {
        ...{ is: 'claimed', place, machine, hostname, job, why },
      });
    });
  }

  /** A place keeps its name over the machines that fail in it, unless somebody else has it now. */
  private hostnameFor(
    { doc }: ProvisioningRequest,
    { places }: RequestFold,
    { machine, place }: { machine: Hardwarename; place: number },
  ): string {
    const { machines, serverdb } = this.options.inventory;
    const before = places[place]?.hostname ?? '';
    if (before !== '' && machines.byHostname(before) === undefined) return before;
    const serial = machines.record(machine)?.serial ?? machine;
    const { role, site } = doc;
    const wish = { role, site, serial, hardwarename: machine };
    return serverdb.hostnames.allocate(wish, doc.hostname).hostname;
  }

  private wait(live: Live, missing: number, why: string): false {
    const { desk } = this.options;
    const { waiting } = live.fold;
    if (waiting?.missing === missing && waiting.why === why) return false;
    this.commit(live, (fold) =>
      desk.store.append(live.request, fold, { is: 'waiting', missing, why }),
    );
    return false;
  }

  /** A fault of ours or of the disk costs one request a pause, not the engine: it is read anew from its log. */
  private guarded(number: number | undefined, run: () => void): void {
    try {
      run();
    } catch (error) {
      const id = number === undefined ? undefined : this.live.get(number)?.request.id;
      if (number !== undefined) this.live.delete(number);
      this.options.onError(error, id);
    }
  }
}
