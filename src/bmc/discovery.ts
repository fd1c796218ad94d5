/**
 * Finds out whose BMCs are on the out-of-band network.
 *
 * It reads the feed of events from a cursor of its own, kept with what follows from it, so that nothing that was seen is lost
 * by a crash. A BMC whose MAC a machine has reported needs no more. Any other is logged in to with the site's credentials and
 * asked who it is; one that fits no machine on record is listed for people and, where the site's policy says so, has its
 * machine switched on to boot from the network and be ingested. That is noted before it is done and has limits: a hall
 * is not switched on in one instant, and no machine for ever.
 */
import { AppError } from '../errors.ts';
import type { BmcNews, BmcRecord, BmcSighting, BmcStore } from '../inventory/bmcs.ts';
import type { EventStore } from '../inventory/event-store.ts';
import { serialKey } from '../inventory/identity.ts';
import type { MachineRecord } from '../inventory/machine-fields.ts';
import type { Bmc } from '../ipmi/bmc.ts';
import { limit } from '../limits.ts';
import type { Hardwarename } from '../wire/ids.ts';
import { askWho, strangerOf } from './ask-who.ts';
import { type ClaimDesk, type ProveParts, proveClaim } from './claims.ts';
import type { BmcSettings } from './settings.ts';

export interface DiscoveryParts extends ProveParts {
  readonly claims: ClaimDesk;
  readonly settings: BmcSettings;
  readonly events: Pick<EventStore, 'append' | 'follow' | 'lastId'>;
  /** Asks for a job that sets the BMC up, where there is none. @throws AppError when it cannot be had now */
  setUp(machine: MachineRecord): void;
  /** Calls once after so many milliseconds; the returned function takes it back. */
  after(ms: number, callback: () => void): () => void;
  onError(error: unknown, bmc?: string): void;
}

export interface Discovery {
  start(): void;
  /** Begins nothing more and waits for what is being asked. */
  stop(): Promise<void>;
}

/** One BMC to be gone to. */
interface Look {
  readonly key: string;
  work(): Promise<void>;
  /** After a fault of this program. */
  putOff(lookNext: number): void;
}

const NEVER = Number.POSITIVE_INFINITY;
const NEWS_PAGE = 200;
/** After so many events that were no news the cursor moves past them: each look would go over them again. */
const NEWS_SKIP = 5000;
const HOUR_MS = 3_600_000;

export function createDiscovery(parts: DiscoveryParts): Discovery {
  const { bmcs, bmcClaims, events, clock } = parts;
  const looking = new Map<string, Promise<void>>();
  /** It could not even be noted when to look at them again: not before the next poll. */
  const heldOff = new Set<string>();
  let stopped = true;
  let newsDue = false;
  let skippedTo = 0;
  let cancelNext: (() => void) | undefined;
  let unfollow: (() => void) | undefined;

  const readSoon = (): void => {
    if (newsDue || stopped) return;
    newsDue = true;
    parts.after(limit('bmcNewsMs'), () => {
      newsDue = false;
      if (!stopped) guarded(read);
    });
  };
  const guarded = (run: () => void): void => {
    try {
      run();
    } catch (error) {
      parts.onError(error);
    }
  };
  const read = (): void => {
    const newest = events.lastId();
    for (let more = true; more; ) {
      const page = bmcs.news(NEWS_PAGE);
      const last = page.at(-1);
      if (!last) break;
      parts.transaction(() => {
        hear(parts, page);
        bmcs.readUpTo(last.id);
      });
      more = page.length === NEWS_PAGE;
    }
    if (newest - skippedTo >= NEWS_SKIP) {
      parts.transaction(() => bmcs.readUpTo(newest));
      skippedTo = newest;
    }
    tick();
  };
  /** Takes up what is due, and wakes again for what comes next. */
  const tick = (): void => {
    cancelNext?.();
    cancelNext = undefined;
    if (stopped) return;
    const now = clock();
    const count = limit('bmcLooksMax') + looking.size + heldOff.size;
    const due = [
      ...bmcClaims.due(now, count).map((claim) => ({
        key: `claim of ${claim.hardwarename}`,
        work: () => proveClaim(parts, claim),
        putOff: (lookNext: number) => bmcClaims.put({ ...claim, lookNext }),
      })),
      ...bmcs.due(now, count).map((bmc) => ({
        key: bmc.id,
        work: () => attend(parts, bmc),
        putOff: (lookNext: number) => bmcs.write(bmc.id, { lookNext }),
      })),
    ];
    for (const look of due.filter(({ key }) => !looking.has(key) && !heldOff.has(key)))
      if (looking.size < limit('bmcLooksMax')) begin(look);
    const next = Math.min(...[bmcs.nextDue(), bmcClaims.nextDue()].map((at) => at ?? NEVER));
    // What is being looked at is due until that is over; its end calls again. The rest people have asked for.
    const isBusy = looking.size + heldOff.size > 0;
    const inMs = isBusy ? limit('bmcPollMs') : Math.max(next - now, 0);
    cancelNext = parts.after(Math.min(inMs, limit('bmcPollMs')), () => guarded(tick));
  };
  const begin = ({ key, work, putOff }: Look): void => {
    const done = work()
      .catch((error) => {
        parts.onError(error, key);
        try {
          parts.transaction(() => putOff(clock() + HOUR_MS));
        } catch (disk) {
          parts.onError(disk, key);
          heldOff.add(key);
          parts.after(limit('bmcPollMs'), () => void heldOff.delete(key));
        }
      })
      .finally(() => {
        looking.delete(key);
        if (!stopped) guarded(tick);
      });
    looking.set(key, done);
  };

  return {
    start() {
      stopped = false;
      unfollow = events.follow(readSoon, 'machines');
      guarded(read);
    },
    async stop() {
      stopped = true;
      unfollow?.();
      cancelNext?.();
      await Promise.all(looking.values());
    },
  };
}

