/** The clients of the TFTP bench, against our own service: what they fetch is whole, lost datagrams or not. */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, it } from 'vitest';
import type { Plan, Result } from '../../../bench/tftp-client.ts';
import { startTftpServer, type TestServer } from '../../support/tftp-server.ts';

const PROGRAM = join(import.meta.dirname, '../../../bench/tftp-client.ts');
const bytes = randomBytes(300_000);
const right = createHash('sha256').update(bytes).digest('hex');
const addresses = ['127.0.0.11', '127.0.0.12', '127.0.0.13'];
const run = promisify(execFile);

let server: TestServer;
afterEach(() => server.close());

/** In a process of their own: they hold up the thread they run on, and the service reads its files here. */
async function fetchAll(plan: Partial<Plan>): Promise<Result> {
  server = await startTftpServer({ 'a.bin': bytes });
  const whole: Plan = {
    ...{ server: '127.0.0.1', port: server.port, file: 'a.bin', sizeBytes: bytes.length },
    ...{ addresses, blksize: 1468, windowsize: 1, verify: true, loss: 0, timeoutMs: 20_000 },
    ...plan,
  };
  const { stdout } = await run(process.execPath, [PROGRAM, JSON.stringify(whole)]);
  return JSON.parse(stdout) as Result;
}

const clientsOf = ({ events }: TestServer) =>
  events.filter(({ name }) => name === 'tftp.sent').map(({ client }) => client.address);

it.each([1, 16])(
  'fetches whole files with windowsize %d, each from its own address',
  async (windowsize) => {
    const result = await fetchAll({ windowsize });
    expect(result).toMatchObject({ failures: [], digests: [right, right, right], windowsize });
    await server.until(() => clientsOf(server).length === 3);
    expect(clientsOf(server).sort()).toEqual(addresses);
  },
);

it('says again what was lost', async () => {
  const result = await fetchAll({ windowsize: 16, loss: 0.02 });
  expect(result).toMatchObject({ failures: [], digests: [right, right, right] });
});

it('warms up untimed, and tells what failed', async () => {
  const warmUp = { file: 'a.bin', sizeBytes: bytes.length, addresses: addresses.slice(0, 2) };
  const result = await fetchAll({ warmUp, file: 'none.bin', verify: false });
  expect(result.failures).toHaveLength(3);
  await server.until(() => clientsOf(server).length === 2);
});
