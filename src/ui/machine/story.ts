/**
 * What was done with a machine and what it did, as one story: its jobs, each with the boots that it caused, and the boots that
 * nobody asked for, newest first, each with how long it took. Pure: a test holds it.
 */
import type { BootTimeline } from '../../inventory/timeline.ts';
import { readTime } from '../format.ts';
import type { JobView } from '../parts/job-list.tsx';

export interface Chapter {
  readonly at: number;
  /** Up to now where it goes on; undefined: it has not begun. */
  readonly tookMs: number | undefined;
  readonly job?: JobView;
  readonly boot?: BootTimeline;
  /** Boots while this job ran, in the order of time. */
  readonly boots: readonly Chapter[];
}

const GOES_ON: readonly BootTimeline['state'][] = ['running', 'stalled'];

function chapterOfBoot(boot: BootTimeline, now: number): Chapter {
  const until = GOES_ON.includes(boot.state) ? now : boot.lastAt;
  return { at: boot.startedAt, tookMs: Math.max(0, until - boot.startedAt), boot, boots: [] };
}

/** @param jobs and boots in any order */
export function storyOf(
  jobs: readonly JobView[],
  boots: readonly BootTimeline[],
  now: number,
): readonly Chapter[] {
  const chapters = boots.map((boot) => chapterOfBoot(boot, now)).sort((a, b) => a.at - b.at);
  const taken = new Set<Chapter>();
  const told = jobs.map((job): Chapter => {
    const from = readTime(job.started_at);
    // Jobs tell whole seconds: a boot in the last of them is still the job's.
    const to = job.ended_at === null ? now : readTime(job.ended_at) + 999;
    const own = from === 0 ? [] : chapters.filter(({ at }) => at >= from && at <= to);
    for (const boot of own) taken.add(boot);
    const tookMs = from === 0 ? undefined : Math.max(0, (readTime(job.ended_at) || now) - from);
    return { at: from || readTime(job.created_at), tookMs, job, boots: own };
  });
  return [...told, ...chapters.filter((boot) => !taken.has(boot))].sort((a, b) => b.at - a.at);
}

/** The longest of them all: what bars are drawn against. */
export function longestOf(story: readonly Chapter[]): number {
  const all = story.flatMap((chapter) => [chapter, ...chapter.boots]);
  return Math.max(1, ...all.map(({ tookMs = 0 }) => tookMs));
}
