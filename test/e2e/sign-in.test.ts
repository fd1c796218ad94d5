/** Signing in with a browser at an identity provider that nobody here wrote: out to its site, and back to the page. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createOidcDesk } from '../../src/http/people/oidc.ts';
import { oidcSchema } from '../../src/http/people/oidc-settings.ts';
import { openBrowser, visit } from '../support/browser.ts';
import { freePort } from '../support/free-port.ts';
import { startIdentityProvider, type TestProvider } from '../support/identity-provider.ts';
import { createPeople, type People } from '../support/people.ts';
import { createWorld } from '../support/world.ts';

let provider: TestProvider;
let people: People;
let browser: Browser;
let url: string;

beforeAll(async () => {
  // The provider wants to know the address before the listener is there.
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const redirectUrl = `${url}/api/v1/login/oidc/callback`;
  provider = await startIdentityProvider(redirectUrl);
  const world = createWorld();
  const settings = oidcSchema.parse({
    ...{ issuer: provider.issuer, clientId: provider.clientId, redirectUrl },
    ...{ label: 'Sign in with Acme', groups: [{ group: 'staff', role: 'technician' }] },
  });
  const oidc = createOidcDesk(settings, provider.clientSecret, world.clock);
  people = await createPeople({ oidc, uiRoot: 'build/ui' }, world);
  await people.admin('POST', '/machines', { body: { serial: 'C0MPUT3' } });
  await people.app.listen({ host: '127.0.0.1', port });
  browser = await openBrowser();
});
afterAll(async () => {
  await browser?.close();
  await people?.app.close();
  await provider?.close();
});

const claims = (groups: string[]) => ({ preferred_username: 'jane', groups });

describe('a person of the company', () => {
  it('goes to the provider and comes back to the page that was asked for', async () => {
    provider.person = { sub: 'u-1', claims: claims(['staff']) };
    const { page, problems } = await visit(browser, `${url}/machines/C0MPUT3`);
    await page.getByRole('link', { name: 'Sign in with Acme' }).click();
    await page.getByRole('heading', { name: 'C0MPUT3' }).waitFor();
    expect(page.url()).toBe(`${url}/machines/C0MPUT3`);
    const cookies = await page.context().cookies(url);
    const session = cookies.find(({ name }) => name === 'reveille_session');
    expect(session).toMatchObject({ httpOnly: true, sameSite: 'Strict' });
    // Not signed in yet, and a site without a name server: the browser reports both answers.
    expect(problems.filter((text) => !/status of 40[14]/.test(text))).toEqual([]);
    await page.context().close();
  });

  it('without a group that may come in is told so, and may still use a password', async () => {
    provider.person = { sub: 'u-2', claims: { ...claims([]), preferred_username: 'joe' } };
    const { page } = await visit(browser, url);
    await page.getByRole('link', { name: 'Sign in with Acme' }).click();
    await page.getByRole('alert').getByText('you may not come in here').waitFor();
    expect(page.url()).toContain('/sign-in?');
    expect(await page.locator('input[name=password]').isVisible()).toBe(true);
    await page.context().close();
  });
});
