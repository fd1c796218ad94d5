/** What each site is at with something of the fleet: the parts of a request and how fresh they are, what came of a record. */

import type { ToldSite } from '../../central/records.ts';
import type { PartView } from '../../central/request-view.ts';
import { Badge, Table } from '../parts/common.tsx';
import { Freshness } from '../parts/freshness.tsx';

/** What central adds to an appliance's request. */
export interface OfFleet {
  readonly parts?: readonly PartView[];
}

export function Parts({ of: { parts = [] } }: { of: OfFleet }) {
  return (
    <Table label="Parts" head={['Site', 'Status', { figures: 'Done' }, 'Known', 'Why']}>
      {parts.map((part) => (
        <tr key={part.id}>
          <td>{part.site}</td>
          <td>
            <Badge word={part.status} />
          </td>
          <td class="number">
            {part.done} of {part.count}
          </td>
          <td>
            <Freshness of={part} />
          </td>
          <td>{part.why}</td>
        </tr>
      ))}
    </Table>
  );
}

/** In a row: the sites, and of those that are not current how old it is. */
export function PartSites({ of: { parts = [] } }: { of: OfFleet }) {
  return (
    <>
      {parts.map((part) => (
        <div key={part.id}>
          {part.site} {part.freshness !== 'current' && <Freshness of={part} />}
        </div>
      ))}
    </>
  );
}

/** What came of something at each site that was told of it: done, still on its way, or refused and why. */
export function ToldSites({ of }: { of: readonly ToldSite[] }) {
  return (
    <>
      {of.map((one) => (
        <div key={one.site}>
          {one.site} {one.freshness !== 'current' && <Freshness of={one} />}{' '}
          <Badge word={one.status} />{' '}
          {one.code !== '' && (
            <span class="dim">
              {one.code}: {one.detail}
            </span>
          )}
        </div>
      ))}
    </>
  );
}
