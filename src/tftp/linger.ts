/**
 * Whether who has answered all ACKs asks its socket again and again for a moment before it lies down to wait. Pure.
 *
 * With several transfers the next ACK is a few microseconds away. A processor that has gone to sleep takes tens of them to
 * wake, and whoever sends the ACK pays for waking it: our clients, when they run on the same machine, and otherwise the ACK
 * that comes late. Asking pays as long as ACKs come that soon. Over a link on which they take longer it is in vain, so a few
 * vain turns in a row end it, and from then on one turn in many tries again: it costs a thread in lockstep with
 * slow clients a hundredth of its processor at most.
 */

/** So many turns in vain, one after the other, and ACKs are taken to come later than that. */
const VAIN_MAX = 8;
const TRY_EVERY = 64;

export interface Linger {
  /** Asked once for each turn. */
  pays(): boolean;
  /** What became of a turn that was asked for. */
  ended(caught: boolean): void;
}

export function createLinger(): Linger {
  let vain = 0;
  let passedOver = 0;
  return {
    pays() {
      if (vain < VAIN_MAX) return true;
      passedOver = (passedOver + 1) % TRY_EVERY;
      return passedOver === 0;
    },
    ended(caught) {
      vain = caught ? 0 : Math.min(vain + 1, VAIN_MAX);
    },
  };
}
