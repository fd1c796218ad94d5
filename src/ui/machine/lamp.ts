/**
 * Whether a machine's lamp is lit, by the newest job that lights or darkens it: what the BMC has done, and not what somebody
 * has tapped. So the next one who opens the page sees that it is lit, and can put it out. Pure: a test holds it.
 */
import type { Operations } from '../../client/operations.generated.ts';
import { readTime } from '../format.ts';

export type LampJob = Pick<
  Operations['GET /jobs']['answer']['jobs'][number],
  'status' | 'params' | 'ended_at' | 'code' | 'detail'
>;

export type Lamp =
  | { readonly is: 'dark' }
  /** The BMC has not been heard yet. */
  | { readonly is: 'asked' }
  | { readonly is: 'lit' }
  | { readonly is: 'failed'; readonly why: string };

/** As the kind of job has it, when nobody says. */
const SECONDS = 60;
/** A failure is told while whoever asked still stands there. */
const TOLD_MS = 60_000;

export function lampOf(job: LampJob | undefined, now: number): Lamp {
  const seconds = Number(job?.params.seconds ?? SECONDS);
  if (!job || seconds === 0) return { is: 'dark' };
  const endedAt = readTime(job.ended_at);
  switch (job.status) {
    case 'queued':
    case 'running':
      return { is: 'asked' };
    case 'finished':
      return { is: now < endedAt + 1000 * seconds ? 'lit' : 'dark' };
    case 'failed': {
      const why = [job.code, job.detail].filter(Boolean).join(' ');
      return now < endedAt + TOLD_MS ? { is: 'failed', why } : { is: 'dark' };
    }
    // Cancelled; and central has jobs that are lost, of which nobody knows any more.
    default:
      return { is: 'dark' };
  }
}
