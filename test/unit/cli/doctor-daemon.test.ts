import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { daemonParts } from '../../../src/cli/people/doctor-daemon.ts';
import { parseConfig } from '../../../src/config.ts';

let server: Server | undefined;
afterEach(() => server?.close());

/** What the doctor finds where something on the people's port answers this. */
async function found(status: number, body: string, line = body) {
  const asked: (string | undefined)[] = [];
  const listening = createServer((request, response) => {
    asked.push(request.url);
    response.writeHead(status).end(request.url === '/readyz' ? body : line);
  });
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const { port } = listening.address() as AddressInfo;
  const findings = await daemonParts(parseConfig(`peopleHttp: { port: ${port} }`));
  return { findings, asked, port };
}

it('repeats that all is ready', async () => {
  const { findings, asked } = await found(200, '{"ready":true,"checks":{"dhcp":true}}');
  expect(asked).toEqual(['/readyz', '/api/v1/federation']);
  expect(findings).toEqual([{ check: 'daemon', ok: true, found: 'all its parts are ready' }]);
});

it('names the parts that are not, and says how to mend the first', async () => {
  const { findings } = await found(
    503,
    '{"ready":false,"checks":{"dhcp":true,"tftp":false,"jobs":false}}',
  );
  expect(findings).toMatchObject([{ check: 'daemon', ok: false, found: 'not ready: tftp, jobs' }]);
  expect(findings[0]?.mend).toContain('restart the daemon');
});

it('knows where to look for names', async () => {
  const { findings } = await found(503, '{"ready":false,"checks":{"dns":false}}');
  expect(findings).toMatchObject([{ found: 'not ready: dns' }]);
  expect(findings[0]?.mend).toContain('reveille dns zones');
});

describe('the line to central', () => {
  const ready = '{"ready":true,"checks":{}}';
  const line = (of: object) =>
    JSON.stringify({ line: 'open', central: 'https://c:8444', since: 0, code: '', why: '', ...of });

  it('is no matter of an appliance of no fleet, nor of one that does not tell everybody', async () => {
    expect((await found(200, ready, line({ line: 'none' }))).findings).toHaveLength(1);
    expect((await found(200, ready, '{"code":"UNAUTHENTICATED"}')).findings).toHaveLength(1);
  });

  it('is found open, closed with its reason, or refused with what to do', async () => {
    const open = await found(200, ready, line({}));
    expect(open.findings[1]).toMatchObject({ check: 'central', ok: true });
    const closed = await found(200, ready, line({ line: 'closed', why: 'connect ECONNREFUSED' }));
    expect(closed.findings[1]).toMatchObject({ check: 'central', ok: false });
    expect(closed.findings[1]?.found).toContain('(connect ECONNREFUSED)');
    const refused = { line: 'refused', code: 'CERTIFICATE_UNKNOWN', why: 'it has ended' };
    const [, shut] = (await found(200, ready, line(refused))).findings;
    expect(shut?.found).toContain('refused since 1970-01-01');
    expect(shut?.mend).toContain('reveille federation status');
  });
});

it.each([
  ['somebody else’s page', 404, '<html>'],
  ['another JSON', 200, '{"status":"alive"}'],
  ['no end of text', 200, 'x'.repeat(100_000)],
])('says nothing of %s', async (_what, status, body) => {
  expect((await found(status, body)).findings).toEqual([]);
});

it('says nothing where nobody listens', async () => {
  const { port } = await found(200, '');
  await new Promise((resolve) => server?.close(resolve));
  expect(await daemonParts(parseConfig(`peopleHttp: { port: ${port} }`))).toEqual([]);
});
