/** The fleet: each site with how fresh its copy is, its machines by state, what is free by type, and what central has noticed. */
import type { Capacity } from '../../central/fleet-view.ts';
import { plural, seconds } from '../format.ts';
import { Badge, Empty, Facts, Panel, Reading, Table, Title, When } from '../parts/common.tsx';
import { Freshness } from '../parts/freshness.tsx';
import { SiteActions } from '../parts/site-removal.tsx';
import { CapacityTable } from '../provisioning/match.tsx';
import { useRead } from '../resource.ts';
import { sites } from '../sites.ts';
import '../styles/provisioning.css';

interface Notice {
  readonly id: string;
  readonly at: number;
  readonly site: string;
  readonly code: string;
  readonly detail: string;
  readonly times: number;
}

/** Beyond it people should hear of a site's clock. */
const SKEW_MS = 5000;

interface Counted {
  readonly capacity: readonly Capacity[];
}

const capacityOf = (counted: Counted | undefined, site: string): readonly Capacity[] =>
  (counted?.capacity ?? []).filter((one) => one.site === site);

export function SitesPage() {
  const capacity = useRead<Counted>('capacity', () => false);
  const notices = useRead<{ notices: readonly Notice[] }>('notices?limit=50', () => false);
  return (
    <>
      <Title beside={<span class="dim">{plural(sites.value.length, 'site')}</span>}>Sites</Title>
      {sites.value.length === 0 && (
        <Empty>
          No site has joined. <code>POST /api/v1/sites/NAME/join-code</code> lets one in.
        </Empty>
      )}
      <div class="panels">
        {sites.value.map((site) => (
          <Panel key={site.site} title={site.site} beside={<Freshness of={site} />}>
            <States of={capacityOf(capacity.value, site.site)} />
            <Facts
              of={[
                ['On its way', site.behind > 0 && plural(site.behind, 'event')],
                ['Last heard', <When key="h" at={site.asOf} ago />],
                [
                  'Clock',
                  Math.abs(site.clockSkewMs) > SKEW_MS &&
                    `off by ${seconds(Math.abs(site.clockSkewMs))}`,
                ],
                ['Certificate', site.shutOut && 'none that is living: it has to join again'],
                ['Program', site.program],
              ]}
            />
            <a href={`/machines?site=${encodeURIComponent(site.site)}`}>Its machines</a>
            <SiteActions
              of={site}
              machines={
                capacity.value &&
                capacityOf(capacity.value, site.site).reduce((sum, { count }) => sum + count, 0)
              }
            />
          </Panel>
        ))}
        <Panel title="What is free" wide>
          <Reading of={capacity} />
          <CapacityTable hardware="" site="" />
        </Panel>
        <Panel title="What central has noticed" wide>
          <Reading of={notices} />
          {notices.value?.notices.length === 0 && <Empty>Nothing.</Empty>}
          <Noticed notices={notices.value?.notices ?? []} />
        </Panel>
      </div>
    </>
  );
}

function States({ of }: { of: readonly Capacity[] }) {
  const counts = new Map<string, number>();
  for (const { state, count } of of) counts.set(state, (counts.get(state) ?? 0) + count);
  return (
    <ul class="plain-list">
      {[...counts].map(([state, count]) => (
        <li key={state}>
          <Badge word={state} /> {count.toLocaleString('en')}
        </li>
      ))}
    </ul>
  );
}

function Noticed({ notices }: { notices: readonly Notice[] }) {
  if (notices.length === 0) return null;
  return (
    <Table label="Notices" head={['When', 'Site', 'What', 'More']}>
      {notices.map(({ id, at, site, code, detail, times }) => (
        <tr key={id}>
          <td>
            <When at={at} />
          </td>
          <td>{site}</td>
          <td class="mono">{code}</td>
          <td>
            {detail}
            {times > 1 && ` (${times} times within an hour)`}
          </td>
        </tr>
      ))}
    </Table>
  );
}
