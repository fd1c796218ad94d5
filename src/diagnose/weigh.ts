/**
 * Which of two diagnoses of one machine says more: firmware that has failed goes through its other boot entries, and each of those
 * attempts is a boot with an end of its own. Pure, and the same on the appliance and in a browser.
 */
import { PLACES, type Place } from './facts.ts';

export interface Weighed {
  readonly confidence: string;
  readonly place: string;
}

/**
 * Whether the later one is a guess, and the earlier one more than that about a boot that got further.
 * @param later of the boot right after it
 */
export function saysMore(earlier: Weighed, later: Weighed): boolean {
  const guess = (one: Weighed) => one.confidence === 'possible';
  return guess(later) && !guess(earlier) && order(later) < order(earlier);
}

const order = ({ place }: Weighed): number => PLACES.indexOf(place as Place);
