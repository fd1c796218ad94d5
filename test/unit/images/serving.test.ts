/** `/images/TOKEN/SHA256` over real connections: whose token opens what, ranges, the queue, and an end in the middle. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { get as httpGet, type IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { sendOptions } from '../../../src/http/machine/app.ts';
import { createAdmission } from '../../../src/images/admission.ts';
import type { ResolvedImage } from '../../../src/inventory/images.ts';
import { pace } from '../../../src/platform/pacing.ts';
import { openSendThreads } from '../../../src/platform/sendfile.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import { ADMISSION, createStoreWorld } from '../../support/image-store.ts';
import { A, B, createWorkWorld, installDetail } from '../../support/work-world.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const BYTES = randomBytes(3_000_000);

async function site(settings: Partial<typeof ADMISSION> = {}, bytes = BYTES) {
  const made = createStoreWorld();
  const hash = await made.put(bytes);
  const other = await made.put(Buffer.from('of another image'));
  const paced: number[] = [];
  const admission = createAdmission({ ...ADMISSION, ...settings });
  const threads = openSendThreads({ threads: 1, idleMs: 5000, onError: () => undefined });
  const work = createWorkWorld(
    {
      send: { ...sendOptions(), threads },
      images: {
        open: (name) => made.store.open(name),
        admission,
        pace(socket: Socket, rate: number) {
          paced.push(rate);
          pace(socket, rate);
        },
      },
    },
    made.world,
  );
  await work.app.listen({ host: '127.0.0.1', port: 0 });
  closers.push(async () => {
    await work.close();
    await threads.close();
    await made.store.stop();
    made.folder.drop(made.folder.root);
  });
  const { port } = work.app.server.address() as AddressInfo;
  const image: ResolvedImage = {
    ...{ name: 'debian-12', version: '1', kind: 'raw' },
    files: [
      {
        ...{ role: 'disk', sha256: hash, size: bytes.length, compression: 'none' },
        ...{ contentSha256: hash, contentSize: bytes.length },
      },
    ],
    doc: { description: '', kernelArguments: '' },
  };
  return {
    ...{ made, work, hash, other, admission, paced, port },
    url: (token: string, name = hash) => `http://127.0.0.1:${port}/images/${token}/${name}`,
    async installing(of: Mac, serial: string, squad = '') {
      const machine = await work.register(of, serial);
      const job = work.job(machine.name);
      work.put(machine.name, 'installing');
      work.arm(job, 'install', installDetail({ image, squad }));
      const next = await work.next(machine.wait);
      return { ...machine, job, token: next.line('work') ?? '' };
    },
  };
}

/** Reads the head and not the body. */
async function open(url: string, headers = {}): Promise<IncomingMessage> {
  const request = httpGet(url, { headers, agent: false });
  request.on('error', () => undefined);
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  answer.on('error', () => undefined);
  closers.push(() => answer.destroy());
  return answer;
}

const closing = (answer: IncomingMessage) =>
  new Promise<void>((resolve) => answer.once('close', () => resolve()));

