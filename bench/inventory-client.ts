/**
 * The client of the inventory bench, in the network namespace of clients: enters the fleet through the public API, then
 * asks. It is a process of its own, as every real client is. Prints one JSON object.
 */
import '../src/platform/require-node.ts';
import { type ApiClient, type CallsBelow, createApiClient } from '../src/client/client.ts';
import { machineOf, pick, type Timing, timed } from './inventory-fleet.ts';
import { processorOf } from './support/process.ts';
import { round } from './support/stats.ts';

const [url = '', token = '', phase = '', machines = '0', turns = '0', daemon = ''] =
  process.argv.slice(2);
/** Only what this bench calls: the calls of the whole API at once are more than the compiler unites. */
type Client = ApiClient<CallsBelow<'machines'> | CallsBelow<'search'>>;
const api = createApiClient({ url, token, timeoutMs: 120_000 }) as unknown as Client;
const count = Number(machines);
const asks = Number(turns);

const BATCH = 500;

async function load(client: Client): Promise<object> {
  const started = performance.now();
  for (let from = 0; from < count; from += BATCH) {
    const rows = Array.from({ length: Math.min(BATCH, count - from) }, (_, n) =>
      machineOf(from + n),
    );
    const { body } = await client.call('POST /machines/import', {
      body: { machines: rows as never, why: 'bench' },
    });
    if (body.failed > 0) throw new Error(JSON.stringify(body.results.find(({ ok }) => !ok)));
    if (from % 5000 === 0) process.stderr.write(`${from + rows.length} entered\n`);
  }
  const seconds = (performance.now() - started) / 1000;
  return { machines: count, seconds, perSecond: count / seconds };
}

async function ask(client: Client): Promise<object> {
  await loopDelay();
  const one = (turn: number) => ({ hardwarename: pick(turn, count).serial });
  const get = await watched(asks, () =>
    timed(asks, (turn) => client.call('GET /machines/{hardwarename}', { path: one(turn) })),
  );
  const list = await timed(Math.ceil(asks / 4), (turn) =>
    client.call('GET /machines', {
      query: { state: 'in-use', role: pick(turn, count).role || 'web', limit: '50' },
    }),
  );
  const rack = await timed(Math.ceil(asks / 4), (turn) =>
    client.call('GET /machines', { query: { rack: pick(turn, count).rack } }),
  );
  const sorted = await timed(Math.ceil(asks / 20), () =>
    client.call('GET /machines', { query: { sort: '-unit', limit: '50' } }),
  );
  const search = await timed(Math.ceil(asks / 2), (turn) =>
    client.call('GET /machines/search', { query: { q: pick(turn, count).serial.slice(1, 7) } }),
  );
  const alike = await timed(Math.ceil(asks / 10), (turn) => {
    const { serial } = pick(turn, count);
    return client.call('GET /machines/search', {
      query: { q: `${serial.slice(0, 4)}Q${serial.slice(5)}` },
    });
  });
  const patch = await timed(Math.ceil(asks / 2), (turn) =>
    client.call('PATCH /machines/{hardwarename}', {
      path: one(turn),
      body: { notes: `turn ${turn}` },
      version: '*',
    }),
  );
  return { get, list, rack, sorted, search, alike, patch, eventLoop: await loopDelay() };
}

/**
 * Beside the times of answers, what of each was the daemon's own work, and what was waiting for a processor, there and here:
 * on a machine with other work, the tail of the times is the latter.
 */
async function watched(count: number, run: () => Promise<Timing>): Promise<object> {
  const all = () => [processorOf(Number(daemon)), processorOf(process.pid)] as const;
  const before = all();
  const timing = await run();
  const after = all();
  const each = (who: 0 | 1, what: 'ranMs' | 'waitedMs') =>
    round((after[who][what] - before[who][what]) / count, 3);
  return {
    ...timing,
    daemonRanMs: each(0, 'ranMs'),
    daemonWaitedMs: each(0, 'waitedMs'),
    clientRanMs: each(1, 'ranMs'),
    clientWaitedMs: each(1, 'waitedMs'),
  };
}

/** What the loop is measured by: a timer of so long, which every figure of `monitorEventLoopDelay` contains. */
const LOOP_TIMER_MS = 10;

/** How long the daemon's event loop, on which DHCP answers, was kept waiting since its metrics were last read. */
async function loopDelay(): Promise<{ p99Ms: number; maxMs: number }> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const ms = (name: string) => {
    const seconds = new RegExp(`^nodejs_eventloop_lag_${name}_seconds (\\S+)$`, 'm').exec(
      text,
    )?.[1];
    if (seconds === undefined) throw new Error(`the metrics have no event loop lag ${name}`);
    return round(Math.max(0, Number(seconds) * 1000 - LOOP_TIMER_MS), 2);
  };
  return { p99Ms: ms('p99'), maxMs: ms('max') };
}

process.stdout.write(`${JSON.stringify(await (phase === 'load' ? load(api) : ask(api)))}\n`);