/** A page of the feed, in the transaction that moves the cursor past it. */
function hear(parts: DiscoveryParts, page: readonly BmcNews[]): void {
  const { bmcs, bmcClaims, claims, registry, settings, machines, clock } = parts;
  const changed = new Set<Hardwarename>();
  for (const { name, hardwarename, data } of page) {
    if (name === 'bmc.seen') {
      const bmc = registry.sighted(sightingOf(data));
      if (bmc.hardwarename === '' && settings.discovery)
        bmcs.write(bmc.id, { lookNext: clock(), looks: 0 });
    } else if (name === 'access.changed') {
      // Another password, another chance.
      if (data.kind !== 'credential') continue;
      for (const { id } of refused(bmcs)) bmcs.write(id, { lookNext: clock(), looks: 0 });
      bmcClaims.retryAll(clock());
    } else if (hardwarename !== undefined && tellsOfBmc(name, data)) changed.add(hardwarename);
  }
  if (changed.size === 0) return;
  const strangers = unmatched(bmcs).filter(({ lookedAt }) => lookedAt > 0);
  for (const hardwarename of changed) {
    const machine = machines.record(hardwarename);
    if (!machine) continue;
    const { bmcMac: mac, bmcAddress: address } = machine;
    if (mac !== '' && address !== '') registry.sighted({ mac, address, source: 'record' });
    // What said before who it is may be this machine's.
    for (const { id } of strangers.filter((one) => mayBe(one, machine))) {
      const bmc = bmcs.get(id);
      if (bmc?.hardwarename === '') registry.settle(bmc);
    }
    claims.hear(hardwarename, settings.discovery);
  }
}

function sightingOf(data: BmcNews['data']): BmcSighting {
  const text = (key: string) => (typeof data[key] === 'string' ? (data[key] as string) : '');
  return {
    ...{ mac: text('mac'), address: text('address'), source: 'dhcp' },
    ...{ vendorClass: text('vendorClass'), hostname: text('hostname') },
  };
}

/** Of the many edits, those of what a BMC is matched by. */
function tellsOfBmc(name: string, { after }: BmcNews['data']): boolean {
  if (name !== 'machine.edited') return true;
  return (
    typeof after === 'object' &&
    after !== null &&
    ['bmcMac', 'bmcAddress', 'bmcCredential'].some((name) => name in after)
  );
}

function mayBe({ facts }: BmcRecord, { uuid, serial, nicCount }: MachineRecord): boolean {
  const { uuids = [], macs = [] } = facts;
  const sameSerial = serialKey(facts.serial ?? '') === serialKey(serial);
  return uuids.includes(uuid) || sameSerial || (macs.length > 0 && nicCount > 0);
}

const EVERY = { after: '', count: -1 } as const;
const unmatched = (bmcs: BmcStore) => bmcs.list({ ...EVERY, unmatched: true });
const refused = (bmcs: BmcStore) =>
  unmatched(bmcs).filter(({ code }) => /^BMC_(USER|PASSWORD|PRIVILEGE|MISSING)$/.test(code));

