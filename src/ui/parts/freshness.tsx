/** How fresh what is shown of a site is: nothing to say where central has all that the site has told. */
import type { SiteView } from '../../central/fleet-view.ts';
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
