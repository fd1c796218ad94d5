/** The site at a glance: states, what is stuck, how jobs do, where boots stop, the load of each service, and the newest DNS generations. */
import { useEffect, useState } from 'preact/hooks';
import type { Operations } from '../../client/operations.generated.ts';
import { COUNTED_BY, type CountedBy, groupedBy } from '../../diagnose/counts.ts';
import { onEvents } from '../feed.ts';
import { counts, fleet, fleetVersion, KIND_ORDER, type Kind, siteName } from '../fleet.ts';
import { Badge, Empty, Panel, Reading, Title, When } from '../parts/common.tsx';
import { type Generation, GenerationDialog } from '../parts/dns-generation.tsx';
import { MachineRow } from '../parts/machine-row.tsx';
import { PairPanel } from '../parts/pair.tsx';
import { Plot } from '../parts/plot.tsx';
import { useRates } from '../parts/rates.ts';
import { named, useRead } from '../resource.ts';

type States = Operations['GET /states']['answer'];
type Stats = Operations['GET /jobs/stats']['answer'];
type Generations = Operations['GET /dns/generations']['answer'];
type Status = Operations['GET /dns']['answer'];
type Counts = Operations['GET /diagnoses/counts']['answer'];

export function OverviewPage() {
  return (
    <>
      <Title>{siteName.value || 'Overview'}</Title>
      <div class="panels">
        <StuckPanel />
        <div class="stack">
          <PairPanel />
          <StatePanel />
          <JobPanel />
        </div>
        <LoadPanel />
        <RackPanel />
        <StopsPanel />
        <DnsPanel />
      </div>
    </>
  );
}

function StatePanel() {
  const states = useRead<States>('states', named('machine.'));
  if (!states.value)
    return (
      <Panel title="Machines by state">
        <Reading of={states} />
      </Panel>
    );
  const most = Math.max(1, ...states.value.states.map(({ machines }) => machines));
  return (
    <Panel title="Machines by state">
      <ul class="bars">
        {states.value.states.map(({ state, machines, overdue }) => (
          <li key={state}>
            <a href={`/machines?state=${state}`}>{state}</a>
            <span class="track">
              <i class={state} style={{ width: `${(100 * machines) / most}%` }} />
            </span>
            <b>{machines.toLocaleString('en')}</b>
            {overdue > 0 && <span class="badge bad">{overdue} overdue</span>}
          </li>
        ))}
      </ul>
    </Panel>
  );
}

const SHOWN = 4;

function StuckPanel() {
  fleetVersion.value;
  const stuck = [...fleet.values()]
    .filter(({ kind }) => kind === 'stalled')
    .sort((a, b) => b.at - a.at);
  return (
    <Panel
      title="Stalled"
      beside={stuck.length > SHOWN && <a href="/?show=stalled">all {stuck.length}</a>}
    >
      {stuck.length === 0 && <Empty>Nothing is stalled.</Empty>}
      <div class="stack">
        {stuck.slice(0, SHOWN).map((row) => (
          <MachineRow key={row.key} row={row} />
        ))}
      </div>
    </Panel>
  );
}

function LoadPanel() {
  const { rates, problem } = useRates();
  return (
    <Panel title="Load, while this page is open" wide>
      {problem !== '' && <p class="stale">{problem}</p>}
      <div class="plots">
        {rates.map(({ name, unit, points }) => (
          <Plot key={name} name={name} unit={unit} points={points} />
        ))}
      </div>
    </Panel>
  );
}

