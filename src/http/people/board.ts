/**
 * The board as one document: a row for each machine that was seen booting, stalled ones first, then by latest activity.
 * A machine that boots from two NICs, or that is known by now, is one row: its latest boot. One that starts over and over is
 * shown with the cause that its boot before this one had, until this one has come to an end of its own, and beyond that where
 * its own is a guess of an attempt that got less far (diagnose/weigh.ts).
 */
import { ruleOf } from '../../diagnose/table.ts';
import { saysMore } from '../../diagnose/weigh.ts';
import type { Inventory } from '../../inventory/inventory.ts';
import type { Machine } from '../../inventory/machines.ts';
import { type BootTimeline, foldTimeline } from '../../inventory/timeline.ts';
import { limit } from '../../limits.ts';
import type { KeptDiagnosis } from '../../recorder/store.ts';
import type { Clock } from '../../wire/time.ts';

export interface MachineSummary {
  readonly hardwarename: string;
  readonly serial: string;
  readonly manufacturer: string;
  readonly product: string;
  readonly state: string;
  readonly stateWhy: string;
  readonly conflictWith?: string;
  readonly cpus: number;
  readonly threads: number;
  readonly memoryBytes: number;
  readonly disks: readonly {
    readonly name: string;
    readonly model: string;
    readonly serial: string;
    readonly sizeBytes: number;
  }[];
  readonly nics: readonly {
    readonly name: string;
    readonly mac: string;
    readonly driver: string;
    readonly switch: string;
    readonly port: string;
  }[];
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface BoardRow {
  readonly timeline: BootTimeline;
  readonly machine?: MachineSummary;
  /** Why it stopped, in words. */
  readonly diagnosis?: BoardDiagnosis;
}

export interface BoardDiagnosis {
  readonly name: string;
  readonly title: string;
  readonly says: string;
  readonly next: string;
  readonly confidence: string;
  /** Where the boot stood. */
  readonly place: string;
  readonly evidence: readonly string[];
  /** When it was found. */
  readonly at: number;
  /** It was switched on and no boot came of it: whatever its last boot came to, that is over. */
  readonly power: boolean;
}

/** What the board asks of the flight recorder. */
export interface BoardDiagnoses {
  ofBoot(boot: string): KeptDiagnosis | undefined;
  ofPower(mac: string): KeptDiagnosis | undefined;
}

export interface Board {
  readonly site: string;
  readonly now: number;
  /** The event feed from here on tells what this document does not. */
  readonly cursor: number;
  /** Of the feed. */
  readonly epoch: string;
  readonly rows: readonly BoardRow[];
}

function summarize(machine: Machine): MachineSummary {
  const { hardware } = machine;
  return {
    hardwarename: machine.hardwarename,
    serial: machine.serial,
    manufacturer: machine.manufacturer,
    product: machine.product,
    state: machine.state,
    stateWhy: machine.stateWhy,
    ...(machine.conflictWith === '' ? {} : { conflictWith: machine.conflictWith }),
    cpus: hardware.cpus.length,
    threads: hardware.cpus.reduce((sum, cpu) => sum + cpu.threads, 0),
    memoryBytes: hardware.memory.totalBytes,
    disks: hardware.disks.map(({ name, model, serial, sizeBytes }) => ({
      ...{ name, model: model ?? '', serial: serial ?? '', sizeBytes },
    })),
    nics: hardware.nics.map((nic) => ({
      name: nic.name,
      mac: nic.permanentMac ?? nic.mac,
      driver: nic.driver ?? '',
      switch: nic.lldp?.switch ?? '',
      port: nic.lldp?.port ?? '',
    })),
    createdAt: machine.createdAt,
    updatedAt: machine.updatedAt,
  };
}

export function readBoard(
  inventory: Inventory,
  {
    site,
    clock,
    diagnoses,
  }: { site: string; clock: Clock; diagnoses?: BoardDiagnoses | undefined },
): Board {
  const cursor = inventory.events.lastId();
  const now = clock();
  const rows = new Map<string, BoardRow>();
  const lookedBack = new Set<string>();
  for (const boot of inventory.boots.list(limit('boardBootsMax'))) {
    const machine =
      (boot.hardwarename && inventory.machines.byHardwarename(boot.hardwarename)) ??
      inventory.machines.byMac(boot.mac);
    const key = machine?.hardwarename ?? boot.mac;
    const newer = rows.get(key);
    if (newer) {
      const kept = lookedBack.has(key) ? undefined : diagnoses?.ofBoot(boot.id);
      lookedBack.add(key);
      const diagnosis = kept && outlasts(newer, kept, now) ? shown(kept) : undefined;
      if (diagnosis) rows.set(key, { ...newer, diagnosis });
      continue;
    }
    const timeline = foldTimeline(boot, inventory.events.ofBoot(boot.id), now);
    const diagnosis = diagnoses && shownDiagnosis(diagnoses, timeline);
    rows.set(key, {
      timeline,
      ...(machine ? { machine: summarize(machine) } : {}),
      ...(diagnosis ? { diagnosis } : {}),
    });
  }
  const epoch = inventory.serverdb.history.epoch();
  return { site, now, cursor, epoch, rows: [...rows.values()].sort(byUrgency) };
}

/** Whether what stopped the boot before is what is to be told of this one. */
function outlasts({ timeline, diagnosis }: BoardRow, before: KeptDiagnosis, now: number): boolean {
  const rightAfter = (diagnosis?.at ?? now) - before.at < limit('repeatedBootMs');
  return rightAfter && (diagnosis ? saysMore(before, diagnosis) : mayRepeat(timeline, before));
}

/**
 * What stopped the boot before is told of its successor until that has got further. One that was sent to its disk is over at
 * once, and got no further when the cause was found after it: a machine without a disk goes round like that every few seconds.
 */
const mayRepeat = ({ state, lastAt }: BootTimeline, { at }: KeptDiagnosis): boolean =>
  state === 'running' || (state === 'over' && at >= lastAt);

/** Of this boot, or of a later attempt that did not even become one; what has ended is history. */
function shownDiagnosis(
  diagnoses: BoardDiagnoses,
  { boot, mac }: BootTimeline,
): BoardDiagnosis | undefined {
  const kept = diagnoses.ofPower(mac) ?? diagnoses.ofBoot(boot);
  return kept && shown(kept);
}

function shown(kept: KeptDiagnosis): BoardDiagnosis | undefined {
  const { name, confidence, place, evidence, endedAt, at, boot } = kept;
  const rule = endedAt === undefined ? ruleOf(name) : undefined;
  if (!rule) return undefined;
  const { title, says, next } = rule;
  return { name, title, says, next, confidence, place, evidence, at, power: boot === undefined };
}

function byUrgency(a: BoardRow, b: BoardRow): number {
  const stalled = (row: BoardRow) =>
    Number(
      row.timeline.state === 'stalled' ||
        (row.diagnosis !== undefined && row.timeline.state !== 'done'),
    );
  return stalled(b) - stalled(a) || b.timeline.lastAt - a.timeline.lastAt;
}
