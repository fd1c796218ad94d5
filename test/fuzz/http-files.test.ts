/**
 * Connections that are cut at any moment while the kernel sends from them: no descriptor is left behind, and no byte of
 * one answer ever shows up in another, although numbers of descriptors are used again all the time.
 */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import pino from 'pino';
import { expect, it } from 'vitest';
import { createMachineApp, sendOptions } from '../../src/http/machine/app.ts';
import { openSendThreads } from '../../src/platform/sendfile.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { createWorld } from '../support/world.ts';

const CUT = 3000;
const WHOLE = 60;

it('survives clients that hang up in the middle, over and over', async () => {
  const dir = temporaryFolder('cut');
  const files = ['a.img', 'b.img', 'c.img'].map((name) => {
    const bytes = randomBytes(6_000_000);
    writeFileSync(join(dir, name), bytes);
    return { name, digest: createHash('sha256').update(bytes).digest('hex') };
  });
  const log = pino({ level: 'silent' });
  let over = 0;
  const failures: Error[] = [];
  const threads = openSendThreads({
    threads: 2,
    idleMs: 5000,
    onError: (error) => failures.push(error),
  });
  const app = createMachineApp({
    send: { ...sendOptions(), threads },
    ...{ ...createWorld(), log, assets: dir, pxeimage: dir },
    onDownload() {
      over += 1;
    },
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const before = readdirSync('/proc/self/fd').length;

  const cut = (n: number) =>
    new Promise<void>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      const file = files[n % files.length];
      const afterBytes = (n * 7919) % 4_000_000;
      let got = 0;
      socket.write(`GET /boot/ipxe/${file?.name} HTTP/1.1\r\nHost: x\r\n\r\n`);
      socket.on('data', (chunk) => {
        got += chunk.length;
        if (got < afterBytes) return;
        if (n % 2) socket.resetAndDestroy();
        else socket.destroy();
      });
      socket.on('error', () => undefined);
      socket.on('close', () => resolve());
    });
  const whole = async (n: number) => {
    const file = files[n % files.length];
    const hash = createHash('sha256');
    const asking = get({ port, path: `/boot/ipxe/${file?.name}`, agent: false });
    const [answer] = (await once(asking, 'response')) as [IncomingMessage];
    for await (const chunk of answer) hash.update(chunk as Buffer);
    expect(hash.digest('hex')).toBe(file?.digest);
  };
  const workers = async (count: number, times: number, work: (n: number) => Promise<void>) => {
    let next = 0;
    const worker = async () => {
      for (let n = next++; n < times; n = next++) await work(n);
    };
    await Promise.all(Array.from({ length: count }, worker));
  };
  await Promise.all([workers(24, CUT, cut), workers(3, WHOLE, whole)]);
  await expect.poll(() => over, { timeout: 20_000 }).toBe(CUT + WHOLE);
  await app.close();
  await threads.close();
  expect(failures).toEqual([]);
  // The listener's own descriptor is gone too.
  const left = () => readdirSync('/proc/self/fd').length;
  await expect.poll(left, { timeout: 5000 }).toBe(before - 1);
});
