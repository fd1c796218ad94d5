/**
 * What central adds to an appliance's shapes, as the command line shows it: of which site a row is, and how old that is. An answer
 * of an appliance has none of it, and looks as it always did.
 */
import type { SiteView } from '../../central/fleet-view.ts';
import type { ToldSite } from '../../central/records.ts';
import type { CliContext, CommonOptions } from './connection.ts';
import { type Column, time } from './output.ts';

/** Of which site something is, and how fresh: absent in an answer of an appliance. */
export type OfSite = Partial<Pick<SiteView, 'site' | 'freshness' | 'asOf'>>;

const SITE: Column<OfSite> = { title: 'SITE', of: ({ site = '' }) => site };

/** With the site behind the first column, where the rows are of several sites. */
export function withSite<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): readonly Column<Row>[] {
  const [first, ...others] = columns;
  if (!first || !rows.some((row) => (row as OfSite).freshness !== undefined)) return columns;
  return [first, SITE as Column<Row>, ...others];
}

/** What came of something at each site that was told of it: of those that have it the name alone. */
const toldText = (sites: readonly ToldSite[]): string =>
  sites
    .map(({ site, status, code }) => {
      if (status === 'done') return site;
      return `${site} (${code === '' ? status : `${status}: ${code}`})`;
    })
    .join(', ');

/** With what came of each row at its sites, where they have been told. */
export function withTold<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): readonly Column<Row>[] {
  const sitesOf = (row: Row) => (row as { sites?: readonly ToldSite[] }).sites;
  if (!rows.some(sitesOf)) return columns;
  return [...columns, { title: 'SITES', of: (row) => toldText(sitesOf(row) ?? []) }];
}

/** Says of each site that is not current how old what was shown of it is. */
export function tellAge(context: CliContext, options: CommonOptions, of: readonly OfSite[]): void {
  if (options.json) return;
  const told = new Set<string>();
  for (const { site = '', freshness = 'current', asOf = 0 } of of) {
    if (freshness === 'current' || told.has(site)) continue;
    told.add(site);
    context.tell(`reveille: ${AGES[freshness](site, time(asOf))}\n`);
  }
}

const AGES: Readonly<
  Record<Exclude<SiteView['freshness'], 'current'>, (site: string, at: string) => string>
> = {
  away: (site, at) => `${site} is away: what is shown of it is of ${at}, and may be otherwise now`,
  'catching-up': (site) => `${site} is catching up: the newest of it is not shown yet`,
  never: (site) => `${site} has not been heard of yet: nothing can be known of it now`,
};

interface AskedSite {
  readonly id: string;
  readonly site: string;
  readonly status: string;
}

/** Of orders at central that their sites have not answered, or whose records have not come: what is shown is as before. */
export function tellAsked(context: CliContext, body: unknown): void {
  const { asked = [] } = (body ?? {}) as { asked?: AskedSite | readonly AskedSite[] };
  for (const { site, id, status } of [asked].flat()) {
    const word =
      status === 'done'
        ? 'has done it; what is shown is from before'
        : 'has not answered yet; it is asked for as soon as it is heard of';
    context.tell(`reveille: ${site} ${word} (intent ${id})\n`);
  }
}
