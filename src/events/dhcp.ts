/** What an event says of an address that was given, and to whom. */
import type { ClientStage } from '../events.ts';
import type { Mac } from '../wire/mac.ts';

/** Where a relayed packet came from, as the relay tells it: often a switch and its port. */
export interface RelayPlace {
  /** `giaddr`; empty where a switch that is no relay has put the option in. */
  readonly agent: string;
  /** Sub-options 1 and 2 of option 82: text where they are text, else hex digits; empty when absent. */
  readonly circuit: string;
  readonly remote: string;
}

export type LeaseGiven = {
  client: ClientStage;
  address: string;
  bootFile: string;
  leaseSeconds: number;
  relay?: RelayPlace;
  /** The MAC whose lease of this address had run out. */
  displaced?: Mac;
};
