/**
 * Reads the event feed for what a recorder has to act on: a machine that begins another boot, a script served again, a boot
 * that went on, a report, a machine that was switched on. A few names out of a storm's thousands, from a cursor of its own.
 */
import type { Database } from 'better-sqlite3';
import { diagnose } from '../diagnose/diagnose.ts';
import { PLACES, type Place, readFacts } from '../diagnose/facts.ts';
import { isWaiting } from '../diagnose/rule.ts';
import type { StoredEvent } from '../events.ts';
import { type EventRow, eventFromRow } from '../inventory/event-store.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { foldTimeline } from '../inventory/timeline.ts';
import { limit } from '../limits.ts';
import type { BootId, Hardwarename } from '../wire/ids.ts';
import type { Clock } from '../wire/time.ts';
import type { Collector } from './collect.ts';
import type { Learner } from './learn.ts';
import { openPhaseTimes, type PhaseTimes } from './phase-times.ts';
import { openPowerOrders, type PoweredOn } from './power-orders.ts';
import type { Attempt } from './recorder.ts';
import type { FlightStore } from './store.ts';
import type { Verdicts } from './verdicts.ts';

export interface FeedWatchParts {
  readonly db: Database;
  readonly inventory: Inventory;
  readonly store: FlightStore;
  readonly collector: Collector;
  readonly clock: Clock;
  readonly verdicts: Verdicts;
  readonly learner: Learner;
  /** Judges a boot until something is found, for a while. */
  judgeSoon(boot: BootId): void;
  readonly attempt: Attempt;
}

const LOOP_MS = 2_700_000;
const LOOP_BOOTS = 3;
/**
 * What is read of the feed: the few events that a verdict or a lesson hangs on. A boot that begins says something of what was before
 * it: of a NIC that is no machine's and comes for the first time, as thousands do in a storm, there is nothing to say.
 */
const PAGE = `SELECT * FROM events WHERE id > ? AND (name IN ('boot.resumed', 'ipxe.script', 'recon.received',
  'job.step', 'job.retry', 'job.failed', 'agent.failed', 'agent.finished', 'os.phoned-home')
  OR (name = 'boot.started' AND (hardwarename IS NOT NULL
    OR EXISTS (SELECT 1 FROM boots WHERE boots.mac = events.mac AND boots.id <> events.boot AND report_digest IS NULL)
    OR EXISTS (SELECT 1 FROM diagnoses WHERE diagnoses.mac = events.mac AND diagnoses.boot IS NULL AND ended_at IS NULL)))
  OR (name = 'dhcp.acked' AND boot IS NOT NULL AND data LIKE '{"client":"os"%')
  OR (name = 'dhcp.acked' AND hardwarename IS NOT NULL AND data LIKE '{"client":"os"%')
  OR (name = 'agent.progress' AND data LIKE '{"phase":"linux"%')) ORDER BY id LIMIT ?`;

