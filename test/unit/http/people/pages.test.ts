/** The portal's addresses: every page that one can go to is served by its address, as when a link to it is pasted. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createPeople } from '../../../support/people.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

it('answers every address of the navigation with the document, and no other', async () => {
  const uiRoot = temporaryFolder('pages');
  writeFileSync(join(uiRoot, 'index.html'), '<!doctype html><title>the portal</title>');
  const { app } = await createPeople({ uiRoot });
  const get = (url: string) => app.inject({ method: 'GET', url });
  const navigation = readFileSync('src/ui/parts/navigation.tsx', 'utf8');
  const links = [...navigation.matchAll(/to: '(\/[a-z]*)'/g)].map(([, link = '']) => link);
  expect(links.length).toBeGreaterThan(10);
  for (const link of links) {
    const answer = await get(link);
    expect([link, answer.statusCode]).toEqual([link, 200]);
    expect(answer.body).toContain('the portal');
  }
  expect((await get('/machines/C0MPUT3')).statusCode).toBe(200);
  expect((await get('/nowhere')).statusCode).toBe(404);
  expect((await get('/nowhere')).json()).toMatchObject({ code: 'NOT_FOUND' });
  const looked = (url: string) => app.inject({ url, headers: { accept: 'text/html,*/*;q=0.8' } });
  const page = await looked('/nowhere');
  expect([page.statusCode, page.body.includes('the portal')]).toEqual([404, true]);
  expect(page.headers['content-security-policy']).toBeDefined();
  expect((await looked('/api/v1/nowhere')).json()).toMatchObject({ code: 'NOT_FOUND' });
});
