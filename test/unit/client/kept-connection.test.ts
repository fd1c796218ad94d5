/** A kept connection that the server closes in the moment in which it is used again: servers do, after a time that they choose. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { createApiClient } from '../../../src/client/client.ts';

const ANSWER = '{}';
const JOB = { action: 'power-off', target: 'SN1' } as const;
const HEAD = [
  'HTTP/1.1 200 OK',
  'content-type: application/json',
  `content-length: ${ANSWER.length}`,
  'keep-alive: timeout=72',
].join('\r\n');

/** Closes each connection at its second request, of which it says nothing; `deaf` at the first. */
async function closingServer({ deaf = false } = {}) {
  /** The number of the connection, and what was asked on it. */
  const heard: string[] = [];
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    const number = connections;
    let asked = 0;
    socket.on('data', (bytes) => {
      asked += 1;
      heard.push(`${number} ${bytes.toString().split(' ')[0]}`);
      if (deaf || asked > 1) socket.destroy();
      else socket.write(`${HEAD}\r\n\r\n${ANSWER}`);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  onTestFinished(() => void server.close());
  const client = createApiClient({ url: `http://127.0.0.1:${port}` });
  return { client, heard };
}

/** Until the client has put its connection aside, to use it again. */
const isKept = () => new Promise((done) => setTimeout(done, 50));

it('is no failure of what changes nothing, or is done once by its key', async () => {
  const { client, heard } = await closingServer();
  await client.call('GET /session');
  await isKept();
  await client.call('GET /session');
  await isKept();
  await client.call('POST /jobs', { body: JOB, idempotencyKey: 'k' });
  expect(heard).toEqual(['1 GET', '1 GET', '2 GET', '2 POST', '3 POST']);
});

it('is told of what may be done twice', async () => {
  const { client, heard } = await closingServer();
  await client.call('GET /session');
  await isKept();
  const twice = client.call('POST /jobs', { body: JOB });
  await expect(twice).rejects.toMatchObject({ code: 'UNREACHABLE' });
  expect(heard).toEqual(['1 GET', '1 POST']);
});

it('is told of a server that closes all of them, after two', async () => {
  const { client, heard } = await closingServer({ deaf: true });
  await expect(client.call('GET /session')).rejects.toMatchObject({ code: 'UNREACHABLE' });
  expect(heard).toEqual(['1 GET', '2 GET']);
});
