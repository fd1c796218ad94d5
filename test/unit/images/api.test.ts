/** Images over the API and the command line: sent over a real connection, made into versions, moved, removed. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import type { ApiProblem } from '../../../src/client/client.ts';
import { openSources } from '../../../src/platform/image-source.ts';
import { commandLineOf } from '../../support/command-line.ts';
import { createStoreWorld, type StoreWorld, sha256 } from '../../support/image-store.ts';
import { createPeople, type People, problemOf } from '../../support/people.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Appliance {
  readonly people: People;
  readonly made: StoreWorld;
  readonly url: string;
  readonly dir: string;
  readonly secret: string;
  run(line: string): Promise<string>;
}

async function appliance(): Promise<Appliance> {
  const dir = temporaryFolder('images-api');
  const sources = openSources({ folder: dir, idleMs: 2000 });
  const made = createStoreWorld({ sources });
  const people = await createPeople({ images: made.desk() }, made.world);
  closers.push(async () => {
    await people.app.close();
    await made.store.stop();
    made.folder.drop(made.folder.root);
    expect(made.errors).toEqual([]);
  });
  const { url, secret, run } = await commandLineOf(people, 'operator');
  return { people, made, url, dir, secret, run };
}

const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => 'ok',
    (error: ApiProblem) => error.code,
  );

describe('the command line', () => {
  it('puts a file in, makes versions, moves a channel on and back, and removes', async () => {
    const { run, dir } = await appliance();
    const [one, two] = [join(dir, 'one.zst'), join(dir, 'two')];
    writeFileSync(one, zstdCompressSync(Buffer.alloc(1_000_000, 1)));
    writeFileSync(two, Buffer.alloc(2_000_000, 2));
    expect(await run(`images add debian-12@1 --disk ${one} --channel stable --why first`)).toBe(
      'debian-12@1 is there, and debian-12/stable points to it\n',
    );
    await run(`images add debian-12@2 --disk ${two}`);
    expect(await run('images point debian-12/stable 2 --why newer')).toBe(
      'debian-12/stable is 2\n',
    );
    expect(await run('images list')).toMatch(
      /^IMAGE .*\ndebian-12 {2}2 +raw +stable .*\ndebian-12 {2}1 +raw /,
    );
    expect(await run('images rollback debian-12/stable --why worse')).toBe(
      'debian-12/stable is 1\n',
    );
    const history = await run('images show debian-12/stable');
    expect(history).toMatch(
      /is 1\n\nAT .*\n.* 2 +1 +token:cli +worse\n.* 1 +2 +token:cli +newer\n.* 1 +token:cli +first\n/,
    );
    expect(await codeOf(run('images remove debian-12@1'))).toBe('STILL_REFERENCED');
    expect(await run('images remove debian-12@2 --why old')).toBe('debian-12@2 is removed\n');
    expect(await run('images collect')).toBe('1 files removed, 2 MiB freed\n');
    expect(await run('images store')).toMatch(/files +1\n/);
    expect(JSON.parse(await run('images show debian-12@1 --json'))).toMatchObject({
      files: [{ compression: 'zstd', contentBytes: 1_000_000 }],
    });
    expect(await codeOf(run('images show debian-12'))).toBe('REQUEST_INVALID');
    expect(await codeOf(run(`images add x@1 --disk ${one} --root ${two}`))).toBe('REQUEST_INVALID');
  });
  it('prints what is to be signed', async () => {
    const { run, dir } = await appliance();
    writeFileSync(join(dir, 'disk'), 'x');
    expect(await run(`images manifest a@1 --disk ${join(dir, 'disk')}`)).toBe(
      `reveille-image 1\nname a\nversion 1\nkind raw\ndisk ${sha256('x')}\n`,
    );
  });
});

describe('an upload over a connection', () => {
  it('that is cut goes on from where it was', async () => {
    const { people, made, url, secret } = await appliance();
    const bytes = randomBytes(5_000_000);
    const caller = people.as('operator');
    const { body } = await caller('POST', '/image-uploads', {
      body: { sizeBytes: bytes.length, sha256: sha256(bytes) },
    });
    const { port } = new URL(url);
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(
      `PUT /api/v1/image-uploads/${body.id} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${secret}\r\n` +
        `content-type: application/octet-stream\r\ncontent-length: ${bytes.length}\r\n\r\n`,
    );
    socket.write(bytes.subarray(0, 3_000_000));
    const received = async () =>
      (await caller('GET', `/image-uploads/${body.id}`)).body as {
        receivedBytes: number;
        offsetBytes: number;
        state: string;
      };
    while ((await received()).receivedBytes < 3_000_000) await tick();
    socket.destroy();
    while ((await received()).offsetBytes === 0) await tick();
    const { offsetBytes } = await received();
    expect(offsetBytes).toBe(3_000_000);
    const put = (first: number, part: Uint8Array) =>
      fetch(`${url}/api/v1/image-uploads/${body.id}`, {
        method: 'PUT',
        body: new Blob([part as Uint8Array<ArrayBuffer>]),
        headers: {
          authorization: `Bearer ${secret}`,
          'content-type': 'application/octet-stream',
          'content-range': `bytes ${first}-${first + part.length - 1}/${bytes.length}`,
        },
      });
    const wrong = await put(0, bytes);
    expect([wrong.status, await wrong.json()]).toMatchObject([
      409,
      { code: 'UPLOAD_OFFSET', offsetBytes },
    ]);
    expect((await put(offsetBytes, bytes.subarray(offsetBytes))).status).toBe(200);
    expect(await made.until(body.id, 'stored', 'failed')).toMatchObject({ state: 'stored' });
  });
  it('takes bytes and nothing else', async () => {
    const { people } = await appliance();
    const caller = people.as('operator');
    const { body } = await caller('POST', '/image-uploads', { body: { sizeBytes: 10 } });
    const json = await caller('PUT', `/image-uploads/${body.id}`, { body: { a: 1 } });
    expect(problemOf(json)).toBe('400 REQUEST_INVALID');
    const headers = { 'content-type': 'application/octet-stream', 'content-range': 'bytes 5-' };
    const range = await caller('PUT', `/image-uploads/${body.id}`, {
      headers,
      body: Buffer.from('x'),
    });
    expect(problemOf(range)).toBe('400 REQUEST_INVALID');
  });
});

const tick = () => new Promise((resolve) => setTimeout(resolve, 5));

describe('who may', () => {
  it('is anybody who reads, and an operator of the site', async () => {
    const { people } = await appliance();
    people.squad('web');
    for (const [method, path, body] of [
      ['POST', '/image-uploads', { sizeBytes: 1 }],
      ['POST', '/images', { name: 'x', version: '1', kind: 'raw', files: [] }],
      ['PUT', '/images/x/channels/y', { version: '1' }],
      ['DELETE', '/images/x/versions/1', undefined],
      ['POST', '/image-store/collect', {}],
    ] as const) {
      const asked = body === undefined ? {} : { body };
      for (const caller of [people.as('technician'), people.as('viewer', { web: 'operator' })])
        expect((await caller(method, path, asked)).status, path).toBe(403);
      expect((await people.nobody(method, path, asked)).status, path).toBe(401);
      expect([400, 404, 201, 200]).toContain(
        (await people.as('operator')(method, path, asked)).status,
      );
    }
    expect((await people.as('viewer')('GET', '/images')).body).toEqual({
      images: [],
      channels: [],
    });
  });
});

describe('an import', () => {
  /** A source that breaks connections, counts requests and may change. */
  async function source(bytes: Uint8Array, options: { cutAt?: number; etag?: string } = {}) {
    const asked: IncomingHttpHeaders[] = [];
    const state = { bytes, etag: options.etag ?? '"1"', status: 200 };
    const server = createServer((request, response) => {
      asked.push(request.headers);
      if (state.status !== 200) return void response.writeHead(state.status).end();
      const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
      const resumes = range && request.headers['if-range'] === state.etag;
      const first = resumes ? Number(range[1]) : 0;
      const part = state.bytes.subarray(first);
      const headers = { etag: state.etag, 'content-length': part.length };
      const last = state.bytes.length - 1;
      if (resumes)
        response.writeHead(206, {
          ...headers,
          'content-range': `bytes ${first}-${last}/${state.bytes.length}`,
        });
      else response.writeHead(200, headers);
      if (options.cutAt === undefined || part.length <= options.cutAt)
        return void response.end(part);
      response.write(part.subarray(0, options.cutAt), () =>
        setTimeout(() => response.destroy(), 20),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => new Promise((resolve) => server.close(resolve)));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/disk`;
    return { url, asked, state };
  }
  const begin = async ({ people }: Appliance, body: object) =>
    (await people.as('operator')('POST', '/image-uploads', { body })).body.id as string;

  it('goes on where the connection broke, as long as the source has the same file', async () => {
    const at = await appliance();
    const bytes = randomBytes(3_000_000);
    const { url, asked } = await source(bytes, { cutAt: 1_000_000 });
    const id = await begin(at, { from: url });
    expect(await at.made.until(id, 'stored', 'failed')).toMatchObject({
      ...{ state: 'stored', sha256: sha256(bytes), sizeBytes: bytes.length },
    });
    // What was on its way when a connection broke may be lost with it; what had come is not asked for again.
    const starts = asked.map(({ range }) => Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0));
    expect(starts.length).toBeGreaterThanOrEqual(3);
    expect(starts[0]).toBe(0);
    expect(new Set(starts).size).toBe(starts.length);
    expect([...starts].sort((a, b) => a - b)).toEqual(starts);
    expect(at.made.world.eventNames()).toContain('image.received');
  });
  it('begins again when the source has another file by then', async () => {
    const at = await appliance();
    const { url, asked, state } = await source(randomBytes(3_000_000), { cutAt: 2_000_000 });
    const id = await begin(at, { from: url });
    while (asked.length < 1) await tick();
    state.bytes = randomBytes(1_500_000);
    state.etag = '"2"';
    expect(await at.made.until(id, 'stored', 'failed')).toMatchObject({
      ...{ state: 'stored', sha256: sha256(state.bytes), sizeBytes: 1_500_000 },
    });
  });
  it('gives up with the cause', async () => {
    const at = await appliance();
    const { url, state, asked } = await source(randomBytes(1000));
    state.status = 404;
    const missing = await begin(at, { from: url });
    expect(await at.made.until(missing, 'failed')).toMatchObject({ code: 'IMPORT_MISSING' });
    expect(asked).toHaveLength(1);
    state.status = 503;
    const busy = await begin(at, { from: url });
    const failed = await at.made.until(busy, 'failed');
    expect(failed).toMatchObject({ code: 'IMPORT_FAILED' });
    expect(failed.detail).toMatch(/HTTP 503/);
    expect(asked).toHaveLength(1 + 8);
    state.status = 200;
    const wrong = await begin(at, { from: url, sha256: 'a'.repeat(64) });
    expect(await at.made.until(wrong, 'failed')).toMatchObject({ code: 'IMAGE_MISMATCH' });
  });
  it('of a local file takes it from the one folder only', async () => {
    const at = await appliance();
    writeFileSync(join(at.dir, 'disk'), 'bytes');
    const id = await begin(at, { from: 'disk' });
    expect(await at.made.until(id, 'stored', 'failed')).toMatchObject({ sha256: sha256('bytes') });
    for (const [from, code] of [
      ['../../../../etc/passwd', 'IMPORT_MISSING'],
      ['/etc/passwd', 'IMPORT_MISSING'],
      ['file:///etc/passwd', 'IMPORT_REFUSED'],
      ['ftp://example.org/x', 'IMPORT_REFUSED'],
    ])
      expect(await at.made.until(await begin(at, { from }), 'failed'), from).toMatchObject({
        code,
      });
    const shut = openSources({ folder: '', idleMs: 10 });
    const opening = { offsetBytes: 0, tag: '', signal: new AbortController().signal };
    await expect(shut.open('disk', opening)).rejects.toThrow(/names no folder/);
  });
});
