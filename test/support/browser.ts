/** Debian's Chromium for tests of the portal: pages that remember what went wrong in them, and whom they asked. */
import { mkdirSync, readFileSync } from 'node:fs';
import type axe from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { startChromium } from './chromium.ts';
import { PASSWORD } from './portal.ts';

/** Where pictures of the pages go; docs/images when they are taken anew. */
export const SHOTS = process.env.SCREENSHOTS ?? 'build/screenshots';
export const PHONE = { width: 360, height: 740 };
export const DESK = { width: 1280, height: 800 };

export interface Visit {
  readonly page: Page;
  /** What the page itself reported as errors. */
  readonly problems: string[];
  /** Addresses beyond the appliance that it asked. */
  readonly foreign: string[];
}

export function openBrowser(args: readonly string[] = []): Promise<Browser> {
  mkdirSync(SHOTS, { recursive: true });
  return startChromium(args);
}

export async function visit(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Visit> {
  const context = await browser.newContext({ viewport: PHONE, colorScheme: 'dark', ...options });
  const page = await context.newPage();
  const problems: string[] = [];
  const foreign: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('data:'))
      foreign.push(request.url());
  });
  await page.goto(url);
  return { page, problems, foreign };
}

/** On the form that is open, whichever way it was opened. */
export async function signIn(page: Page, user: string, password = PASSWORD): Promise<void> {
  await page.locator('input[name=user]').fill(user);
  await page.locator('input[name=password]').fill(password);
  await page.locator('form button[type=submit]').click();
}

/**
 * What axe-core finds on the page that is serious or worse; empty is good.
 * @param within only there, by selector @param rules only these
 */
export async function violations(
  page: Page,
  { within = 'html', rules = [] }: { within?: string; rules?: readonly string[] } = {},
): Promise<string[]> {
  await page.evaluate(readFileSync('node_modules/axe-core/axe.min.js', 'utf8'));
  const results = await page.evaluate(
    ({ within, rules }) =>
      (globalThis as unknown as { axe: typeof axe }).axe.run(within, {
        resultTypes: ['violations'],
        ...(rules.length > 0 && { runOnly: [...rules] }),
      }),
    { within, rules },
  );
  return results.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes[0]?.html ?? ''} ${nodes[0]?.failureSummary ?? ''}`);
}

/** The same of colours alone, in the scheme that the page is not in: whoever changes it has the same page. */
export async function violationsInOther(page: Page): Promise<string[]> {
  const dark = await page.evaluate(() => matchMedia('(prefers-color-scheme: dark)').matches);
  await page.emulateMedia({ colorScheme: dark ? 'light' : 'dark' });
  const found = await violations(page, { rules: ['color-contrast'] });
  await page.emulateMedia({ colorScheme: dark ? 'dark' : 'light' });
  return found;
}

/** By how many pixels the page is wider than the screen. */
export const overflowOf = (page: Page): Promise<number> =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
