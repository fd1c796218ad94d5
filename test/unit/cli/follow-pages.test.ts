/** `events --follow` at central, where a site has told everything anew meanwhile. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { codeOf, commandLine } from '../../support/command-line.ts';

let server: Server | undefined;
afterEach(() => {
  process.exitCode = 0;
  server?.close();
});

/** Answers one after the other. */
async function central(...answers: readonly (readonly [number, object])[]) {
  const asked: string[] = [];
  const left = [...answers];
  const listening = createServer(({ url }, response) => {
    asked.push(new URL(url ?? '', 'http://central').searchParams.get('after') ?? '');
    const [status, body] = left.shift() ?? [401, { code: 'UNAUTHENTICATED' }];
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const { port } = listening.address() as AddressInfo;
  return { asked, url: `http://127.0.0.1:${port}` };
}

it('says so, and goes on from where it is told to', async () => {
  const { asked, url } = await central(
    [409, { code: 'SITE_ONLY' }],
    [410, { code: 'FEED_RESTARTED', title: 'Anew.', detail: '(lon)', oldest: 'lon.4.b_sto.2.c' }],
  );
  let told = '';
  const run = commandLine({ REVEILLE_URL: url, REVEILLE_TOKEN: 'rvl_x' }, (text) => {
    told += text;
  });
  expect(await codeOf(run('events --follow --after lon.9.a_sto.2.c'))).toBe('UNAUTHENTICATED');
  expect(asked.slice(1)).toEqual(['lon.9.a_sto.2.c', 'lon.4.b_sto.2.c']);
  expect(told).toContain('Anew. (lon) (lon.4.b_sto.2.c)');
});
