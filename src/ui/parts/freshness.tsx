/** How fresh what is shown of a site is: nothing to say where central has all that the site has told. */
import type { SiteView } from '../../central/fleet-view.ts';
import { sites } from '../sites.ts';
import { Badge, When } from './common.tsx';

export function Freshness({
  of: { freshness, asOf },
}: {
  of: Pick<SiteView, 'freshness' | 'asOf'>;
}) {
  return (
    <span class="freshness" data-freshness={freshness}>
      <Badge word={freshness} />
      {freshness !== 'current' && freshness !== 'never' && (
        <span class="dim">
          {' '}
          as of <When at={asOf} ago />
        </span>
      )}
    </span>
  );
}

/** Beside figures of all sites: those whose part in them is old, or cannot be known now. */
export function OldSites() {
  const old = sites.value.filter(({ freshness }) => freshness !== 'current');
  if (old.length === 0) return null;
  return (
    <p class="note hold">
      By what the sites have told:{' '}
      {old.map((site) => (
        <span key={site.site} data-old={site.site}>
          {site.site} <Freshness of={site} />{' '}
        </span>
      ))}
    </p>
  );
}
