/** What lists of a fleet show of what central says. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { commandLine } from '../../support/command-line.ts';

it('shows a clock that is right without a sign', async () => {
  const site = { freshness: 'current', shutOut: false, asOf: 0, behind: 0, program: '1' };
  const sites = [-40, 40, -60, 2540, 0].map((clockSkewMs, at) => ({
    ...{ ...site, site: `s${at}`, clockSkewMs },
  }));
  const server = createServer((_, answer) =>
    answer.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ sites })),
  );
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const text = await commandLine({ REVEILLE_URL: `http://127.0.0.1:${port}` })('sites list');
  expect([...text.matchAll(/(-?\d+\.\d) s/g)].map(([, off]) => off)).toEqual([
    ...['0.0', '0.0', '-0.1', '2.5', '0.0'],
  ]);
});
