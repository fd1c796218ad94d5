/**
 * How many of the wanted machines each site is asked for. Pure: the same sites give the same parts.
 *
 * One machine after the other goes to the best site: one that has a free machine for it before one where it would wait, one
 * that is heard of before one that is away; then, where it is to be even, the site with the fewest of the request, else one
 * that is in use for it already; then the one with the most left. Free is what was told last: whether a machine fits, and is
 * still there, the site decides, and a part that a site refuses is spread over the others.
 */
export interface SiteStock {
  readonly site: string;
  /** Free machines of the wanted type, as far as is known. */
  readonly free: number;
  /** What it says is of now. */
  readonly isCurrent: boolean;
  /** Machines of this request that it has been asked for before. */
  readonly has: number;
}

export interface Spread {
  readonly perSiteMax?: number | undefined;
  readonly even?: boolean | undefined;
}

export interface Part {
  readonly site: string;
  readonly count: number;
}

export interface SpreadPlan {
  /** By site; none has a count of 0. */
  readonly parts: readonly Part[];
  /** For which there is no site: all are at `perSiteMax`, or there is none. */
  readonly missing: number;
  /** Asked for where nothing is free now: they wait. */
  readonly waiting: number;
}

interface Filling {
  readonly stock: SiteStock;
  given: number;
}

export function spreadOver(
  stocks: readonly SiteStock[],
  count: number,
  { perSiteMax = Number.POSITIVE_INFINITY, even = false }: Spread,
): SpreadPlan {
  const sites: Filling[] = stocks.map((stock) => ({ stock, given: 0 }));
  let waiting = 0;
  let left = count;
  for (; left > 0; left--) {
    const best = bestOf(
      sites.filter(({ stock, given }) => stock.has + given < perSiteMax),
      even,
    );
    if (!best) break;
    if (freeOf(best) <= 0) waiting += 1;
    best.given += 1;
  }
  const parts = sites
    .filter(({ given }) => given > 0)
    .map(({ stock, given }) => ({ site: stock.site, count: given }))
    .sort((a, b) => (a.site < b.site ? -1 : 1));
  return { parts, missing: left, waiting };
}

function bestOf(sites: readonly Filling[], even: boolean): Filling | undefined {
  let [best] = sites;
  let rank = best && rankOf(best, even);
  for (const one of sites.slice(1)) {
    const other = rankOf(one, even);
    if (rank && compare(rank, other) <= 0) continue;
    [best, rank] = [one, other];
  }
  return best;
}

const freeOf = ({ stock, given }: Filling): number => stock.free - given;

/** Smaller goes first, from left to right. */
function rankOf(filling: Filling, even: boolean): readonly (number | string)[] {
  const { stock, given } = filling;
  const mine = stock.has + given;
  const free = freeOf(filling);
  const spread = even ? mine : Number(mine === 0);
  return [Number(free <= 0), Number(!stock.isCurrent), spread, -free, stock.site];
}

function compare(one: readonly (number | string)[], other: readonly (number | string)[]): number {
  for (const [index, value] of one.entries()) {
    const against = other[index] ?? '';
    if (value !== against) return value < against ? -1 : 1;
  }
  return 0;
}
