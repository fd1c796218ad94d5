/**
 * Portal: the board with 5,000 machines while 200 events a second come in, in Debian's Chromium at the size of a phone.
 *
 * There is no peer: no other boot server has a board that is live. Three figures have targets. The delay of inputs, by the
 * browser's own Event Timing API: from a key or a tap to the beginning of its handler; a stand-in for it that scripts can
 * measure by themselves would leave out the time that the input waits for a busy page. The JavaScript heap, after a collection,
 * over ten minutes. And the time from the commit of a change to the frame that shows it. The site (`portal-site.ts`) is the real
 * people's listener in a process of its own, and its events are made by the code that makes them in the daemon.
 */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { type BoardPage, type Interaction, openBoard } from './portal-page.ts';
import type { Answer, Command } from './portal-site.ts';
import { requireBuilt, UI } from './support/built.ts';
import { requirePrograms } from './support/programs.ts';
import { type Scope, withScope } from './support/scope.ts';
import { median, percentile, round } from './support/stats.ts';
import { atLeast, atMost, type TopicOptions, type TopicResult } from './support/topic.ts';

const MACHINES = 5000;
const EVENTS_PER_SECOND = 200;
/** The targets. */
const INPUT_DELAY_MS_MAX = 100;
const UPDATE_MS_MAX = 1000;
/** Of what the heap was when it had settled: what a collector leaves lying differs by so much from one to the next. */
const HEAP_GROWTH_PERCENT_MAX = 10;
/** Events that are not made are load that was not there. */
const RATE_SHARE_MIN = 0.95;

/** Below this the API tells nothing, so that an input that it does not tell of took less. */
const UNTOLD_MS = 16;
const READY_MS = 300_000;
const MIB = 2 ** 20;

interface Site {
  readonly url: string;
  readonly names: readonly string[];
  ask(command: Command): Promise<Answer>;
  tell(command: Command): void;
}

export async function run({ quick, log }: TopicOptions): Promise<TopicResult> {
  const { chromium } = requirePrograms('chromium');
  requireBuilt(UI);
  return withScope(async (scope) => {
    const site = await startSite(scope, MACHINES);
    log(`${site.names.length} machines are on record, each with a boot`);
    const { url, names } = site;
    const board = await openBoard(scope, { url, machines: names.length, chromiumPath: chromium });
    const { firstRowMs, wholeFleetMs } = board;
    log(`first row after ${round(firstRowMs, 0)} ms, all after ${round(wholeFleetMs, 0)} ms`);
    site.tell({ do: 'start', perSecond: EVENTS_PER_SECOND });
    const seen = await watch({ site, board, log, seconds: quick ? 45 : 600 });
    return summarise(board, seen, names.length);
  });
}

/** Resolves when the machines are on record. @throws Error with the site's own words when it fails */
async function startSite(scope: Scope, machines: number): Promise<Site> {
  const child = fork(join(import.meta.dirname, 'portal-site.ts'), [String(machines)]);
  scope.defer(() => child.kill());
  const next = (mostMs: number) =>
    new Promise<Answer>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error('the site does not answer')), mostMs);
      const ended = (code: number | null) => reject(new Error(`the site ended with ${code}`));
      child.once('exit', ended);
      child.once('message', (answer: Answer) => {
        clearTimeout(late);
        child.off('exit', ended);
        if (answer.is === 'failed') reject(new Error(answer.why));
        else resolve(answer);
      });
    });
  const ready = await next(READY_MS);
  if (ready.is !== 'ready') throw new Error(`the site began with '${ready.is}'`);
  const tell = (command: Command) => void child.send(command);
  return {
    ...{ url: ready.url, names: ready.names, tell },
    ask(command) {
      const answer = next(30_000);
      tell(command);
      return answer;
    },
  };
}

interface Seen {
  readonly inputs: number;
  readonly told: readonly Interaction[];
  readonly updatesMs: readonly number[];
  readonly heapsMiB: readonly number[];
  readonly wallSeconds: number;
  readonly eventsPerSecond: number;
  /** Share of one core that the page's main thread worked. */
  readonly busyShare: number;
}

interface Watch {
  readonly site: Site;
  readonly board: BoardPage;
  readonly seconds: number;
  log(line: string): void;
}

