/**
 * Every machine and every boot that the board shows, kept current by the feed.
 *
 * The state is a map of rows outside the signals; one counter tells that it has changed, once for each batch. A row is an
 * immutable value: what did not change is the same object as before, so that lists draw only what did. Machines are patched
 * from the events where the event says enough, and read anew, many in one call, where it does not.
 */
import { computed, signal } from '@preact/signals';
import { saysMore } from '../diagnose/weigh.ts';
import type { StoredEvent } from '../events.ts';
import type { Board, BoardDiagnosis } from '../http/people/board.ts';
import type { FleetMachine } from '../http/people/routes/fleet.ts';
import type { BootTimeline } from '../inventory/timeline.ts';
import { read } from './api.ts';
import { followBoots, forgetBoots } from './boots.ts';
import { createEnded } from './ended.ts';
import { follow, onEvents, onResync, setClock } from './feed.ts';

export type Kind = 'stalled' | 'held' | 'booting' | 'ready' | 'in-use' | 'away';

export interface Row {
  /** Hardwarename, or the MAC of a machine that is not known yet. */
  readonly key: string;
  readonly machine?: FleetMachine;
  readonly timeline?: BootTimeline;
  /** What stopped its boot, by name; the deadline alone says less. */
  readonly diagnosis?: Diagnosis;
  readonly kind: Kind;
  /** When it last moved. */
  readonly at: number;
  /** Lower case: what filters look into. */
  readonly text: string;
}

type Diagnosed = Extract<StoredEvent, { name: 'boot.diagnosed' }>;
export type Diagnosis = Pick<
  BoardDiagnosis,
  'name' | 'title' | 'next' | 'confidence' | 'place' | 'evidence' | 'at' | 'power'
>;

export const fleet = new Map<string, Row>();
/** Counts batches that changed something; reading it makes a computation follow the fleet. */
export const fleetVersion = signal(0);
export const fleetLoaded = signal(false);
export const siteName = signal('');
/** Of boots that are not over; so many at most, the oldest go first. */
const diagnoses = new Map<string, Diagnosis>();
const DIAGNOSES_MAX = 2000;

function keepDiagnosis(boot: string, diagnosis: Diagnosis): void {
  diagnoses.set(boot, diagnosis);
  const [oldest] = diagnoses.keys();
  if (diagnoses.size > DIAGNOSES_MAX && oldest !== undefined) diagnoses.delete(oldest);
}

/** A boot that went on by itself after all has no trouble to show; one that left for its disk may have, if it was found later. */
function isOpen({ at, power }: Diagnosis, { state, lastAt }: BootTimeline): boolean {
  if (power) return true;
  return state === 'over' ? at >= lastAt : state !== 'done';
}

/** Hardwarename by the MAC that it boots from: a boot may be told of before its machine is known. */
const byMac = new Map<string, string>();

export const KIND_ORDER: readonly Kind[] = [
  ...(['stalled', 'held', 'booting', 'ready', 'in-use', 'away'] as const),
];

function kindOf(machine?: FleetMachine, timeline?: BootTimeline, diagnosis?: Diagnosis): Kind {
  if (timeline?.state === 'stalled' || diagnosis) return 'stalled';
  if (machine && (machine.state === 'held' || machine.state === 'broken')) return 'held';
  if (timeline?.state === 'running') return 'booting';
  switch (machine?.state) {
    case 'installing':
    case 'recycling':
      return machine.overdue ? 'stalled' : 'booting';
    case 'in-use':
      return 'in-use';
    case 'retired':
      return 'away';
    default:
      return 'ready';
  }
}

function put(key: string, machine?: FleetMachine, timeline?: BootTimeline): void {
  const at = Math.max(timeline?.lastAt ?? 0, machine?.stateAt ?? 0);
  const words = machine
    ? [machine.hardwarename, machine.serial, machine.hostname, machine.product, machine.rack]
    : [key];
  const text = [...words, machine?.orderNumber, timeline?.mac, machine?.bootMac]
    .join(' ')
    .toLowerCase();
  const found = timeline && diagnoses.get(timeline.boot);
  const diagnosis = found && timeline && isOpen(found, timeline) ? found : undefined;
  const kind = kindOf(machine, timeline, diagnosis);
  fleet.set(key, {
    ...{ key, kind, at, text },
    ...(machine && { machine }),
    ...(timeline && { timeline }),
    ...(diagnosis && { diagnosis }),
  });
}

function putMachine(machine: FleetMachine): void {
  const { hardwarename, bootMac } = machine;
  if (bootMac !== '') byMac.set(bootMac, hardwarename);
  const stray = bootMac === '' ? undefined : fleet.get(bootMac);
  if (stray) fleet.delete(bootMac);
  put(hardwarename, machine, fleet.get(hardwarename)?.timeline ?? stray?.timeline);
}

function putTimeline(timeline: BootTimeline): void {
  const { mac, hardwarename = byMac.get(mac), startedAt } = timeline;
  const key = hardwarename ?? mac;
  const known = fleet.get(key);
  if (known?.timeline && known.timeline.startedAt > startedAt) return;
  if (hardwarename !== undefined && fleet.has(mac)) fleet.delete(mac);
  put(key, known?.machine, timeline);
  if (hardwarename !== undefined && !known?.machine) missing.add(hardwarename);
  holdEnded(key);
  changed();
}

const ended = createEnded();

