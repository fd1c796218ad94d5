/** The shapes of a made-up pair. */
import { reservedHoldSeconds } from '../../../src/standby/gate.ts';
import type { Member, WitnessRow } from '../../../src/standby/witness.ts';
import type { Ipv4 } from '../../../src/wire/ipv4.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import type { SimMember } from './pair-world.ts';

export const LEASE_MS = 4000;
/** A line on which nothing is heard for so long is closed. */
export const SILENCE_MS = 0.6 * LEASE_MS;
export const MCLT_S = 20;
export const HOLD_MS = reservedHoldSeconds(MCLT_S) * 1000;
export const LONG_S = 90;
export const POOL = [10, 11, 12, 13, 14, 15] as Ipv4[];
/** No dynamic address, whoever it is kept for. */
export const STATIC = [20, 21] as Ipv4[];

export interface Holding {
  readonly mac: Mac;
  readonly address: Ipv4;
  readonly until: number;
}

/** What people do. */
export interface People {
  /** Each of them tells either of the two to take over, now and then. */
  readonly order: boolean;
  /** The share of moments in which a reservation is moved. */
  readonly moves: number;
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
  readonly people: People;
  /** How much oftener things break than once in some minutes. */
  readonly trouble: number;
  /** Programs are frozen, and go on later with what has come meanwhile. */
  readonly freezes: boolean;
  /** So often in a hundred milliseconds somebody sets the time of day of one of the two, while its daemon runs. */
  readonly clockSets: number;
  /** Nothing breaks any more, nor is anything late. */
  calm: boolean;
  takeOvers: number;
  /** By the one that is left at the end. */
  renewals: number;
  /** What happened, for who looks into a seed. */
  readonly story: { readonly at: number; readonly address: number | undefined; text: string }[];
  /** Of each address the number of the newest change that was acknowledged, and how many changes there were. */
  acknowledged: Map<number, number>;
  changes: number;
  /** The last exchange of each client: an answer to an older one it does not listen to. */
  readonly exchanges: Map<Mac, number>;
}

export function tell(world: World, text: string, address?: number): void {
  world.story.push({ at: world.now, address, text });
}

/** What was last, of this address and of both members. */
export function storyOf(world: World, address?: number): string {
  const told = world.story.filter((one) => one.address === undefined || one.address === address);
  const kept = Object.values(world.members).map((one) => JSON.stringify(one.kept));
  const lines = told.slice(-Number(process.env.STANDBY_STORY ?? 30));
  return [`at ${world.now}`, ...kept, ...lines.map(({ at, text }) => `${at} ${text}`)].join('\n');
}
