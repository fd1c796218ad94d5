/** How many machines a pool is to have: at an appliance one number, of a fleet one for each site. */
import { useState } from 'preact/hooks';
import type { FleetPoolView } from '../../central/pools.ts';
import type { Operations } from '../../client/operations.generated.ts';
import { call } from '../api.ts';
import { sizeWords } from '../asked-words.ts';
import { plural } from '../format.ts';
import { Freshness } from '../parts/freshness.tsx';
import { WhyDialog } from '../parts/why-dialog.tsx';
import { isFleet } from '../session.ts';
import { sites as known } from '../sites.ts';

export type Pool = Operations['GET /pools']['answer']['pools'][number] &
  Partial<Pick<FleetPoolView, 'sites'>>;

export function PoolSize({ pool, reload }: { pool: Pool; reload(): void }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" onClick={() => setOpen(true)}>
        Size…
      </button>
      {open && (
        <WhyDialog
          title={`How many machines ${pool.name} has`}
          says={
            isFleet.value
              ? 'Each site brings its part to its size, at once or when it is heard of. A site that is left empty gives its part up, and its machines stay in use; a pool that a site has made itself stays as it is.'
              : 'What is missing is asked for; what is too much is released and wiped, unhealthy machines first.'
          }
          word="Write it"
          told={(answer) => sizeWords(answer as Pool, `${pool.name} has another size.`)}
          act={(why, form) => write(pool, why, form)}
          close={() => {
            setOpen(false);
            reload();
          }}
        >
          {isFleet.value ? <SiteCounts pool={pool} /> : <Count name="count" of={pool.count} />}
          <label>
            Machines that go, when there are to be fewer
            <input name="confirm" type="number" min="0" max="1000000" placeholder="0" />
          </label>
        </WhyDialog>
      )}
    </>
  );
}

function Count({ name, of }: { name: string; of: number | undefined }) {
  return (
    <label>
      {name === 'count' ? 'Machines' : name}
      <input name={name} type="number" min="0" max="100000" defaultValue={String(of ?? '')} />
    </label>
  );
}

/** Of a pool of the fleet without those that have made one of its name themselves. */
function sitesFor({ sites = [] }: Pool) {
  const isFleets = sites.some(({ own }) => !own);
  const isLeftOut = (name: string) => sites.some(({ site, own }) => site === name && own);
  return known.value.filter(({ site }) => !(isFleets && isLeftOut(site)));
}

function SiteCounts({ pool }: { pool: Pool }) {
  const { sites = [] } = pool;
  return (
    <div class="form-row">
      {sitesFor(pool).map((site) => (
        <div key={site.site}>
          <Count name={site.site} of={sites.find((one) => one.site === site.site)?.count} />
          {site.freshness !== 'current' && <Freshness of={site} />}
        </div>
      ))}
    </div>
  );
}

interface Sizes {
  readonly body: { readonly count: number } | { readonly sites: Readonly<Record<string, number>> };
  /** Machines that are too many then, as far as is known. */
  readonly leaving: number;
}

function sizesOf(pool: Pool, form: FormData): Sizes {
  if (!isFleet.value) {
    const count = Number(form.get('count'));
    return { body: { count }, leaving: Math.max(0, pool.members - count) };
  }
  const given = sitesFor(pool)
    .map(({ site }) => [site, String(form.get(site) ?? '').trim()] as const)
    .filter(([, text]) => text !== '')
    .map(([site, text]) => [site, Number(text)] as const);
  const membersAt = (site: string) => pool.sites?.find((one) => one.site === site)?.members ?? 0;
  const leaving = given.reduce((sum, [site, n]) => sum + Math.max(0, membersAt(site) - n), 0);
  return { body: { sites: Object.fromEntries(given) }, leaving };
}

/** @throws Error that says how many machines would go, when that was not said */
async function write(pool: Pool, why: string, form: FormData): Promise<unknown> {
  const { body, leaving } = sizesOf(pool, form);
  const confirm = Number(form.get('confirm') ?? 0);
  if (confirm !== leaving)
    throw new Error(
      leaving === 0
        ? 'No machine goes then: leave “Machines that go” empty.'
        : `${plural(leaving, 'machine')} would be released and wiped: say ${leaving} under “Machines that go”.`,
    );
  const query = new URLSearchParams({ why, ...(confirm > 0 && { confirm: String(confirm) }) });
  const path = `pools/${encodeURIComponent(pool.name)}/size?${query}`;
  return (await call('PUT', path, { body, version: pool.version })).body;
}
