/**
 * The plan of a recycle: one line for each disk, with the methods to try and the blocks to look at, then what else is to be
 * cleared. As with installs, everything is decided here; the shell in the ramdisk carries verbs out.
 *
 * Before a method is tried, the agent writes a marker into the sampled blocks and reads it back, from the medium and not
 * from a cache; afterwards none of them may hold it. A method that reports success and does nothing (and there have been
 * such, for years) is found out by that, whatever a disk leaves behind. Which blocks these are is chosen here, at random.
 */
import { AppError } from '../errors.ts';
import { type Level, methodsFor } from './methods.ts';
import { missingFrom } from './missing.ts';
import type { ErasableDisk, SeenForRecycle } from './seen.ts';

const BLOCK_BYTES = 4096;

export interface RecycleDetail {
  /** What `GET /agent/TOKEN/work` says beside what it says of any work. */
  readonly lines: Readonly<Record<string, string | number>>;
  /** Who asked for it; stands in the certificate. */
  readonly requester?: string;
  /** Every disk reaches it, or the machine stays out. */
  readonly level: Level;
  /** Blocks of each disk that are looked at. */
  readonly samples: number;
  /** Where zeros are left: read every block. */
  readonly full: boolean;
  readonly clearTpm: boolean;
  readonly clearBootEntries: boolean;
  /** Serials of the disks of the last report: one that is not there any more is not clean. */
  readonly expected: readonly string[];
}

/** It was written by the recycle job and by nobody else. */
export function parseRecycleDetail(value: unknown): RecycleDetail {
  return value as RecycleDetail;
}

export interface RecyclePlanInput {
  readonly detail: RecycleDetail;
  readonly seen: SeenForRecycle;
  /** Goes into the marker: what is found after another job's is no proof. */
  readonly job: string;
  /** From 0 up to, but not including, 1. */
  random(): number;
}

/** @throws AppError DISK_NONE when a disk of the last report has gone, or none is there */
export function recyclePlan({ detail, seen, job, random }: RecyclePlanInput): string {
  const there = seen.disks.map(({ serial = '' }) => serial);
  const gone = missingFrom(there, detail.expected);
  if (gone.length > 0) {
    const text = `${gone.join(', ')} of the last report ${gone.length > 1 ? 'are' : 'is'} not there.`;
    throw new AppError('DISK_NONE', { detail: `Nothing can be said of its data: ${text}` });
  }
  const lines = [
    ['plan', 1],
    ['marker', Buffer.from(`reveille ${job}`).toString('base64')],
    ['step', 'erase', 2],
    ...seen.disks.map((disk) => eraseLine(disk, detail, random)),
    ['wait'],
    ...(detail.clearBootEntries || detail.clearTpm ? [['step', 'clear', 96]] : []),
    ...(detail.clearBootEntries ? [['boot-entries']] : []),
    ...(detail.clearTpm ? [['tpm']] : []),
    ['step', 'done', 100],
  ];
  return lines.map((fields) => `${fields.join('\t')}\n`).join('');
}

function eraseLine(disk: ErasableDisk, detail: RecycleDetail, random: () => number) {
  const { name, sizeBytes, serial = '', offers } = disk;
  const methods = methodsFor(offers, detail.level);
  const blocks = Math.floor(sizeBytes / BLOCK_BYTES);
  return [
    ...['erase', `/dev/${name}`, sizeBytes, base64(serial)],
    methods.length > 0 ? methods.join(',') : '-',
    sampled(blocks, detail.samples, random).join(','),
    detail.full ? 'full' : 'sample',
  ];
}

/** The first block, the last one, and one out of each equal part between: no part of a disk is left out by chance. */
export function sampled(blocks: number, count: number, random: () => number): number[] {
  const last = Math.max(0, blocks - 1);
  const chosen = new Set([0, last]);
  const parts = Math.min(count, blocks);
  for (let part = 0; part < parts; part++) {
    const from = Math.floor((blocks * part) / parts);
    const to = Math.floor((blocks * (part + 1)) / parts);
    chosen.add(Math.min(last, from + Math.floor(random() * (to - from))));
  }
  return [...chosen].sort((a, b) => a - b);
}

function base64(text: string): string {
  return text === '' ? '-' : Buffer.from(text, 'utf8').toString('base64');
}
