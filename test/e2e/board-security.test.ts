/** What a hostile machine, a hostile site and a curious bystander get from the portal: nothing. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBrowser, signIn, type Visit, visit } from '../support/browser.ts';
import { arrive, openPortal, PASSWORD, type Portal, uuidOf } from '../support/portal.ts';

const HOSTILE = `<script>window.pwned = 1</script><img src=x onerror="window.pwned = 2">`;

let portal: Portal;
let browser: Browser;
let seen: Visit;
let foreign: Server;
let foreignUrl: string;
let body = '';

beforeAll(async () => {
  portal = await openPortal();
  await portal.user('ada', 'admin');
  const dmi = { manufacturer: HOSTILE, product: HOSTILE, serial: 'EV1L', uuid: uuidOf(666) };
  arrive(portal.world, {
    ...{ address: '52:54:00:66:66:66', serial: 'EV1L', uuid: uuidOf(666) },
    hardware: {
      dmi: { ...dmi, bios: { vendor: HOSTILE, version: HOSTILE } },
      disks: [{ name: 'vda', model: HOSTILE, serial: HOSTILE, sizeBytes: 2 ** 31 }],
    },
  });
  foreign = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(body);
  }).listen(0, '127.0.0.1');
  await once(foreign, 'listening');
  // Another name is another site to the browser, although it is the same machine.
  foreignUrl = `http://localhost:${(foreign.address() as AddressInfo).port}/`;
  browser = await openBrowser();
  seen = await visit(browser, portal.url);
  await signIn(seen.page, 'ada');
  await seen.page.locator('.row').first().waitFor();
});
afterAll(async () => {
  await browser?.close();
  await portal?.close();
  foreign?.close();
});

const pwned = () => seen.page.evaluate(() => (globalThis as { pwned?: number }).pwned);
const sessionOf = async () =>
  (await seen.page.context().cookies()).find(({ name }) => name === 'reveille_session');

describe('a machine that calls itself a script', () => {
  it.each(['/', '/machines', '/machines/EV1L', '/machines/EV1L?tab=hardware', '/events'])(
    'is only text on %s',
    async (path) => {
      await seen.page.goto(portal.url + path);
      await seen.page.getByText('<script>').first().waitFor({ state: 'attached' });
      expect(await pwned()).toBeUndefined();
      expect(await seen.page.locator('img[src="x"]').count()).toBe(0);
    },
  );

  it('would not be run by the browser either', async () => {
    const answer = await seen.page.request.get(portal.url);
    const policy = answer.headers()['content-security-policy'] ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toContain('unsafe');
    const blocked = await seen.page.evaluate(
      () =>
        new Promise<string>((resolve) => {
          document.addEventListener('securitypolicyviolation', (event) =>
            resolve(event.effectiveDirective),
          );
          const script = document.createElement('script');
          try {
            script.textContent = 'window.pwned = 3';
            document.body.append(script);
          } catch {
            resolve('trusted-types');
          }
        }),
    );
    expect(blocked).toMatch(/script|trusted-types/);
    expect(await pwned()).toBeUndefined();
  });
});

describe('another site', () => {
  it('cannot write with the session of whoever visits it', async () => {
    const before = portal.world.inventory.serverdb.access.users().length;
    const other = await seen.page.context().newPage();
    body = '<!doctype html><title>other</title>';
    await other.goto(foreignUrl);
    await other.evaluate(async (url) => {
      const call = (method: string, type: string) =>
        fetch(`${url}/api/v1/users/mallory`, {
          ...{ method, credentials: 'include', mode: 'no-cors' as const, body: '{"role":"admin"}' },
          headers: { 'content-type': type },
        }).catch(() => undefined);
      await call('POST', 'text/plain');
      await fetch(`${url}/api/v1/logout`, {
        ...{ method: 'POST', credentials: 'include', mode: 'no-cors' },
      }).catch(() => undefined);
    }, portal.url);
    await other.close();
    expect(portal.world.inventory.serverdb.access.users().length).toBe(before);
    expect((await seen.page.request.get(`${portal.url}/api/v1/session`)).status()).toBe(200);
  });

  it('nor can anything that has the cookie and not the proof', async () => {
    const answer = await seen.page.request.put(`${portal.url}/api/v1/users/mallory`, {
      data: { role: 'admin' },
      headers: { 'if-match': '"0"' },
    });
    expect(answer.status()).toBe(403);
    expect((await answer.json()).code).toBe('CSRF_MISSING');
  });

  it('cannot put the portal into a frame', async () => {
    const other = await seen.page.context().newPage();
    body = `<!doctype html><iframe src="${portal.url}"></iframe>`;
    const refused: string[] = [];
    other.on('console', (message) => refused.push(message.text()));
    await other.goto(foreignUrl);
    await expect.poll(() => refused.join(' ')).toMatch(/frame-ancestors|X-Frame-Options/);
    const [, frame] = other.frames();
    expect((await frame?.content().catch(() => '')) ?? '').not.toContain('Machines coming up');
    await other.close();
  });
});

describe('secrets', () => {
  it('the session is out of reach for scripts, and in no address or storage', async () => {
    const session = await sessionOf();
    expect(session).toMatchObject({ httpOnly: true, sameSite: 'Strict' });
    const held = await seen.page.evaluate(() =>
      [
        document.cookie,
        location.href,
        JSON.stringify({ ...localStorage, ...sessionStorage }),
      ].join(),
    );
    expect(held).not.toContain(session?.value);
    expect(held).not.toContain(PASSWORD);
  });

  it('a new token is shown once, and in no event, address or storage', async () => {
    await seen.page.goto(`${portal.url}/people`);
    await seen.page.getByRole('button', { name: 'New token…' }).click();
    await seen.page.locator('dialog input[name=name]').fill('robot');
    await seen.page.getByRole('button', { name: 'Make it' }).click();
    const secret = (await seen.page.locator('dialog pre').textContent()) ?? '';
    expect(secret).toMatch(/^rvl_/);
    await seen.page.getByRole('button', { name: 'Done' }).click();
    await seen.page.getByRole('cell', { name: 'robot' }).waitFor();
    const html = await seen.page.content();
    const stored = await seen.page.evaluate(() => JSON.stringify({ ...localStorage }));
    const feed = JSON.stringify(portal.world.inventory.events.after(0, 1000));
    for (const text of [html, stored, feed, seen.page.url()]) expect(text).not.toContain(secret);
  });

  it('are gone with the session', async () => {
    await seen.page.getByRole('button', { name: 'ada' }).click();
    await seen.page.getByRole('button', { name: 'Sign out' }).click();
    await seen.page.locator('input[name=password]').waitFor();
    expect(await sessionOf()).toBeUndefined();
    expect((await seen.page.request.get(`${portal.url}/api/v1/board`)).status()).toBe(401);
  });
});
