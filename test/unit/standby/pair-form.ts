/** The shapes of a made-up pair. */
import type { MoveNote } from '../../../src/standby/moves.ts';
import type { KeptRight } from '../../../src/standby/right.ts';
import type { Apartness } from '../../../src/standby/standing.ts';
import type { Member, WitnessRow } from '../../../src/standby/witness.ts';
import type { Ipv4 } from '../../../src/wire/ipv4.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import type { Millis } from '../../../src/wire/time.ts';
import type { SimMember } from './pair-world.ts';

export const LEASE_MS = 4000;
export const MCLT_S = 20;
export const LONG_S = 90;
export const POOL = [10, 11, 12, 13, 14, 15] as Ipv4[];
export const DOUBT_MS = 3000;

export interface Row {
  address: Ipv4;
  mac: Mac;
  state: 'bound';
  expiresAt: Millis;
  lastAt: number;
}

export interface Kept extends Apartness {
  right: KeptRight;
  touchAt: number;
  aheadMs: number;
  unsure: readonly string[];
  /** Notes of reservations that were changed here: they are in the database. */
  moved: readonly (MoveNote & { readonly at: number })[];
}

export interface Holding {
  readonly mac: Mac;
  readonly address: Ipv4;
  readonly until: number;
}

export interface World {
  now: number;
  readonly members: Record<Member, SimMember>;
  readonly later: { at: number; run: () => void }[];
  holdings: Holding[];
  witnessUp: boolean;
  lineUp: boolean;
  row: WitnessRow | undefined;
  random(): number;
  readonly withWitness: boolean;
  readonly log: string[];
  readonly given: string[];
  /** The last exchange of each client: an answer to an older one it does not listen to. */
  readonly exchanges: Map<Mac, number>;
}
