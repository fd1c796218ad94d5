/** A machine's story: which boots are a job's, how long everything took, and its order. */
import { describe, expect, it } from 'vitest';
import type { BootTimeline } from '../../../src/inventory/timeline.ts';
import { longestOf, storyOf } from '../../../src/ui/machine/story.ts';
import type { JobView } from '../../../src/ui/parts/job-list.tsx';

const T = Date.parse('2026-01-31T03:00:00Z');
const text = (seconds: number) =>
  new Date(T + 1000 * seconds).toISOString().slice(0, 19).replace('T', ' ');

const job = (id: string, created: number, started?: number, ended?: number): JobView =>
  ({
    ...{ id, created_at: text(created) },
    started_at: started === undefined ? null : text(started),
    ended_at: ended === undefined ? null : text(ended),
  }) as JobView;

const boot = (id: string, started: number, last: number, state: BootTimeline['state'] = 'done') =>
  ({
    ...{ boot: id, state, startedAt: T + 1000 * started, lastAt: T + 1000 * last },
  }) as unknown as BootTimeline;

const NOW = T + 1_000_000;

describe('the story of a machine', () => {
  it('has the boots of a job beneath it, and the others by themselves, newest first', () => {
    const story = storyOf(
      [job('old', 90, 100, 300), job('new', 500, 510, 700)],
      [boot('late', 900, 960), boot('second', 250, 280), boot('first', 110, 200), boot('x', 0, 50)],
      NOW,
    );
    expect(story.map(({ job, boot }) => job?.id ?? boot?.boot)).toEqual([
      'late',
      'new',
      'old',
      'x',
    ]);
    expect(story[2]?.boots.map(({ boot }) => boot?.boot)).toEqual(['first', 'second']);
    expect(story[1]?.boots).toEqual([]);
  });

  it('counts how long each took: to its end, or up to now where it goes on', () => {
    const [running, stalled, done] = storyOf(
      [job('j', 900, 940)],
      [boot('s', 800, 810, 'stalled'), boot('d', 0, 90, 'over')],
      NOW,
    );
    expect([running?.tookMs, stalled?.tookMs, done?.tookMs]).toEqual([60_000, 200_000, 90_000]);
    expect(longestOf([running, stalled, done].flatMap((one) => one ?? []))).toBe(200_000);
  });

  it('has nothing to measure of what has not begun, and gives it no boots', () => {
    const [queued] = storyOf([job('q', 10)], [boot('b', 20, 30)], NOW).filter(({ job }) => job);
    expect(queued).toMatchObject({ at: T + 10_000, boots: [] });
    expect(queued?.tookMs).toBeUndefined();
  });

  it('counts a boot within the last second of a job as its own', () => {
    const late = { ...boot('b', 200, 210), startedAt: (T + 200_700) as never };
    expect(storyOf([job('j', 90, 100, 200)], [late], NOW)[0]?.boots).toHaveLength(1);
  });
});
