import dgram from 'node:dgram';
import { describe, expect, it } from 'vitest';
import { loadDatagramCalls } from '../../../src/platform/datagram-calls.ts';
import { socketName } from '../../../src/platform/datagram-layout.ts';
import {
  AF_INET,
  int32,
  loadLibc,
  openDatagramSocket,
  SO_RCVBUF,
  SOL_SOCKET,
} from '../../../src/platform/libc.ts';
import { addOverruns, readOverruns } from '../../../src/platform/udp-overruns.ts';

const TABLE = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  101: 00000000:0043 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 26384 2 0000000000000000 17
  102: 0100007F:0043 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 26385 2 0000000000000000 3
  103: 00000000:0045 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 26386 2 0000000000000000 9
`;

describe('what full receive buffers cost', () => {
  it('is added up by port, of the ports that are asked for', () => {
    const found = new Map([67, 4011].map((port) => [port, 0]));
    addOverruns(TABLE, found);
    expect([...found]).toEqual([
      [67, 20],
      [4011, 0],
    ]);
  });

  it('is what the kernel says of a socket that nobody reads', async () => {
    const libc = loadLibc();
    if (!libc) throw new Error('this needs koffi');
    const buffer = ['SO_RCVBUF', SOL_SOCKET, SO_RCVBUF, int32(4096)] as const;
    const name = socketName('127.0.0.1', 0);
    const deaf = openDatagramSocket(libc, { family: AF_INET, options: [buffer], name });
    const port = loadDatagramCalls(libc).localPort(deaf);
    const sender = dgram.createSocket('udp4');
    const send = () =>
      new Promise((sent) => sender.send(Buffer.alloc(1000), port, '127.0.0.1', sent));
    for (let count = 0; count < 50; count++) await send();
    expect(readOverruns([port]).get(port)).toBeGreaterThan(0);
    sender.close();
    libc.close(deaf);
  });
});
