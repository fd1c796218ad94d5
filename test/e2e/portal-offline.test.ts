/**
 * The portal on a device without network: a page that is reloaded or opened there shows what the device has kept, says how old
 * it is, and goes on when the network is back. What was kept goes with the person whose it was.
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBrowser, overflowOf, SHOTS, signIn, violations, visit } from '../support/browser.ts';
import { openLine } from '../support/frozen-line.ts';
import { arrive, openPortal, PASSWORD, type Portal, uuidOf } from '../support/portal.ts';
import { furnishSite } from '../support/portal-site.ts';

let portal: Portal;
let browser: Browser;

beforeAll(async () => {
  portal = await openPortal();
  await furnishSite(portal);
  browser = await openBrowser();
});
afterAll(async () => {
  await browser?.close();
  await portal?.close();
});

/** Signed in on the board, with everything in place for a time without network. */
async function come(user: string, url = portal.url): Promise<Page> {
  const { page } = await visit(browser, url);
  await signIn(page, user);
  await page.getByText('Live', { exact: true }).waitFor();
  await expect.poll(() => page.evaluate(workerState), { timeout: 30_000 }).toMatch(/^activat/);
  return page;
}

/** In the page. `ready` would wait for ever for a worker that cannot be installed. */
async function workerState(): Promise<string> {
  const registration = await navigator.serviceWorker.getRegistration();
  return registration?.active?.state ?? 'none';
}

/** Resolves when the device has this: what is kept is written behind the page's back. */
const keeps = (page: Page, store: 'state' | 'answers', key: string) =>
  expect.poll(() => page.evaluate(keptKeys, store), { timeout: 10_000 }).toContain(key);

/** In the page. */
function keptKeys(store: string): Promise<unknown[]> {
  return new Promise((resolve) => {
    const asked = indexedDB.open('reveille');
    asked.onsuccess = () => {
      const all = asked.result.transaction(store).objectStore(store).getAllKeys();
      all.onsuccess = () => {
        asked.result.close();
        resolve(all.result);
      };
    };
  });
}

/** In the page: all that the device keeps. */
function dump(): Promise<string> {
  return new Promise((resolve) => {
    const asked = indexedDB.open('reveille');
    asked.onsuccess = () => {
      const transaction = asked.result.transaction(['state', 'answers']);
      const all = ['state', 'answers'].map((name) => transaction.objectStore(name).getAll());
      transaction.oncomplete = () => {
        asked.result.close();
        resolve(JSON.stringify(all.map(({ result }) => result)));
      };
    };
  });
}

/** The first of them: how many more are drawn depends on what stands above. */
const rowsOf = (page: Page) =>
  page
    .locator('.row')
    .evaluateAll((rows) => rows.slice(0, 5).map((row) => row.getAttribute('data-key')));

describe('a page that is reloaded while there is no network', () => {
  it('shows the last known state, says how old it is, and goes on by itself', async () => {
    const page = await come('grace');
    await page.locator('.row.stalled').first().waitFor();
    await page.goto(`${portal.url}/machines/C0MPUT3`);
    await page.getByText('Identity and place').waitFor();
    await keeps(page, 'answers', 'machines/C0MPUT3?events=200');
    await page.goto(portal.url);
    await page.locator('.row.stalled').first().waitFor();
    const before = await rowsOf(page);
    expect(before).toHaveLength(5);
    await page.context().setOffline(true);
    await page.getByText('This is the last known state').waitFor();
    await keeps(page, 'state', 'head');
    await page.reload();
    await page.getByText(/This is the last known state as of [\d.]+ s ago/).waitFor();
    await page.getByText('Lost', { exact: true }).waitFor();
    expect(await rowsOf(page)).toEqual(before);
    expect(await overflowOf(page)).toBeLessThanOrEqual(0);
    expect(await violations(page)).toEqual([]);
    await page.screenshot({ path: `${SHOTS}/portal-offline-phone.png` });
    // A page that this device has had open is there, too; one that it has not says so.
    await page.goto(`${portal.url}/machines/C0MPUT3`);
    await page
      .getByText(/Not current: The appliance does not answer. This was read .* ago/)
      .first()
      .waitFor();
    await page.getByText('Identity and place').waitFor();
    await page.goto(`${portal.url}/squads`);
    await page.getByRole('alert').getByText('The appliance does not answer.').waitFor();
    await page.goto(portal.url);
    await page.locator('.row.stalled').first().waitFor();
    arrive(portal.world, {
      address: '52:54:00:77:00:b1',
      serial: 'MISSED01',
      uuid: uuidOf(900_101),
    });
    await page.context().setOffline(false);
    await page.getByText('Live', { exact: true }).waitFor();
    await page.getByText('This is the last known state').waitFor({ state: 'detached' });
    await page.getByRole('searchbox').fill('missed01');
    await page.locator('.row', { hasText: 'MISSED01' }).getByText('available').waitFor();
    await page.context().close();
  });

  it('does so too where nothing fails and nothing comes, as behind a wall of racks', async () => {
    const line = await openLine(Number(new URL(portal.url).port));
    const page = await come('grace', line.url);
    try {
      await page.locator('.row.stalled').first().waitFor();
      await keeps(page, 'state', 'head');
      line.freeze();
      await page.reload();
      await page.getByText(/This is the last known state as of/).waitFor();
      await page.locator('.row.stalled').first().waitFor();
    } finally {
      await page.context().close();
      await line.close();
    }
  });
});

describe('what a device keeps', () => {
  it('goes with its person: nothing of it is there after signing out', async () => {
    const page = await come('grace');
    await page.locator('.row.stalled').first().waitFor();
    await keeps(page, 'state', 'head');
    await page.getByRole('button', { name: 'grace' }).click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.locator('input[name=user]').waitFor();
    await expect.poll(() => page.evaluate(keptKeys, 'state')).toEqual([]);
    await expect.poll(() => page.evaluate(keptKeys, 'answers')).toEqual([]);
    await page.context().setOffline(true);
    await page.reload();
    await page.getByText('The appliance does not answer. Trying again.').waitFor();
    expect(await page.locator('.row').count()).toBe(0);
    await page.context().close();
  });

  it('has no proof of a session, and no answer of the API beside it', async () => {
    const page = await come('ada');
    await keeps(page, 'state', 'head');
    const kept = await page.evaluate(dump);
    expect(kept).toContain('"who":"ada"');
    const cookies = await page.context().cookies();
    const session = cookies.find(({ name }) => name === 'reveille_session')?.value ?? '';
    expect(session).not.toBe('');
    for (const secret of ['csrf', PASSWORD, session]) expect(kept).not.toContain(secret);
    const cached = await page.evaluate(async () => {
      const names = await caches.keys();
      const all = await Promise.all(names.map(async (name) => (await caches.open(name)).keys()));
      return all.flat().map(({ url }) => new URL(url).pathname);
    });
    expect(cached).toContain('/');
    expect(cached.filter((path) => path.startsWith('/assets/')).length).toBeGreaterThan(20);
    expect(cached.filter((path) => path.startsWith('/api/'))).toEqual([]);
    await page.context().close();
  });
});
