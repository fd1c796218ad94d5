/** What the machine's BMC says: power, sensors against their thresholds, its event log. It is asked when this is opened. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { Operations } from '../../client/operations.generated.ts';
import { Badge, Empty, Facts, Panel, Reading, Table, When } from '../parts/common.tsx';
import { figure, Plot } from '../parts/plot.tsx';
import { type Resource, useRead } from '../resource.ts';
import { isSignedIn, may } from '../session.ts';
import type { MachineView } from './types.ts';

type Known = Operations['GET /machines/{hardwarename}/bmc']['answer'];
type Sensors = Operations['GET /machines/{hardwarename}/bmc/sensors']['answer'];
type Sensor = Sensors['sensors'][number];
type Log = Operations['GET /machines/{hardwarename}/bmc/sel']['answer'];

export function Health({ machine }: { machine: MachineView }) {
  const path = `machines/${encodeURIComponent(machine.hardwarename)}/bmc`;
  const known = useRead<Known>(path);
  const allowed = isSignedIn.value && (may('technician') || may('technician', machine.squad));
  return (
    <>
      <Panel title="BMC">
        <Reading of={known} />
        {known.value && <About bmc={known.value} />}
        {allowed && machine.bmcAddress !== '' && <Power path={path} />}
        {!allowed && <p class="dim">A technician who is signed in sees sensors and log.</p>}
      </Panel>
      {allowed && machine.bmcAddress !== '' && (
        <>
          <SensorPanel path={path} />
          <LogPanel path={path} />
        </>
      )}
    </>
  );
}

function About({ bmc }: { bmc: Known }) {
  if (bmc.address === '') return <Empty>No BMC of it is known.</Empty>;
  return (
    <Facts
      of={[
        ['Address', <code key="a">{bmc.address}</code>],
        ['MAC', bmc.mac],
        ['Vendor', bmc.vendor],
        ['Firmware', bmc.firmware],
        ['Speaks', bmc.protocol],
        ['Login', bmc.openedWith || bmc.credential],
        ['Last opened', bmc.openedAt > 0 && <When key="o" at={bmc.openedAt} ago />],
        ['Trouble', bmc.failedAt > 0 && `${bmc.code} ${bmc.detail}`],
      ]}
    />
  );
}

function Power({ path }: { path: string }) {
  const power = useRead<{ on: boolean }>(`${path}/power`);
  if (!power.value) return <Reading of={power} />;
  return (
    <p>
      Power is <b>{power.value.on ? 'on' : 'off'}</b>.
    </p>
  );
}

const EVERY_MS = 10_000;
const POINTS_MAX = 60;

/**
 * Asked again while it is looked at: what a fan or a temperature does is a line and not a figure. A slow BMC is not asked before
 * it has answered.
 */
function useSeries(path: string): { latest: Resource<Sensors>; series: Series } {
  const latest = useRead<Sensors>(`${path}/sensors`);
  const [series] = useState<Series>(() => new Map());
  const { value, problem, reload } = latest;
  useMemo(() => note(series, value), [value]);
  useEffect(() => {
    if (!value && !problem) return;
    const timer = setTimeout(reload, EVERY_MS);
    return () => clearTimeout(timer);
  }, [value, problem]);
  return { latest, series };
}

type Series = Map<string, readonly number[]>;

function note(series: Series, answer: Sensors | undefined): void {
  for (const { name, value } of answer?.sensors ?? []) {
    if (value === undefined) continue;
    series.set(name, [...(series.get(name) ?? []), value].slice(-POINTS_MAX));
  }
}

const WORSE: readonly Sensor['health'][] = ['failed', 'critical', 'warning', 'ok', 'none'];

function SensorPanel({ path }: { path: string }) {
  const { latest, series } = useSeries(path);
  const sensors = (latest.value?.sensors ?? []).toSorted(
    (a, b) => WORSE.indexOf(a.health) - WORSE.indexOf(b.health),
  );
  const plotted = sensors.filter(({ name }) => (series.get(name)?.length ?? 0) > 1).slice(0, 8);
  return (
    <Panel title="Sensors" wide>
      <Reading of={latest} />
      {plotted.length > 0 && (
        <div class="plots">
          {plotted.map(({ name, unit = '' }) => (
            <Plot key={name} name={name} unit={unit} points={series.get(name) ?? []} />
          ))}
        </div>
      )}
      {latest.value && (
        <Table label="Sensors">
          {sensors.map((sensor) => (
            <tr key={`${sensor.type} ${sensor.name}`}>
              <td>{sensor.name}</td>
              <td class="number">
                {sensor.value === undefined ? '' : `${figure(sensor.value)} ${sensor.unit ?? ''}`}
              </td>
              <td>
                <HealthBadge sensor={sensor} />
              </td>
              <td class="dim">{sensor.states.join(', ')}</td>
            </tr>
          ))}
        </Table>
      )}
    </Panel>
  );
}

function HealthBadge({ sensor: { health } }: { sensor: Sensor }) {
  if (health === 'none') return <span class="dim">no reading</span>;
  if (health === 'ok') return <span class="dim">ok</span>;
  return <Badge word={health} />;
}

function LogPanel({ path }: { path: string }) {
  const log = useRead<Log>(`${path}/sel`);
  return (
    <Panel title="System event log" wide>
      <Reading of={log} />
      {log.value?.entries.length === 0 && <Empty>It is empty.</Empty>}
      <ol class="history">
        {log.value?.entries.toReversed().map(({ id, seconds, text }) => (
          <li key={id}>
            {seconds === undefined ? (
              <span class="dim">no clock</span>
            ) : (
              <When at={seconds * 1000} />
            )}
            <div>{text}</div>
          </li>
        ))}
      </ol>
    </Panel>
  );
}
