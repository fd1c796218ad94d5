/** The board: machines as they come up, for a technician with a phone in the aisle. */
import { render } from 'preact';
import type { BoardRow, MachineSummary } from '../http/people/board.ts';
import type { BootTimeline, TimelineStep } from '../inventory/timeline.ts';
import { board, connection, counts, filter, kindOf, now, rows, start } from './store.ts';

const STEP_LABELS: Record<TimelineStep['name'], string> = {
  offer: 'Offer',
  ack: 'Ack',
  tftp: 'TFTP',
  script: 'Script',
  kernel: 'Kernel',
  initrd: 'Initrd',
  linux: 'Linux',
  recon: 'Recon',
  registered: 'Registered',
};

const KIND_WORDS = {
  stalled: 'Stalled',
  held: 'Held',
  booting: 'Booting',
  registered: 'Registered',
};

function Page() {
  const { stalled, held, booting, registered } = counts.value;
  return (
    <>
      <header>
        <h1>Machines coming up</h1>
        <p class="site">
          {board.value?.site ?? ''} <Live />
        </p>
        <ul class="counts">
          <li class="stalled">
            <b>{stalled}</b> stalled
          </li>
          <li class="booting">
            <b>{booting}</b> booting
          </li>
          <li class="registered">
            <b>{registered}</b> registered
          </li>
          <li class="held">
            <b>{held}</b> held
          </li>
        </ul>
        <input
          type="search"
          placeholder="Serial, MAC or name"
          aria-label="Filter by serial, MAC or name"
          value={filter.value}
          onInput={(event) => {
            filter.value = event.currentTarget.value;
          }}
        />
      </header>
      <main>
        <Rows />
      </main>
      <p class="spoken" aria-live="polite">
        {stalled > 0 ? `${stalled} stalled` : ''}
      </p>
    </>
  );
}

function Live() {
  const words = {
    live: 'live',
    connecting: 'connecting',
    lost: 'connection lost, showing the last state',
  };
  return <span class={`live ${connection.value}`}>{words[connection.value]}</span>;
}

function Rows() {
  if (board.value === undefined) return <p class="empty">Loading the board.</p>;
  if (rows.value.length === 0) {
    return (
      <p class="empty">
        {filter.value === ''
          ? 'No machine has asked for an address yet. Power one on: it shows up here with its first packet.'
          : 'No machine matches.'}
      </p>
    );
  }
  return (
    <ol class="machines">
      {rows.value.map((row) => (
        <Row key={row.machine?.hardwarename ?? row.timeline.mac} row={row} />
      ))}
    </ol>
  );
}

function Row({ row }: { row: BoardRow }) {
  const { timeline, machine } = row;
  const kind = kindOf(row);
  return (
    <li class={`machine ${kind}`} data-mac={timeline.mac}>
      <details>
        <summary>
          <span class="name">{machine?.hardwarename ?? timeline.mac}</span>
          <span class="badge">
            {kind === 'registered' && machine ? machine.state : KIND_WORDS[kind]}
          </span>
          <span class="what">
            {machine
              ? `${machine.manufacturer} ${machine.product}`
              : `unknown machine, ${timeline.arch}`}
          </span>
          <span class="time">{elapsed(timeline)}</span>
          <Bar steps={timeline.steps} />
          <Now timeline={timeline} />
          <Trouble row={row} />
          {machine?.state === 'held' && <Held machine={machine} />}
        </summary>
        <Details row={row} />
      </details>
    </li>
  );
}

/** The named cause where there is one; until then, what the deadline alone says. */
function Trouble({ row: { diagnosis, timeline } }: { row: BoardRow }) {
  if (diagnosis) {
    return (
      <span class="trouble" data-diagnosis={diagnosis.name}>
        <b>
          {diagnosis.title} ({diagnosis.confidence}).
        </b>{' '}
        {diagnosis.says} <b>Next:</b> {diagnosis.next}
        <span class="evidence">{diagnosis.evidence.join('; ')}.</span>
      </span>
    );
  }
  if (!timeline.stall) return null;
  return (
    <span class="trouble">
      <b>{timeline.stall.cause}</b> {timeline.stall.next}
    </span>
  );
}

