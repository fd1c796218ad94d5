import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { isHeard, silentText } from '../../../src/cli/people/doctor-bmcs.ts';

/** IPMI 2.0 section 13.2.3: version, sequence FFh (no ACK), class ASF; then IANA 4542, type 80h, tag, no data. */
const PING = '0600ff06000011be80010000';

/** Section 13.6 and 22.13: no authentication, sequence and session 0, 9 bytes; App, 38h, this channel, administrator. */
const HOW_TO_LOG_IN = '0600ff0700000000000000000009' + '2018c88104388e04b1';

/** A BMC that speaks nothing but IPMI; one that drops the first ping, or all of them. */
async function bmc(drops: number, question = PING) {
  const socket = createSocket('udp4');
  let got = 0;
  socket.on('message', (bytes, { port, address }) => {
    if (bytes.toString('hex') !== question) return;
    got += 1;
    const pong = '0600ff06000011be40010010000011be000000008100000000000000';
    if (got > drops) socket.send(Buffer.from(pong, 'hex'), port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

it.each([
  ['answers a ping', 0, true],
  ['has lost the first', 1, true],
  ['answers none', 9, false],
])('a BMC without TCP that %s', async (_what, drops, heard) => {
  const socket = await bmc(drops);
  const { port } = socket.address();
  expect(await isHeard('127.0.0.1', { tcp: [], rmcp: port })).toBe(heard);
  socket.close();
});

it('a BMC that has the ping disabled', async () => {
  const socket = await bmc(0, HOW_TO_LOG_IN);
  expect(await isHeard('127.0.0.1', { tcp: [], rmcp: socket.address().port })).toBe(true);
  socket.close();
});

it('a BMC that answers by TCP alone', async () => {
  const silent = await bmc(9);
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  expect(await isHeard('127.0.0.1', { tcp: [port], rmcp: silent.address().port })).toBe(true);
  server.close();
  silent.close();
});

it('those that are silent are named by their machines, the first ten', () => {
  const silent = Array.from({ length: 12 }, (_, n) => ({
    ...{ machine: `SN-${n}`, address: `10.9.0.${n}` },
  }));
  expect(silentText(silent.slice(0, 2))).toBe(
    'no answer from that of SN-0 (10.9.0.0), SN-1 (10.9.0.1)',
  );
  expect(silentText(silent)).toMatch(/SN-9 \(10\.9\.0\.9\) and 2 more$/);
});
