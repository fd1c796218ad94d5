/** What an event says of an address that was given. */
import type { ClientStage, RelayPlace } from '../events.ts';
import type { Mac } from '../wire/mac.ts';

export type LeaseGiven = {
  client: ClientStage;
  address: string;
  bootFile: string;
  leaseSeconds: number;
  relay?: RelayPlace;
  /** The MAC whose lease of this address had run out. */
  displaced?: Mac;
};