/** Rounds of inputs, a change and a look at the heap, for as long as it takes. */
async function watch({ site, board, seconds, log }: Watch): Promise<Seen> {
  const told: Interaction[] = [];
  const updatesMs: number[] = [];
  const heapsMiB: number[] = [];
  let inputs = 0;
  const first = await countOf(site);
  const busyBefore = await board.busySeconds();
  for (let turn = 0; Date.now() - first.at < seconds * 1000; turn++) {
    const one = await board.interact();
    inputs += one.inputs;
    told.push(...one.told);
    updatesMs.push(await updateMs(site, board, site.names[turn % site.names.length] ?? ''));
    if (turn % 5 !== 0) continue;
    heapsMiB.push((await board.heapBytes()) / MIB);
    const at = Math.round((Date.now() - first.at) / 1000);
    log(`${at} s: ${inputs} inputs, heap ${round(heapsMiB.at(-1) ?? 0, 1)} MiB`);
  }
  const last = await countOf(site);
  const wallSeconds = (last.at - first.at) / 1000;
  const busy = (await board.busySeconds()) - busyBefore;
  return {
    ...{ inputs, told, updatesMs, heapsMiB, wallSeconds, busyShare: busy / wallSeconds },
    eventsPerSecond: (last.events - first.events) / wallSeconds,
  };
}

async function countOf(site: Site): Promise<{ events: number; at: number }> {
  const answer = await site.ask({ do: 'count' });
  if (answer.is !== 'count') throw new Error(`the site answered '${answer.is}' to a count`);
  return answer;
}

/** From the commit to the frame that shows it; both are clocks of this machine. */
async function updateMs(site: Site, board: BoardPage, name: string): Promise<number> {
  const seen = board.seenHeld(name);
  const moved = await site.ask({ do: 'hold', name });
  if (moved.is !== 'moved') throw new Error(`the site answered '${moved.is}' to a move`);
  const seenAt = await seen;
  await site.ask({ do: 'release', name });
  return Math.max(0, seenAt - moved.at);
}

/** Inputs that were not told of are among them, as long as they may have been at most. */
export function allOf(
  inputs: number,
  told: readonly Interaction[],
  of: keyof Interaction,
): readonly number[] {
  const untold = Array.from({ length: Math.max(0, inputs - told.length) }, () => UNTOLD_MS);
  return [...told.map((one) => one[of]), ...untold];
}

/** Percent by which the last quarter is above the second one: by then what fills up once has filled up. */
export function growthPercent(heaps: readonly number[]): number {
  const quarter = Math.floor(heaps.length / 4);
  if (quarter === 0) return 0;
  const settled = median(heaps.slice(quarter, 2 * quarter));
  return 100 * (median(heaps.slice(-quarter)) / settled - 1);
}

async function summarise(board: BoardPage, seen: Seen, machines: number): Promise<TopicResult> {
  const delays = allOf(seen.inputs, seen.told, 'delayMs');
  const paints = allOf(seen.inputs, seen.told, 'paintMs');
  const ours = {
    machines,
    seconds: round(seen.wallSeconds, 0),
    eventsPerSecond: round(seen.eventsPerSecond, 1),
    inputs: seen.inputs,
    inputDelayMs: spread(delays),
    inputToPaintMs: spread(paints),
    updateMs: spread(seen.updatesMs),
    heapMiB: {
      first: round(seen.heapsMiB[0] ?? 0, 1),
      most: round(Math.max(...seen.heapsMiB), 1),
      last: round(seen.heapsMiB.at(-1) ?? 0, 1),
      growthPercent: round(growthPercent(seen.heapsMiB), 1),
      samples: seen.heapsMiB.length,
    },
    mainThreadBusyShare: round(seen.busyShare, 3),
    rowsDrawn: await board.rowsDrawn(),
    firstRowMs: round(board.firstRowMs, 0),
    wholeFleetMs: round(board.wholeFleetMs, 0),
  };
  return {
    ...{ topic: 'portal', ours, peers: {}, ratio: {} },
    verdicts: [
      atLeast(
        'events a second that came in',
        EVENTS_PER_SECOND * RATE_SHARE_MIN,
        ours.eventsPerSecond,
      ),
      atMost('input delay in ms, p95', INPUT_DELAY_MS_MAX, ours.inputDelayMs.p95),
      atMost('ms from commit to frame, the slowest', UPDATE_MS_MAX, ours.updateMs.most),
      atMost('percent that the heap grew', HEAP_GROWTH_PERCENT_MAX, ours.heapMiB.growthPercent),
    ],
    notes: [
      'no peer: no other boot server has a live board',
      `Event Timing tells of inputs from ${UNTOLD_MS} ms on; what it does not tell of is counted as ${UNTOLD_MS} ms`,
      'the heap is what is in use after a collection; it grew from its second quarter to its last',
      'the site, the browser and what drives it share the cores of this machine',
    ],
  };
}

function spread(values: readonly number[]) {
  return {
    p50: round(percentile(values, 0.5), 1),
    p95: round(percentile(values, 0.95), 1),
    most: round(Math.max(...values), 1),
  };
}
