/** Which addresses a listener takes: `::` leaves IPv4 to others. */
import { expect, it, onTestFinished } from 'vitest';
import { limit } from '../../../src/limits.ts';
import { openTcp, type TcpGuest } from '../../../src/nameserver/tcp.ts';
import { TcpRoom } from '../../../src/nameserver/tcp-room.ts';
import { Turns } from '../../../src/nameserver/turn.ts';
import { freePort } from '../../support/free-port.ts';

async function listen(address: string, port: number): Promise<number> {
  const server = await openTcp({
    ...{ address, port, answer: () => 0, answerSlowly: () => [], nowSeconds: () => 0 },
    ...{
      turns: new Turns(limit('dnsTcpTurnMs')),
      room: new TcpRoom<TcpGuest>({ most: 9, mostOfNetwork: 9 }),
    },
    onError: (error) => expect.unreachable(String(error)),
  });
  onTestFinished(() => server.close());
  return server.port;
}

it.each(['127.0.0.1', '0.0.0.0'])('TCP at :: leaves %s to another listener', async (address) => {
  // Free of IPv4 as well: one that the kernel gives at `::` may be anybody's there.
  const port = await freePort('0.0.0.0');
  expect(await listen('::', port)).toBe(port);
  expect(await listen(address, port)).toBe(port);
  await expect(listen('::1', port)).rejects.toMatchObject({ code: 'LISTEN_FAILED' });
});
