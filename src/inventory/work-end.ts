/** When work that a machine has in hand will be over, by what its agent has said of it. Pure. */
import type { Millis } from '../wire/time.ts';
import type { WorkOrder } from './work.ts';

/** Before so much of it is done, its pace is that of other things. */
const TELLING_PERCENT = 5;

/** By the agent's own estimate; undefined when it copies nothing now. */
export function copyEndOf(order: WorkOrder | undefined): Millis | undefined {
  const seconds = order?.state === 'armed' ? order.progress.etaSeconds : undefined;
  if (!order || seconds === undefined) return undefined;
  return Math.round(order.progressAt + seconds * 1000) as Millis;
}

/** By the share that is done since it was taken, and never before its copy is over. */
export function endOf(order: WorkOrder | undefined): Millis | undefined {
  if (order?.state !== 'armed') return undefined;
  const { progress, progressAt, takenAt } = order;
  const { percent = 0 } = progress;
  const copied = copyEndOf(order);
  if (takenAt === 0 || progressAt < takenAt || percent < TELLING_PERCENT) return copied;
  const paced = takenAt + ((progressAt - takenAt) * 100) / percent;
  return Math.round(Math.max(paced, copied ?? 0)) as Millis;
}