function JobPanel() {
  const stats = useRead<Stats>('jobs/stats', named('job.finished', 'job.failed'));
  if (!stats.value)
    return (
      <Panel title="Jobs">
        <Reading of={stats} />
      </Panel>
    );
  const kinds = stats.value.kinds.filter(({ hardwareType }) => hardwareType === '');
  return (
    <Panel title="Jobs that succeed" beside={<a href="/jobs">all jobs</a>}>
      {kinds.length === 0 && <Empty>No job has ended yet.</Empty>}
      <ul class="bars">
        {kinds.map(({ action, finished, failed, successRate }) => (
          <li key={action}>
            <span>{action}</span>
            <span class="track">
              <i
                class={successRate >= 0.9 ? 'good' : 'bad'}
                style={{ width: `${100 * successRate}%` }}
              />
            </span>
            <b>{(100 * successRate).toFixed(0)} %</b>
            <span class="dim">of {finished + failed}</span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

/** Racks with somebody to go to, the worst first. */
function RackPanel() {
  fleetVersion.value;
  const racks = new Map<string, Record<Kind, number>>();
  for (const { machine, kind } of fleet.values()) {
    if (!machine?.rack) continue;
    const sums = racks.get(machine.rack) ?? { ...NONE };
    sums[kind] += 1;
    racks.set(machine.rack, sums);
  }
  const trouble = (sums: Record<Kind, number>) => sums.stalled * 1000 + sums.held;
  const worst = [...racks].sort(([, a], [, b]) => trouble(b) - trouble(a)).slice(0, 12);
  return (
    <Panel title="States by rack" beside={<a href="/racks">all racks</a>}>
      {worst.length === 0 && <Empty>No machine is in a rack.</Empty>}
      <ul class="bars">
        {worst.map(([name, sums]) => (
          <li key={name}>
            <a href={`/machines?rack=${encodeURIComponent(name)}`}>{name}</a>
            <span class="track mix" role="img" aria-label={mixWords(sums)}>
              {KIND_ORDER.map((kind) => (
                <i key={kind} class={kind} style={{ flexGrow: sums[kind] }} />
              ))}
            </span>
            <b>{KIND_ORDER.reduce((sum, kind) => sum + sums[kind], 0)}</b>
          </li>
        ))}
      </ul>
      <p class="spoken">{counts.value.stalled} stalled in all</p>
    </Panel>
  );
}

const NONE: Record<Kind, number> = {
  ...{ stalled: 0, held: 0, booting: 0, ready: 0, 'in-use': 0, away: 0 },
};

const mixWords = (sums: Record<Kind, number>): string =>
  KIND_ORDER.filter((kind) => sums[kind] > 0)
    .map((kind) => `${sums[kind]} ${kind}`)
    .join(', ');

/** Where boots stop, the worst place first: a switch that loses packets is one line here, however many machines it stops. */
function StopsPanel() {
  const [by, setBy] = useState<CountedBy>('switch');
  const answer = useRead<Counts>('diagnoses/counts', DIAGNOSED);
  // An answer is up to ten seconds old, and may not know the last of them: it is read once more after these.
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = onEvents((events) => {
      if (!events.some(DIAGNOSED)) return;
      clearTimeout(timer);
      timer = setTimeout(answer.reload, COUNTED_ANEW_MS);
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, []);
  const groups = groupedBy(answer.value?.counts ?? [], by).slice(0, PLACES_SHOWN);
  const most = Math.max(1, ...groups.map(({ total }) => total));
  const choice = (
    <select
      aria-label="Counted by"
      value={by}
      onChange={(event) => setBy(event.currentTarget.value as CountedBy)}
    >
      {COUNTED_BY.map((place) => (
        <option key={place} value={place}>
          by {place}
        </option>
      ))}
    </select>
  );
  return (
    <Panel title="Where boots stop" beside={choice}>
      {groups.length === 0 && <Empty>No boot that stopped is known.</Empty>}
      <ul class="bars">
        {groups.map(({ place, total, open, causes }) => (
          <li key={place} data-place={place}>
            <span>{place || `${by} not known`}</span>
            <span class="track">
              <i class="bad" style={{ width: `${(100 * total) / most}%` }} />
            </span>
            <b>{total}</b>
            <span class="dim">
              {open} open;{' '}
              {causes
                .slice(0, CAUSES_SHOWN)
                .map(({ name, total: times }) => `${name} ${times}`)
                .join(', ')}
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

const PLACES_SHOWN = 8;
const DIAGNOSED = named('boot.diagnosed');
const COUNTED_ANEW_MS = 11_000;
const CAUSES_SHOWN = 3;

function DnsPanel() {
  const list = useRead<Generations>('dns/generations?limit=6', named('dns.'));
  const status = useRead<Status>('dns', named('dns.'));
  const [open, setOpen] = useState<Generation | undefined>();
  return (
    <Panel title="DNS generations" beside={<a href="/dns">all of DNS</a>}>
      <Reading of={list} />
      <ul class="plain-list">
        {list.value?.generations.map((generation) => (
          <li key={generation.id}>
            <span>
              <button
                type="button"
                aria-label={`Generation ${generation.id}`}
                onClick={() => setOpen(generation)}
              >
                {generation.id}
              </button>{' '}
              {generation.cause}{' '}
              <span class="dim">
                +{generation.added} −{generation.removed}
              </span>
            </span>
            <span>
              {generation.status === 'refused' && <Badge word="refused" />}
              {generation.id === status.value?.generation && <Badge word="served" />}{' '}
              <When at={generation.at} />
            </span>
          </li>
        ))}
      </ul>
      {open && (
        <GenerationDialog
          generation={open}
          served={open.id === status.value?.generation}
          close={() => {
            setOpen(undefined);
            list.reload();
            status.reload();
          }}
        />
      )}
    </Panel>
  );
}