export function createFeedWatch(parts: FeedWatchParts) {
  const { db, inventory, store, collector, clock, verdicts, attempt } = parts;
  const page = db.prepare<[number, number], EventRow>(PAGE);
  const recent = db.prepare<[string, number], { count: number }>(
    'SELECT count(*) AS count FROM boots WHERE mac = ? AND started_at > ?',
  );
  const before = db.prepare<[string, number, string], { id: string }>(
    `SELECT id FROM boots WHERE mac = ? AND started_at <= ? AND id <> ? AND report_digest IS NULL
       ORDER BY started_at DESC LIMIT 1`,
  );
  const times = openPhaseTimes(db);
  const power = openPowerOrders(db, { inventory, times, now: clock() });
  let cursor = inventory.events.lastId();

  const judgePower = (name: Hardwarename, since = power.of(name)): void => {
    if (!since) return;
    const { at, dueAt } = since;
    const machine = inventory.machines.byHardwarename(name);
    if (!machine) return void power.forget(name);
    const flight = collector.ofPower(machine, at, { now: clock(), firmwareMs: dueAt - at });
    const diagnosis = diagnose(flight);
    if (!diagnosis) return;
    power.forget(name);
    verdicts.keep(flight, diagnosis);
  };

  /** A boot that a job watches has no deadline of its own: the job says when it has waited long enough. */
  const judgeLast = (name: Hardwarename): void => {
    const mac = inventory.machines.byHardwarename(name)?.bootMac;
    const last = mac && inventory.boots.latest(mac);
    if (last) verdicts.judge(last.id);
  };

  const take = (event: StoredEvent): void => {
    const { name, boot, mac, hardwarename } = event;
    switch (name) {
      case 'boot.started': {
        if (hardwarename) noteFirmware(times, inventory, { event, since: power.of(hardwarename) });
        if (mac) store.endPower(mac);
        if (hardwarename && power.asked(hardwarename)) parts.learner.netbooted(event);
        const last = mac && boot && before.get(mac, event.at, boot);
        if (last) verdicts.judge(last.id as BootId);
        return;
      }
      case 'ipxe.script':
        parts.learner.gotScript(event);
        if (boot) endIfFurther(parts, boot);
        if (!mac || !boot) return;
        if ((recent.get(mac, clock() - LOOP_MS)?.count ?? 0) >= LOOP_BOOTS) verdicts.judge(boot);
        return;
      case 'boot.resumed':
        if (boot) endIfFurther(parts, boot);
        return;
      case 'agent.progress':
        if (boot) hearAgent(parts, times, { boot, event });
        return;
      case 'recon.received':
        endMachine(parts, event);
        // A boot that came to its end may still tell of a bad link.
        if (boot) verdicts.judge(boot);
        if (boot) noteTimes(times, inventory, { boot, event, now: clock() });
        parts.learner.registered(event);
        return;
      case 'dhcp.acked':
        if (parts.learner.leftForDisk(event)) endMachine(parts, event);
        if (!hardwarename) return;
        // It came up: whether that was meant is judged now, and nothing is waited for any more.
        judgePower(hardwarename);
        power.forget(hardwarename);
        return;
      case 'job.step':
        power.step(event);
        return;
      case 'job.retry':
        // The job itself has waited long enough: silence means something now.
        if (hardwarename && event.data.code === 'JOB_NO_EVENT') {
          const on = power.of(hardwarename);
          if (on) judgePower(hardwarename, { ...on, dueAt: Math.min(on.dueAt, clock()) });
          else judgeLast(hardwarename);
        }
        return;
      case 'job.failed':
        if (hardwarename && event.data.code === 'JOB_NO_EVENT') judgeLast(hardwarename);
        return;
      case 'agent.failed':
        if (boot) parts.judgeSoon(boot);
        return;
      case 'agent.finished':
        if (boot) store.endBoot(boot);
        return;
      case 'os.phoned-home':
        return void endMachine(parts, event);
      default:
    }
  };

  const takeRow = (row: EventRow): void => {
    cursor = row.id;
    take(eventFromRow(row));
  };

  return {
    /** @returns whether there is more to read */
    look(): boolean {
      const newest = inventory.events.lastId();
      cursor = inventory.events.pastGuests(cursor);
      const rows = page.all(cursor, limit('flightEventsMax'));
      try {
        if (rows.length > 0) inventory.transactionUnsynced(() => rows.forEach(takeRow));
      } catch {
        // Nothing of them was kept: each on its own, so that one that fails takes no other with it, and is not tried for ever.
        for (const row of rows)
          attempt(`event ${row.id}`, () => inventory.transactionUnsynced(() => takeRow(row)));
      }
      // What lies behind the last of them is nobody's concern, and not looked through again.
      if (rows.length < limit('flightEventsMax')) cursor = Math.max(cursor, newest);
      for (const [name, since] of power.due(clock()))
        if (!attempt(`power of ${name}`, () => judgePower(name, since))) power.forget(name);
      return rows.length >= limit('flightEventsMax');
    },
    times,
  };
}