async function readAll(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

describe('a file of an image', () => {
  it('is served whole, by range and by HEAD, with its hash as its tag, and told on the timeline', async () => {
    const { installing, url, hash, work, admission } = await site();
    const { token, name } = await installing(A, 'SN-0001');
    const whole = await fetch(url(token));
    expect(Buffer.from(await whole.arrayBuffer()).equals(BYTES)).toBe(true);
    expect(whole.headers.get('etag')).toBe(`"${hash}"`);
    const rest = await fetch(url(token), {
      headers: { range: 'bytes=2999990-', 'if-range': `"${hash}"` },
    });
    expect([rest.status, Buffer.from(await rest.arrayBuffer())]).toEqual([
      206,
      BYTES.subarray(2_999_990),
    ]);
    const head = await fetch(url(token), { method: 'HEAD' });
    expect(head.headers.get('content-length')).toBe('3000000');
    const same = await fetch(url(token), { headers: { 'if-none-match': `"${hash}"` } });
    expect(same.status).toBe(304);
    const beyond = await fetch(url(token), { headers: { range: 'bytes=3000000-' } });
    expect(beyond.status).toBe(416);
    expect(admission.list(work.clock())).toEqual([]);
    const told = work.inventory.events.ofMachine(name, 100).filter((one) => /^http/.test(one.name));
    expect(told.map((one) => [one.name, one.data])).toContainEqual([
      'http.sent',
      expect.objectContaining({ file: 'debian-12@1 disk', sizeBytes: 3_000_000 }),
    ]);
  });
  it('is for a live install of it, and for nobody else', async () => {
    const { installing, url, work, other, made } = await site();
    const { token, job, wait, token: _, ...machine } = await installing(A, 'SN-0001');
    const get = async (...args: Parameters<typeof url>) => {
      const answer = await fetch(url(...args));
      return answer.ok ? 'ok' : ((await answer.json()) as { code: string }).code;
    };
    expect(await get(token)).toBe('ok');
    expect(await get(token, other)).toBe('NOT_FOUND');
    expect(await get(token, 'x')).toBe('NOT_FOUND');
    expect(await get('A'.repeat(32))).toBe('TOKEN_UNKNOWN');
    expect(await get(wait)).toBe('TOKEN_PURPOSE');
    const metadata = work.inventory.work.metadataToken(job.id);
    expect(await get(metadata)).toBe('TOKEN_PURPOSE');
    const recycled = await work.register(B, 'SN-0002');
    const recycle = work.job(recycled.name, 'recycle');
    work.put(recycled.name, 'recycling');
    work.arm(recycle, 'recycle', {});
    expect(await get((await work.next(recycled.wait)).line('work') ?? '')).toBe('TOKEN_PURPOSE');
    made.world.inventory.transaction(() => work.inventory.work.end(job.id, 'called off'));
    expect(await get(token)).toBe('WORK_ENDED');
    expect(machine.name).toBe('SN-0001');
  });
  it('that is damaged is not served', async () => {
    const { installing, url, made, hash } = await site();
    const { token } = await installing(A, 'SN-0001');
    made.folder.dropKept(hash);
    expect((await fetch(url(token))).status).toBe(404);
    expect(made.world.inventory.blobs.get(hash)?.damaged).not.toBe('');
  });
});

describe('more machines than are served at once', () => {
  it('wait, are told when to ask again, and have their turn', async () => {
    const { installing, url, work, admission } = await site({ streamsMax: 1 });
    const first = await installing(A, 'SN-0001');
    const second = await installing(B, 'SN-0002');
    const running = await open(url(first.token));
    const refused = await fetch(url(second.token));
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ code: 'IMAGE_QUEUED' });
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(refused.headers.get('x-queue-position')).toBe('1');
    expect((await fetch(url(second.token), { method: 'HEAD' })).status).toBe(200);
    expect((await readAll(running)).equals(BYTES)).toBe(true);
    while (admission.list(work.clock()).some(({ state }) => state === 'sending')) await tick();
    const served = await fetch(url(second.token));
    expect(Buffer.from(await served.arrayBuffer()).equals(BYTES)).toBe(true);
  });
  it('share the uplink as they come and go', async () => {
    const big = randomBytes(12_000_000);
    const { installing, url, paced } = await site({ bytesPerSecond: 16_000_000 }, big);
    const first = await installing(A, 'SN-0001', 'web');
    const second = await installing(B, 'SN-0002', 'db');
    const startedAt = performance.now();
    const one = await open(url(first.token));
    const both = [readAll(one), open(url(second.token)).then(readAll)];
    for (const body of both) expect((await body).equals(big)).toBe(true);
    const seconds = (performance.now() - startedAt) / 1000;
    // 24 MB at 16 a second, less the 4 MB that a socket's buffer takes, twice, before it is paced.
    expect(seconds).toBeGreaterThan(0.9);
    expect(paced).toContain(16_000_000);
    expect(paced).toContain(8_000_000);
  });
  it('that break off keep their place; one that asks anew has one connection', async () => {
    const { installing, url, admission, work } = await site({
      streamsMax: 1,
      bytesPerSecond: 2_000_000,
    });
    const { token } = await installing(A, 'SN-0001');
    const rival = await installing(B, 'SN-0002');
    const before = await open(url(token));
    const closed = closing(before);
    const again = await open(url(token), { range: 'bytes=1000000-' });
    await closed;
    expect((await fetch(url(rival.token))).status).toBe(503);
    again.destroy();
    while (admission.list(work.clock())[0]?.state !== 'kept') await tick();
    expect((await fetch(url(rival.token))).status).toBe(503);
    const rest = await open(url(token), { range: 'bytes=2000000-' });
    expect((await readAll(rest)).equals(BYTES.subarray(2_000_000))).toBe(true);
  });
});

describe('a job that ends in the middle', () => {
  it('ends the download: not a byte more is sent', async () => {
    const { installing, url, work } = await site({ bytesPerSecond: 500_000 });
    const { token, job, name } = await installing(A, 'SN-0001');
    const running = await open(url(token));
    const closed = closing(running);
    running.resume();
    work.inventory.transaction(() => {
      work.inventory.work.end(job.id, 'called off');
      work.inventory.events.append({
        name: 'job.cancelled',
        hardwarename: name,
        data: { job: job.id, action: 'install' },
      });
    });
    await closed;
    expect(running.complete).toBe(false);
  });
});

const tick = () => new Promise((resolve) => setTimeout(resolve, 5));