/** A boot that is over is shown for as long as it is one of the newest, unless something is wrong with it. */
function holdEnded(key: string): void {
  const { timeline, kind } = fleet.get(key) ?? {};
  ended.remove(key);
  if (!timeline || kind === 'stalled') return;
  if (timeline.state !== 'done' && timeline.state !== 'over') return;
  const oldest = ended.add(key);
  const row = oldest === undefined ? undefined : fleet.get(oldest);
  if (!row) return;
  if (row.machine) put(row.key, row.machine);
  else fleet.delete(row.key);
}

const missing = new Set<string>();
const reading: { names?: Promise<void> } = {};
const NAMES_MAX = 100;

/** Reads the machines that events did not say enough about, many in one call. */
function readMissing(): void {
  if (missing.size === 0 || reading.names) return;
  const names = [...missing].slice(0, NAMES_MAX);
  for (const name of names) missing.delete(name);
  reading.names = read<FleetPage>(`board/machines?names=${names.map(encodeURIComponent).join(',')}`)
    .then(({ machines }) => {
      for (const machine of machines) putMachine(machine);
      changed();
    })
    .catch(() => undefined)
    .finally(() => {
      delete reading.names;
      readMissing();
    });
}

let batched = false;
function changed(): void {
  if (batched) return;
  batched = true;
  queueMicrotask(() => {
    batched = false;
    fleetVersion.value += 1;
  });
}

function takeDiagnosis({ at, boot, mac = '' as never, data }: Diagnosed): void {
  const { diagnosis: name, ...said } = data;
  const found = { name, ...said, at, power: boot === undefined };
  if (boot !== undefined) {
    // Of a boot that has just begun, what stopped the one before it.
    const before = diagnoses.get(boot);
    if (before && saysMore(before, found)) return;
    keepDiagnosis(boot, found);
  }
  const row = fleet.get(byMac.get(mac) ?? mac);
  const latest = row?.timeline;
  if (!latest || latest.boot === boot) return;
  // It has started anew already: what stopped it before is all that is known until this boot ends too.
  if (found.power || latest.state === 'running') keepDiagnosis(latest.boot, found);
  if (found.power) put(row.key, row.machine, latest);
}

function takeEvents(events: readonly StoredEvent[]): void {
  for (const event of events) {
    if (event.hardwarename !== undefined) takeMachineEvent(event);
    if (event.name === 'boot.resumed') diagnoses.delete(event.boot ?? '');
    if (event.name === 'boot.diagnosed') takeDiagnosis(event);
  }
  followBoots(events, putTimeline);
  readMissing();
  changed();
}

function takeMachineEvent(event: StoredEvent): void {
  const name = event.hardwarename as string;
  const machine = fleet.get(name)?.machine;
  switch (event.name) {
    case 'machine.state':
      if (machine) {
        const { to, why } = event.data;
        const state = to as FleetMachine['state'];
        putMachine({ ...machine, state, stateWhy: why, stateAt: event.at, overdue: false });
      }
      // What it waits for now is not in the event.
      missing.add(name);
      return;
    case 'machine.registered':
    case 'machine.edited':
    case 'machine.overdue':
    case 'machine.conflict':
    case 'machine.typed':
    case 'machine.merged':
    case 'machine.split':
    case 'recon.received':
      missing.add(name);
      return;
    default:
      return;
  }
}

interface FleetPage {
  readonly site: string;
  readonly now: number;
  readonly cursor: number;
  readonly machines: readonly FleetMachine[];
  readonly next?: string;
}

/** Reads everything once; the feed goes on from where the reading began. @throws Problem */
async function loadFleet(): Promise<Pick<Board, 'cursor' | 'epoch'>> {
  const board = await read<Board>('board');
  setClock(board.now);
  siteName.value = board.site;
  forgetBoots();
  fleet.clear();
  byMac.clear();
  ended.clear();
  let after = '';
  do {
    const page = await read<FleetPage>(
      `board/machines${after && `?after=${encodeURIComponent(after)}`}`,
    );
    for (const machine of page.machines) putMachine(machine);
    after = page.next ?? '';
    // The first thousand are worth showing while the rest is on its way.
    fleetVersion.value += 1;
  } while (after !== '');
  for (const { timeline, machine, diagnosis } of board.rows) {
    if (diagnosis) keepDiagnosis(timeline.boot, diagnosis);
    if (machine) byMac.set(timeline.mac, machine.hardwarename);
    putTimeline(timeline);
  }
  readMissing();
  fleetVersion.value += 1;
  fleetLoaded.value = true;
  return board;
}

/** What was known of it before, until the appliance is heard. */
export function restoreFleet(rows: readonly Row[], site: string): void {
  for (const row of rows) fleet.set(row.key, row);
  siteName.value = site;
  fleetVersion.value += 1;
  fleetLoaded.value = true;
}

const RESYNC_AGAIN_MS = 2000;

/** What is shown is of another feed, or has a gap: it is read anew until that succeeds. */
function resync(): void {
  loadFleet().then(follow, () => setTimeout(resync, RESYNC_AGAIN_MS));
}

export async function startFleet(): Promise<void> {
  onEvents(takeEvents);
  onResync(resync);
  follow(await loadFleet());
}

/** How many machines are in which condition. */
export const counts = computed(() => {
  fleetVersion.value;
  const totals: Record<Kind, number> = {
    ...{ stalled: 0, held: 0, booting: 0, ready: 0, 'in-use': 0, away: 0 },
  };
  for (const { kind } of fleet.values()) totals[kind] += 1;
  return totals;
});
