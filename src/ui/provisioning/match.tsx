/** What a request would get now: how many, which machines and why these, and why not the others. */
import type { SiteView } from '../../central/fleet-view.ts';
import type { Operations } from '../../client/operations.generated.ts';
import { plural } from '../format.ts';
import { Empty, Reading, Table } from '../parts/common.tsx';
import { Freshness, OldSites } from '../parts/freshness.tsx';
import { named, useRead } from '../resource.ts';
import { machinePath } from '../router.ts';
import { isFleet } from '../session.ts';
import { type Plan, useSettled } from './use-plan.ts';

export type Capacity = Operations['GET /capacity']['answer'];

const SHOWN = 12;

/** What central plans: how many of each site, as far as it has heard. Which machines they are, the sites know. */
interface OfFleet {
  readonly parts?: readonly (Pick<SiteView, 'site' | 'freshness' | 'asOf'> & { count: number })[];
  readonly waiting?: number;
}

function FleetMatch({ plan, count }: { plan: Plan & OfFleet; count: number }) {
  const { fitting, missing, shortOf, waiting = 0, parts = [] } = plan;
  return (
    <>
      <p class={missing + waiting > 0 ? 'note hold' : 'note good'} data-fitting={fitting}>
        <b>
          {fitting} of {count}
        </b>{' '}
        are free now, by what the sites have told.
        {waiting > 0 && ` ${waiting} would wait for machines that become free.`}
        {missing > 0 && ` For ${missing} there are no ${shortOf}.`}
      </p>
      <h3 class="spaced">Asked of</h3>
      <ul class="plain-list reasons">
        {parts.map((part) => (
          <li key={part.site} data-part={part.site}>
            <span>
              {part.site} <b>{part.count}</b>
            </span>
            <Freshness of={part} />
          </li>
        ))}
      </ul>
    </>
  );
}

export function Match({ plan, count }: { plan: Plan; count: number }) {
  if (isFleet.value) return <FleetMatch plan={plan} count={count} />;
  const { chosen, rejected, fitting, missing, shortOf } = plan;
  return (
    <>
      <p class={missing > 0 ? 'note hold' : 'note good'} data-fitting={fitting}>
        <b>
          {chosen.length} of {count}
        </b>{' '}
        could be had now; {plural(fitting, 'machine fits', 'machines fit')}.
        {missing > 0 && (
          <>
            {' '}
            {plural(missing, 'is', 'are')} missing{shortOf !== '' && <>: {shortOf}</>}. A request
            waits for them and takes them as they come.
          </>
        )}
      </p>
      {chosen.length > 0 && <h3 class="spaced">These, and why</h3>}
      <ul class="plain-list reasons">
        {chosen.slice(0, SHOWN).map(({ hardwarename, rack, why }) => (
          <li key={hardwarename}>
            <span>
              <a href={machinePath(hardwarename)}>{hardwarename}</a> <span class="dim">{rack}</span>
            </span>
            <span class="dim">{why}</span>
          </li>
        ))}
      </ul>
      {chosen.length > SHOWN && <p class="dim">… and {chosen.length - SHOWN} more</p>}
      {rejected.length > 0 && <h3 class="spaced">Not these, and why</h3>}
      <ul class="plain-list reasons">
        {rejected.map(({ why, count: many, examples }) => (
          <li key={why}>
            <span>
              <b>{many.toLocaleString('en')}</b> {why}
            </span>
            <span class="dim">{examples.slice(0, 3).join(', ')}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

const HEADS = [
  'Type',
  'Site',
  { figures: 'Free' },
  { figures: 'Warm' },
  { figures: 'Not to be taken' },
  { figures: 'All' },
];
/** What of a site's machines is warm, and what may not be taken, central does not know. */
const FLEET_HEADS = ['Type', 'Site', { figures: 'Free' }, { figures: 'All' }];

/** Machines that meet the hardware, by site and type: there before role and image are known, and for whoever only looks. */
export function CapacityTable({
  hardware,
  site,
  pick,
}: {
  hardware: string;
  site: string;
  /** A type was chosen. */
  pick?: (type: string) => void;
}) {
  const settled = useSettled(
    String(new URLSearchParams({ ...(hardware && { hardware }), ...(site && { site }) })),
  );
  const capacity = useRead<Capacity>(
    `capacity?${settled}`,
    named('machine.', 'request.', 'breaker.', 'job.finished', 'job.failed'),
  );
  const rows = capacity.value?.rows ?? [];
  const fleet = isFleet.value;
  const free = rows.reduce((sum, row) => sum + row.free, 0);
  // What is wrong with the words is said beside them, and what was there before stays.
  const wrong = capacity.problem?.code === 'REQUEST_INVALID' ? capacity.problem : undefined;
  return (
    <>
      {wrong ? (
        <p class="note bad" role="alert">
          {wrong.message}
        </p>
      ) : (
        <Reading of={capacity} />
      )}
      {!wrong && capacity.value && (
        <p aria-live="polite" data-free={free}>
          <b>{free.toLocaleString('en')}</b> free{' '}
          {hardware.trim() === '' ? 'in all' : 'that meet this hardware'}
        </p>
      )}
      {fleet && <OldSites />}
      {!wrong && capacity.value && rows.length === 0 && <Empty>No machine is like that.</Empty>}
      {!wrong && rows.length > 0 && (
        <Table label="Capacity" head={fleet ? FLEET_HEADS : HEADS}>
          {rows.map((row) => (
            <tr key={`${row.site} ${row.type}`}>
              <td>
                {pick && row.type !== '' ? (
                  <button type="button" class="link" onClick={() => pick(row.type)}>
                    {row.type}
                  </button>
                ) : (
                  row.type || <span class="dim">no type</span>
                )}
              </td>
              <td>{row.site}</td>
              <td class="number">
                <b>{row.free}</b>
                <span class="on-phone"> free</span>
              </td>
              {!fleet && (
                <td class="number">
                  {row.warm}
                  <span class="on-phone"> warm</span>
                </td>
              )}
              {!fleet && (
                <td class="number">
                  {row.unfit}
                  <span class="on-phone"> not to be taken</span>
                </td>
              )}
              <td class="number">
                {row.total}
                <span class="on-phone"> in all</span>
              </td>
            </tr>
          ))}
        </Table>
      )}
    </>
  );
}
