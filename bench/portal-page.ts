/** What the portal bench does in the browser: inputs with the delay that Event Timing saw, memory after a collection, updates. */
import type { Browser, BrowserContext, CDPSession, Page } from 'playwright-core';
import { startChromium } from '../test/support/chromium.ts';
import type { Scope } from './support/scope.ts';

const UPDATE_MS_MAX = 10_000;

/** One input: what the browser's Event Timing API has of it. */
export interface Interaction {
  /** From the input to the beginning of its handlers, in milliseconds. */
  readonly delayMs: number;
  /** From the input to the frame that shows what came of it: what Interaction to Next Paint counts. */
  readonly paintMs: number;
}

export interface BoardPage {
  readonly page: Page;
  /** From the address bar to the first row, and to the last machine. */
  readonly firstRowMs: number;
  readonly wholeFleetMs: number;
  /**
   * Types, filters and clears as a person does, some inputs. @returns how many there were, and those that took long enough
   * to be told (16 ms, the least that the API can be asked for)
   */
  interact(): Promise<{ inputs: number; told: readonly Interaction[] }>;
  /** Bytes of the JavaScript heap that are in use after a collection. */
  heapBytes(): Promise<number>;
  /** Seconds that the page's main thread has worked since it was opened. */
  busySeconds(): Promise<number>;
  /** When the machine is seen on hold, by this machine's clock. */
  seenHeld(name: string): Promise<number>;
  rowsDrawn(): Promise<number>;
}

/** Before anything of the page runs: keeps what Event Timing tells until it is asked for. */
function keepTimings(): void {
  const kept: { id: number; delayMs: number; paintMs: number }[] = [];
  Object.assign(globalThis, { timingsKept: kept });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as PerformanceEventTiming[]) {
      const { interactionId: id = 0 } = entry as { interactionId?: number };
      if (id === 0) continue;
      const delayMs = entry.processingStart - entry.startTime;
      kept.push({ id, delayMs, paintMs: entry.duration });
    }
  }).observe({ type: 'event', durationThreshold: 16, buffered: true } as PerformanceObserverInit);
}

type Kept = { id: number; delayMs: number; paintMs: number };

/** An interaction is several events (down, up, click): the worst of them is what was felt. */
export function worstOf(kept: readonly Kept[]): Interaction[] {
  const worst = new Map<number, Interaction>();
  for (const { id, delayMs, paintMs } of kept) {
    const before = worst.get(id) ?? { delayMs: 0, paintMs: 0 };
    worst.set(id, {
      delayMs: Math.max(before.delayMs, delayMs),
      paintMs: Math.max(before.paintMs, paintMs),
    });
  }
  return [...worst.values()];
}

export async function openBoard(
  scope: Scope,
  { url, machines, chromiumPath }: { url: string; machines: number; chromiumPath: string },
): Promise<BoardPage> {
  const browser: Browser = await startChromium([], chromiumPath);
  scope.defer(() => browser.close());
  const context: BrowserContext = await browser.newContext({
    viewport: { width: 360, height: 740 },
    deviceScaleFactor: 2,
    hasTouch: true,
  });
  await context.addInitScript(keepTimings);
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send('Performance.enable');
  await session.send('HeapProfiler.enable');
  const from = performance.now();
  await page.goto(url);
  await page.locator('.row').first().waitFor({ timeout: 60_000 });
  const firstRowMs = performance.now() - from;
  const total = `${machines.toLocaleString('en')} machines`;
  await page.getByText(total, { exact: true }).waitFor({ timeout: 60_000 });
  const wholeFleetMs = performance.now() - from;
  return {
    ...{ page, firstRowMs, wholeFleetMs },
    interact: () => interact(page),
    async heapBytes() {
      await session.send('HeapProfiler.collectGarbage');
      return metric(session, 'JSHeapUsedSize');
    },
    busySeconds: () => metric(session, 'TaskDuration'),
    seenHeld: (name) => seenHeld(page, name),
    rowsDrawn: () => page.locator('.row').count(),
  };
}

async function metric(session: CDPSession, name: string): Promise<number> {
  const { metrics } = await session.send('Performance.getMetrics');
  const found = metrics.find((one) => one.name === name);
  if (!found) throw new Error(`the browser has no figure ${name}`);
  return found.value;
}

/** A word in the search, letter by letter, and gone again; two taps on a filter: all of them while rows move. */
async function interact(page: Page): Promise<{ inputs: number; told: readonly Interaction[] }> {
  const search = page.getByRole('searchbox');
  const chip = page.locator('.chip.booting');
  await search.click();
  const word = 'c0mp1';
  await page.keyboard.type(word, { delay: 60 });
  for (let letter = 0; letter < word.length; letter++) await page.keyboard.press('Backspace');
  await chip.click();
  await chip.click();
  // The entry of the last one is there after the frame that shows it.
  await page.evaluate(
    () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
  );
  const kept = await page.evaluate(() =>
    (globalThis as unknown as { timingsKept: Kept[] }).timingsKept.splice(0),
  );
  return { inputs: 1 + 2 * word.length + 2, told: worstOf(kept) };
}

function seenHeld(page: Page, name: string): Promise<number> {
  return page.evaluate(
    ({ row, mostMs }) =>
      new Promise<number>((resolve, reject) => {
        const from = performance.now();
        const look = () => {
          if (document.querySelector(row)) resolve(Date.now());
          else if (performance.now() - from > mostMs) reject(new Error(`${row} was not drawn`));
          else requestAnimationFrame(look);
        };
        look();
      }),
    { row: `.row.held[data-key="${name}"]`, mostMs: UPDATE_MS_MAX },
  );
}
