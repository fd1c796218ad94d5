/** What a member keeps of its right, and of the other one's (`right.ts`): on disk before it is acted upon. */
export interface KeptRight {
  /** The highest that was heard of. */
  readonly epoch: number;
  /** The last one that was this member's own. */
  readonly own: number;
  /** Of which epoch our database is a whole copy, or the original. */
  readonly copy: number;
  /** The other one cannot become active but by a person's order. */
  readonly sole: boolean;
  /** We have said that we take over nothing by ourselves before our copy is whole again. */
  readonly idle: boolean;
  /** Of which epoch our database was a copy when the newest became ours, as long as we could not begin to serve in it; else 0. */
  readonly unbegun: number;
  /** We have served in our database since the other one had everything, or may from now on: there may be in it what that one never hears of. */
  readonly ahead: boolean;
  /** No question to the witness has had a higher number: one that is under way since before a restart is older than all that follow. */
  readonly n: number;
}

export const FRESH: KeptRight = {
  ...{ epoch: 0, own: 0, copy: 0, sole: false, idle: false, unbegun: 0, ahead: false, n: 0 },
};

/** The newest epoch is its own, whether or not the right to it runs. */
export const isNewest = ({ own, epoch }: Pick<KeptRight, 'own' | 'epoch'>): boolean =>
  own > 0 && own === epoch;

type Newest = Pick<KeptRight, 'epoch' | 'own' | 'copy' | 'unbegun'>;

/** Of which epoch one's database is, whatever right one has had since without serving in it. */
const databaseOf = ({ copy, unbegun }: Newest): number => unbegun || copy;

/** Ours is a copy of the database in which the other one has served last, and we have not served in it. */
export const isCopyOf = (ours: Newest, theirs: Pick<KeptRight, 'own' | 'copy'>): boolean =>
  theirs.own > 0 && theirs.copy === theirs.own && databaseOf(ours) === theirs.own;

/** The other one has begun to serve in a database after ours. */
export const isOlder = (ours: Newest, theirs: Newest): boolean =>
  databaseOf(ours) < databaseOf(theirs);

/**
 * Neither of two that are not active has the newest right that they know of, nor gets it any more: whose it was to be heard of it too late. With copies that
 * are not of it neither asks the witness for another one. So the one with the newer database takes the next, and the other one finds the same.
 */
export function isLeftTo(ours: Newest, theirs: Newest): boolean {
  const { epoch } = ours;
  if (theirs.epoch !== epoch) return false;
  if ([ours, theirs].some(({ own, copy }) => own === epoch || copy === epoch)) return false;
  const [our, their] = [databaseOf(ours), databaseOf(theirs)];
  return our > their || (our > 0 && our === their && ours.own === our);
}
