/** Every dialog of the portal: where it is opened, and what whoever has a keyboard, a screen reader or a phone needs of it. */
import type { Locator, Page } from 'playwright-core';
import { expect } from 'vitest';
import { violations } from './browser.ts';

/** Of its picture, the page (`boot`, `job` and `request` have addresses of their own), the button that opens it, its title. */
export const DIALOGS: readonly (readonly [
  name: string,
  path: string,
  opens: string | RegExp,
  title: string | RegExp,
])[] = [
  ['account', '/settings', 'ada', 'ada'],
  ['pages', '/settings', 'More', 'All pages'],
  ['place', '/machines/C0MPUT3', 'Place and names…', 'Place and names of C0MPUT3'],
  ['move', '/machines/C0MPUT3', 'Put on hold…', 'C0MPUT3: available → held'],
  ['job', '/machines/C0MPUT3', 'Power cycle…', 'Power cycle: C0MPUT3'],
  ['quirk', '/machines/C0MPUT3', 'Write…', 'What works, and what does not'],
  ['erase', '/machines/C0MPUT3', 'Install…', 'Install: C0MPUT3'],
  ['packing-list', '/deliveries', 'Take in a packing list…', 'Take in a packing list'],
  ['call-off-job', 'job', 'Call it off…', 'Call this job off'],
  ['call-off-request', 'request', 'Call it off…', /^Call .* off/],
  ['reset', '/pools/web', 'Rolling reset…', 'Install web anew'],
  ['channel', '/images', /→/, /\//],
  ['role', '/roles', 'Change…', /^What .* brings/],
  ['quota', '/squads', 'Quota…', /^Quota of /],
  ['generation', '/dns', 'Generation 1', 'Generation 1'],
  ['user', '/people', 'Change…', 'ada'],
  ['new-user', '/people', 'New user…', 'New user'],
  ['token', '/people', 'New token…', 'New token'],
];

/** In the page: whether the focus is in the open dialog. The browser's own bar, which comes after it, counts as the page's body. */
const focusIsWithin = (): boolean =>
  document.activeElement === document.body ||
  document.activeElement?.closest('dialog[open]') != null;

const focusedText = (page: Page): Promise<string> =>
  page.evaluate(() => document.activeElement?.textContent ?? '');

/**
 * Opens it by keyboard, and judges it: the focus goes into it and stays in it, axe-core finds nothing serious in dark and in
 * light, nothing of it is wider than the screen, Escape closes it, and the focus is where it was.
 * @param look while it is open
 */
export async function judgeDialog(
  page: Page,
  { opener, title, look }: { opener: Locator; title: string | RegExp; look?(): Promise<unknown> },
): Promise<void> {
  await opener.focus();
  const from = await focusedText(page);
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: title });
  await dialog.waitFor();
  expect(await dialog.evaluate((box) => box.contains(document.activeElement))).toBe(true);
  expect(await violations(page, { within: 'dialog[open]' })).toEqual([]);
  const scheme = await page.evaluate(() => matchMedia('(prefers-color-scheme: dark)').matches);
  await page.emulateMedia({ colorScheme: scheme ? 'light' : 'dark' });
  expect(await violations(page, { within: 'dialog[open]', rules: ['color-contrast'] })).toEqual([]);
  await page.emulateMedia({ colorScheme: scheme ? 'dark' : 'light' });
  const wider = await dialog.evaluate((box) =>
    [box, ...box.querySelectorAll('*')]
      .filter((part) => part.getBoundingClientRect().right > innerWidth + 1)
      .map((part) => part.outerHTML.slice(0, 80)),
  );
  expect(wider).toEqual([]);
  await look?.();
  const stops = await dialog.locator('a, button, input, select, textarea, summary').count();
  for (let stop = 0; stop <= Math.min(stops, 12) + 1; stop++) {
    await page.keyboard.press('Tab');
    expect(await page.evaluate(focusIsWithin)).toBe(true);
  }
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  expect(await focusedText(page)).toBe(from);
}
