/**
 * `reveille diagnose --by switch`: where boots stop, so that a bad switch is one line and not forty machines. Pure but for the call.
 */
import { AppError } from '../../errors.ts';
import { type CliContext, type CommonOptions, clientFor } from './connection.ts';
import { show } from './output.ts';

export interface Counted {
  readonly name: string;
  readonly site: string;
  readonly rack: string;
  readonly switch: string;
  readonly model: string;
  readonly total: number;
  readonly open: number;
}

const PLACES = ['switch', 'rack', 'model'] as const;
export type CountedBy = (typeof PLACES)[number];

export interface Group {
  /** Empty: not known. */
  readonly place: string;
  readonly total: number;
  readonly open: number;
  /** The most frequent first. */
  readonly causes: readonly { readonly name: string; readonly total: number }[];
}

/** A rack's name is its own within its site only; machines that are not known have neither. */
const placeOf = (one: Counted, by: CountedBy): string =>
  by === 'rack' ? `${one.site} ${one.rack}`.trim() : one[by];

/** The place with the most boots that stopped there first. */
export function groupedBy(counts: readonly Counted[], by: CountedBy): Group[] {
  const groups = [...Map.groupBy(counts, (one) => placeOf(one, by))].map(([place, here]): Group => {
    const sum = (rows: readonly Counted[], of: 'total' | 'open') =>
      rows.reduce((all, row) => all + row[of], 0);
    const causes = [...new Set(here.map(({ name }) => name))]
      .map((name) => ({
        name,
        total: sum(
          here.filter((one) => one.name === name),
          'total',
        ),
      }))
      .sort((a, b) => b.total - a.total || a.name.localeCompare(b.name));
    return { place, total: sum(here, 'total'), open: sum(here, 'open'), causes };
  });
  return groups.sort((a, b) => b.total - a.total || a.place.localeCompare(b.place));
}

/** @throws AppError REQUEST_INVALID for a place that is none */
export async function showCounts(
  context: CliContext,
  options: CommonOptions & { readonly by?: string },
): Promise<void> {
  const by = PLACES.find((place) => place === options.by);
  if (by === undefined)
    throw new AppError('REQUEST_INVALID', {
      detail: `'${options.by}' is none of ${PLACES.join(', ')}.`,
    });
  const { body } = await clientFor<'diagnoses'>(context, options).call('GET /diagnoses/counts');
  const groups = groupedBy(body.counts, by);
  show(context, options, {
    document: { by, groups },
    rows: groups,
    columns: [
      { title: by.toUpperCase(), of: ({ place }) => place || 'unknown' },
      { title: 'STOPPED', of: ({ total }) => String(total) },
      { title: 'OPEN', of: ({ open }) => String(open) },
      {
        title: 'CAUSES',
        of: ({ causes }) => causes.map(({ name, total }) => `${name} ${total}`).join(', '),
      },
    ],
  });
}