/** What is to be done about one BMC now. Rejects only with a fault of this program. */
async function attend(parts: DiscoveryParts, bmc: BmcRecord): Promise<void> {
  const { bmcs, registry, settings, transaction, clock } = parts;
  if (bmc.hardwarename !== '') {
    ensureSetUp(parts, bmc);
    keepWatch(parts, bmc);
    return;
  }
  if (!settings.discovery && bmc.wake !== 'asked') {
    transaction(() => bmcs.write(bmc.id, { lookNext: 0 }));
    return;
  }
  try {
    const said = await parts.access.use(strangerOf(bmc), askWho);
    const settled = transaction(() => registry.learn(bmc.id, said));
    if (settled.hardwarename === '') await consider(parts, settled);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const looks = bmc.looks + 1;
    const pauseMs = Math.min(
      limit('bmcLookLongestMs'),
      limit('bmcLookFirstMs') * 2 ** Math.min(looks - 1, 20),
    );
    const { code, message } = error;
    const lookNext = clock() + pauseMs;
    transaction(() => bmcs.write(bmc.id, { looks, code, detail: message.slice(0, 500), lookNext }));
  }
}

function ensureSetUp({ bmcs, machines, settings, ...parts }: DiscoveryParts, bmc: BmcRecord): void {
  const machine = machines.record(bmc.hardwarename as Hardwarename);
  parts.transaction(() => {
    bmcs.write(bmc.id, { lookNext: 0 });
    if (!machine || !settings.setUp) return;
    try {
      parts.setUp(machine);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      // It has another job: when that is over.
      const again = error.code === 'JOB_EXISTS' ? parts.clock() + limit('bmcLookFirstMs') * 5 : 0;
      bmcs.write(bmc.id, { lookNext: again });
    }
  });
}

/** Another NIC of a BMC whose first one may fail: then the record follows. */
function keepWatch(
  { bmcs, machines, registry, transaction, clock }: DiscoveryParts,
  bmc: BmcRecord,
) {
  const { bmcMac } = machines.record(bmc.hardwarename as Hardwarename) ?? {};
  if (!bmcMac || bmc.mac === '' || bmc.mac === bmcMac || bmc.matchedBy !== 'uuid') return;
  transaction(() => {
    registry.settle(bmc);
    bmcs.write(bmc.id, { lookNext: clock() + limit('bmcLookAgainMs') });
  });
}

/** A machine that nobody has seen: whether it is switched on, by the site's policy and its limits. */
async function consider(parts: DiscoveryParts, bmc: BmcRecord): Promise<void> {
  const { bmcs, settings, transaction, clock, events } = parts;
  const { id, address, power, why } = bmc;
  const now = clock();
  const again = now + limit('bmcLookAgainMs');
  // Doubt is for a person: the machine may be somebody's, and running.
  const strange = why.startsWith('No machine');
  if (power === 'on' || !strange || (settings.wake === 'off' && bmc.wake !== 'asked')) {
    transaction(() => bmcs.write(id, { lookNext: again }));
    return;
  }
  if (settings.wake === 'ask' && bmc.wake !== 'asked') {
    transaction(() => {
      if (bmc.wake === '') events.append({ name: 'bmc.wakeable', data: { bmc: id, address } });
      bmcs.write(id, { wake: bmc.wake === '' ? 'wanted' : bmc.wake, lookNext: again });
    });
    return;
  }
  if (bmc.wakes >= limit('bmcWakesMax')) {
    transaction(() => bmcs.write(id, { wake: 'done', lookNext: 0 }));
    return;
  }
  if (bmcs.wakesSince(now - HOUR_MS) >= settings.wakesPerHour) {
    transaction(() => bmcs.write(id, { wake: 'asked', lookNext: now + HOUR_MS / 12 }));
    return;
  }
  await wake(parts, bmc);
}

async function wake(
  parts: DiscoveryParts,
  { id, address, wakes, ...bmc }: BmcRecord,
): Promise<void> {
  const { bmcs, settings, transaction, clock, events } = parts;
  const attempt = wakes + 1;
  // Noted before it is done: killed in between, it is tried once less and never once more.
  transaction(() => {
    const wakeAt = clock();
    const lookNext = wakeAt + limit('bmcWakeWaitMs');
    bmcs.write(id, {
      wake: settings.wake === 'auto' ? 'asked' : 'done',
      wakes: attempt,
      wakeAt,
      lookNext,
    });
    const who = settings.wake === 'auto' ? 'policy' : 'person';
    events.append({ name: 'bmc.woken', data: { bmc: id, address, attempt, who } });
  });
  await parts.access.use(strangerOf({ ...bmc, id, address, wakes }), (session) =>
    netbootOnce(session, settings.wakeUefi),
  );
}

async function netbootOnce(session: Bmc, uefi: boolean): Promise<void> {
  await session.setBoot({ target: 'pxe', uefi, persistent: false });
  await session.setPower('on');
}
