/** Filters the page that it stands on, through the address; Enter looks further than the page does. */

import { query, setQuery } from '../router.ts';
import { lookUp } from '../scan-lookup.ts';

export function SearchField({ label }: { label: string }) {
  return (
    <input
      type="search"
      id="search"
      placeholder={label}
      aria-label={label}
      autocapitalize="none"
      autocomplete="off"
      spellcheck={false}
      value={query.value.get('q') ?? ''}
      onInput={(event) => setQuery({ q: event.currentTarget.value })}
      onKeyDown={(event) => {
        if (event.key === 'Enter') void lookUp(event.currentTarget.value);
      }}
    />
  );
}