/** It has booted well: nothing of before is open any more, whichever of its NICs it was said of. */
function endMachine(
  { store, inventory }: FeedWatchParts,
  { mac, hardwarename }: StoredEvent,
): void {
  const machine = hardwarename && inventory.machines.byHardwarename(hardwarename);
  const macs = new Set<string>(machine?.nics.map((nic) => nic.mac));
  if (machine) macs.add(machine.bootMac);
  if (mac) macs.add(mac);
  for (const one of macs) if (one !== '') store.endMachine(one);
}

/** A sign of life alone ends no diagnosis: a machine that asks the same again has not gone on. */
function endIfFurther({ store, collector, clock }: FeedWatchParts, boot: BootId): void {
  const kept = store.ofBoot(boot);
  if (!kept || kept.endedAt !== undefined) return;
  const flight = collector.ofBoot(boot, clock());
  if (!flight) return;
  const { place, http } = readFacts(flight);
  const further = PLACES.indexOf(place) > PLACES.indexOf(kept.place as Place);
  const downloads = http.filter(({ at, end }) => at > kept.at || end === 'complete').length;
  if (further || (place === kept.place && downloads > 0 && !diagnose(flight))) store.endBoot(boot);
}

/** It was told to wait in pxeimage, and does. */
function waits({ events }: Inventory, boot: BootId): boolean {
  const own = events.ofBoot(boot, limit('stallEventsMax'));
  return own.some((one) => one.name === 'ipxe.script' && isWaiting(one.data.mode));
}

/** pxeimage runs: its card has a driver, and what stopped it before is over. */
function hearAgent(
  parts: FeedWatchParts,
  times: PhaseTimes,
  { boot, event }: { boot: BootId; event: StoredEvent },
): void {
  const { inventory, clock } = parts;
  noteCard(parts, boot);
  if (event.mac && waits(inventory, boot)) endMachine(parts, event);
  else endIfFurther(parts, boot);
  if (isUp(inventory, boot, event)) noteTimes(times, inventory, { boot, event, now: clock() });
}

/** pxeimage runs, by its first word, and no report is to come that would end this boot. */
function isUp({ events }: Inventory, boot: BootId, { id }: StoredEvent): boolean {
  const own = events.ofBoot(boot, limit('stallEventsMax'));
  const reports = own.some((one) => one.name === 'ipxe.script' && one.data.mode === 'recon');
  return !reports && own.find(({ name }) => name === 'agent.progress')?.id === id;
}

/** Its card has a driver in pxeimage, where iPXE has told what card it is. */
function noteCard({ store, collector, clock }: FeedWatchParts, boot: BootId): void {
  const told = collector
    .ofBoot(boot, clock())
    ?.entries.find((one) => one.kind === 'dhcp' && one.nic !== '');
  if (told?.kind === 'dhcp') store.cardReachedLinux(boot, told.nic);
}

function noteFirmware(
  times: PhaseTimes,
  inventory: Inventory,
  { event, since }: { event: StoredEvent; since: PoweredOn | undefined },
): void {
  if (!since || !event.hardwarename) return;
  const model = inventory.serverdb.quirks.modelOf(event.hardwarename);
  times.add(model, [{ phase: 'firmware', tookMs: event.at - since.at }]);
}

/** A boot that has come to its end, or whose work begins: its phases count for its model, and what took unusually long is told. */
function noteTimes(
  times: PhaseTimes,
  inventory: Inventory,
  { boot, event, now }: { boot: BootId; event: StoredEvent; now: number },
): void {
  const row = inventory.boots.byId(boot);
  const { hardwarename, mac } = event;
  if (!row || !hardwarename) return;
  const { steps } = foldTimeline(
    row,
    inventory.events.ofBoot(boot, limit('stallEventsMax')),
    now as never,
  );
  const phases = steps.flatMap(({ name, state, tookMs }) =>
    state === 'done' && tookMs !== undefined ? [{ phase: name as string, tookMs }] : [],
  );
  const model = inventory.serverdb.quirks.modelOf(hardwarename);
  for (const slow of times.add(model, phases)) {
    const data = { ...slow, model };
    inventory.events.append({ name: 'boot.slow', mac, boot, hardwarename, data });
  }
}
