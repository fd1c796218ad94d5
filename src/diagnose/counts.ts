/** Where boots stop, by switch, rack or model: a bad switch is one line and not forty machines. Pure. */

export interface Counted {
  readonly name: string;
  readonly site: string;
  readonly rack: string;
  readonly switch: string;
  readonly model: string;
  readonly total: number;
  readonly open: number;
}

export const COUNTED_BY = ['switch', 'rack', 'model'] as const;
export type CountedBy = (typeof COUNTED_BY)[number];

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
