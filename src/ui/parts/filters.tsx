/** What a list is looked through by, in the page's own address: words, and one of several. */
import { query, setQuery } from '../router.ts';
import { sites } from '../sites.ts';

/** As `q`. */
export function WordFilter({ label }: { label: string }) {
  return (
    <input
      type="search"
      aria-label={label}
      placeholder={label}
      value={query.value.get('q') ?? ''}
      onInput={(event) => setQuery({ q: event.currentTarget.value })}
    />
  );
}

interface ChoiceProps {
  readonly label: string;
  /** In the address. */
  readonly name: string;
  /** What it is there, and the word for it; '' is none of them. */
  readonly options: readonly (readonly [string, string])[];
}

export function ChoiceFilter({ label, name, options }: ChoiceProps) {
  return (
    <select
      aria-label={label}
      value={query.value.get(name) ?? ''}
      onChange={(event) => setQuery({ [name]: event.currentTarget.value })}
    >
      {options.map(([value, word]) => (
        <option key={value} value={value}>
          {word}
        </option>
      ))}
    </select>
  );
}

/** At central, as `site`. */
export function SiteFilter() {
  const named = sites.value.map(({ site }) => [site, site] as const);
  return <ChoiceFilter label="Site" name="site" options={[['', 'All sites'], ...named]} />;
}