function Held({ machine }: { machine: MachineSummary }) {
  return (
    <span class="trouble">
      <b>Held: {machine.stateWhy}.</b>{' '}
      {machine.conflictWith ? `The other one is ${machine.conflictWith}. ` : ''}A person has to
      decide.
    </span>
  );
}

function Bar({ steps }: { steps: readonly TimelineStep[] }) {
  return (
    <span class="bar">
      {steps.map((step) => (
        <span
          key={step.name}
          class={`step ${step.state}`}
          title={`${STEP_LABELS[step.name]}: ${step.state}`}
        >
          <span class="label">{step.name === 'registered' ? 'Done' : STEP_LABELS[step.name]}</span>
          <span class="took">
            {step.state === 'done' && step.tookMs !== undefined
              ? seconds(step.tookMs)
              : MARKS[step.state]}
          </span>
        </span>
      ))}
    </span>
  );
}

const MARKS = { done: '', running: '…', waiting: '', failed: 'failed', skipped: '–' };

/** What the machine is doing at this moment, while it boots. */
function Now({ timeline }: { timeline: BootTimeline }) {
  if (timeline.state !== 'running') return null;
  const running = timeline.steps.findLast(({ state }) => state === 'running' || state === 'failed');
  const last = running ?? timeline.steps.findLast(({ state }) => state === 'done');
  if (!last) return null;
  return (
    <span class="now">
      {STEP_LABELS[last.name]}: {last.detail || last.state},{' '}
      {seconds(Math.max(0, now.value - timeline.lastAt))} ago
    </span>
  );
}

function Details({ row: { timeline, machine } }: { row: BoardRow }) {
  return (
    <div class="details">
      <table>
        <caption>This boot</caption>
        <tbody>
          {timeline.steps.map((step) => (
            <tr key={step.name}>
              <th scope="row">{STEP_LABELS[step.name]}</th>
              <td>{step.state}</td>
              <td>{step.tookMs === undefined ? '' : seconds(step.tookMs)}</td>
              <td>{step.detail}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {machine && <Hardware machine={machine} />}
      <p class="links">
        <a href={`api/v1/boots/${timeline.boot}`}>Evidence of this boot</a>
        {machine && <a href={`api/v1/machines/${machine.hardwarename}`}>Full record</a>}
      </p>
    </div>
  );
}

function Hardware({ machine }: { machine: MachineSummary }) {
  return (
    <table>
      <caption>Hardware</caption>
      <tbody>
        <tr>
          <th scope="row">Serial</th>
          <td>{machine.serial || 'none'}</td>
        </tr>
        <tr>
          <th scope="row">Processor</th>
          <td>
            {machine.cpus} socket(s), {machine.threads} thread(s)
          </td>
        </tr>
        <tr>
          <th scope="row">Memory</th>
          <td>{gibibytes(machine.memoryBytes)}</td>
        </tr>
        {machine.disks.map((disk) => (
          <tr key={disk.name}>
            <th scope="row">Disk {disk.name}</th>
            <td>
              {gibibytes(disk.sizeBytes)} {disk.model} {disk.serial}
            </td>
          </tr>
        ))}
        {machine.nics.map((nic) => (
          <tr key={nic.mac}>
            <th scope="row">NIC {nic.name}</th>
            <td>
              {nic.mac} {nic.driver} {nic.switch && `on ${nic.switch} port ${nic.port}`}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function elapsed({ startedAt, lastAt, state }: BootTimeline): string {
  return seconds(
    Math.max(0, (state === 'running' || state === 'stalled' ? now.value : lastAt) - startedAt),
  );
}

function seconds(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return `${Math.round(ms / 3_600_000)} h`;
}

function gibibytes(bytes: number): string {
  return bytes < 2 ** 30
    ? `${Math.round(bytes / 2 ** 20)} MiB`
    : `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

const root = document.getElementById('board');
if (root) {
  root.replaceChildren();
  render(<Page />, root);
  start();
}
