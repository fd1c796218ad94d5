/** What a listener of machines does with requests that come one upon the other, and with those that it refuses. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, expect, it } from 'vitest';
import { createMachineApp, type MachineAppOptions } from '../../../src/http/machine/app.ts';
import { CHUNK_BYTES_MIN, createBufferPool } from '../../../src/platform/file-sender.ts';
import { closed, dial as dialTo } from '../../support/dial.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createWorld, dhcpPacket, mac, type World } from '../../support/world.ts';

const A = mac('52:54:00:00:00:0a');
const log = pino({ level: 'silent' });
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const folder = (): string => temporaryFolder('asked');

function dial(port: number) {
  const socket = dialTo(port);
  closers.push(() => socket.destroy());
  return socket;
}

async function listening(
  world: World,
  dir: string,
  options: Pick<MachineAppOptions, 'onRefused' | 'send'> = {},
) {
  const app = createMachineApp({ ...world, log, assets: dir, pxeimage: dir, ...options });
  closers.push(() => app.close());
  await app.listen({ host: '127.0.0.1', port: 0 });
  world.dhcp(dhcpPacket({ mac: A, type: 1, client: 'ipxe' }));
  const boot = world.inventory.boots.latest(A);
  if (!boot) throw new Error('no boot');
  const { token } = world.inventory.tokens.mint(boot.id, A, 'boot');
  const { port } = app.server.address() as AddressInfo;
  return { port, token };
}

it('takes the absolute form of a request target, as RFC 9112 3.2.2 wants it of every server', async () => {
  const dir = folder();
  writeFileSync(join(dir, 'snponly.efi'), 'efi');
  const { port } = await listening(createWorld(), dir);
  const socket = dial(port);
  socket.write(`GET http://10.77.0.1:${port}/boot/ipxe/snponly.efi HTTP/1.1\r\nHost: x\r\n\r\n`);
  expect(await socket.until((text) => text.endsWith('\r\n\r\nefi'))).toMatch(/^HTTP\/1.1 200 /);
});

it('takes no buffer for what is asked for behind a body that is on its way, and sends both whole', async () => {
  const dir = folder();
  const bytes = randomBytes(16_777_216);
  writeFileSync(join(dir, 'vmlinuz'), bytes);
  const pool = createBufferPool({ budgetBytes: 1_048_576, chunkBytesMax: CHUNK_BYTES_MIN });
  const world = createWorld();
  const send = { pool, chunkMs: 60_000 };
  const { port, token } = await listening(world, dir, { send });
  const socket = dial(port);
  socket.pause();
  const ask = `GET /boot/${token}/vmlinuz HTTP/1.1\r\nHost: x\r\n`;
  socket.write(`${ask}\r\n${ask}Connection: close\r\n\r\n`);
  const started = () => world.eventNames().filter((name) => name === 'http.started').length;
  await expect.poll(started).toBe(2);
  expect(pool.usage().lentBytes).toBe(CHUNK_BYTES_MIN);
  socket.resume();
  await closed(socket);
  const text = await socket.until(() => true);
  let at = 0;
  for (const _ of ['first', 'second']) {
    at = text.indexOf('\r\n\r\n', at) + 4;
    expect(bytes.equals(Buffer.from(text.slice(at, at + bytes.length), 'latin1'))).toBe(true);
    at += bytes.length;
  }
  expect(text.length).toBe(at);
});

it('counts each request that is refused, by the code that it is told', async () => {
  const codes: string[] = [];
  const onRefused = (code: string) => void codes.push(code);
  const { port, token } = await listening(createWorld(), folder(), { onRefused });
  for (const path of ['nothing', 'boot/ipxe/none.efi', 'boot/ipxe/%zz', `boot/${token}/vmlinuz`]) {
    const answer = await fetch(`http://127.0.0.1:${port}/${path}`);
    expect(await answer.json()).toMatchObject({ status: answer.status, code: codes.at(-1) });
  }
  await fetch(`http://127.0.0.1:${port}/boot/${'x'.repeat(32)}/script.ipxe`);
  expect(codes).toEqual([
    ...['NOT_FOUND', 'NOT_FOUND', 'REQUEST_INVALID', 'NOT_FOUND', 'TOKEN_UNKNOWN'],
  ]);
});
