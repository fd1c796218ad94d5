/** Where webhooks may go, with a receiver on loopback that must hear nothing unless the site wants it. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createReach, postWithin } from '../../../../src/http/people/webhook-reach.ts';
import { type Cidr, parseCidr } from '../../../../src/wire/ipv4.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const cidr = (text: string): Cidr => {
  const parsed = parseCidr(text);
  if (!parsed) throw new Error(text);
  return parsed;
};
const reachOf = (allowed: string[], outOfBand: string[] = []) =>
  createReach({ allowed: allowed.map(cidr), outOfBand: () => outOfBand.map(cidr) });

async function receiver(status = 200, headers = {}) {
  const heard: string[] = [];
  const server = createServer((request, answer) => {
    heard.push(String(request.headers.host));
    answer.writeHead(status, headers).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close());
  return { heard, port: (server.address() as AddressInfo).port };
}

const post = (allowed: string[], url: string) =>
  postWithin(reachOf(allowed), url, {
    ...{ body: '{}', headers: {}, signal: AbortSignal.timeout(5000) },
  });

describe('webhooks may reach', () => {
  it.each([
    ...['127.0.0.1', '127.9.9.9', '0.0.0.0', '169.254.169.254', '::1', '::', 'fe80::1'],
    ...['::ffff:127.0.0.1', '::ffff:169.254.1.1', '10.9.0.7', '::ffff:10.9.0.7'],
  ])('not %s', (address) => expect(reachOf([], ['10.9.0.0/16']).may(address)).toBe(false));

  it.each(['10.8.0.7', '192.0.2.1', '2001:db8::1', '::ffff:10.8.0.7'])('%s', (address) =>
    expect(reachOf([], ['10.9.0.0/16']).may(address)).toBe(true),
  );

  it('what the configuration names', () => {
    const reach = reachOf(['127.0.0.0/8', '10.9.1.0/24'], ['10.9.0.0/16']);
    const asked = ['127.0.0.1', '10.9.1.1', '10.9.2.1', '::1'].map((one) => reach.may(one));
    expect(asked).toEqual([true, true, false, false]);
  });

  it('nothing on loopback by any spelling or name, and it hears nothing', async () => {
    const { heard, port } = await receiver();
    for (const name of ['127.0.0.1', 'localhost', '2130706433', '0x7f.1', '[::ffff:127.0.0.1]'])
      await expect(post([], `http://${name}:${port}/in`), name).rejects.toThrow(/do not go to/);
    expect(heard).toEqual([]);
    expect(await post(['127.0.0.0/8'], `http://localhost:${port}/in`)).toBe(200);
    expect(heard).toEqual([`localhost:${port}`]);
  });

  it('no place that a redirect names', async () => {
    const other = await receiver();
    const location = `http://127.0.0.1:${other.port}/`;
    const { port } = await receiver(307, { location });
    expect(await post(['127.0.0.0/8'], `http://127.0.0.1:${port}/in`)).toBe(307);
    expect(other.heard).toEqual([]);
  });
});
