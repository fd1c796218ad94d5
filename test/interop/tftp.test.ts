/**
 * Our TFTP service against clients that nobody here wrote, on a clean link and on a bad one: tftp-hpa, atftp, curl, busybox
 * and the npm client. The bad link is a relay (test/support/lossy-relay.ts), which needs no kernel module; every file is
 * compared byte by byte.
 */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LossyRelay, startLossyRelay } from '../support/lossy-relay.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { startTftpServer, type TestServer } from '../support/tftp-server.ts';

const dir = temporaryFolder('tftp-clients');
const got = join(dir, 'got.bin');
// Sizes around the edges: empty, one block, a multiple of the block size, and more than a chunk of the cache.
const files = {
  'empty.bin': Buffer.alloc(0),
  'small.bin': randomBytes(300),
  'even.bin': randomBytes(512 * 40),
  'boot.bin': randomBytes(1_000_003),
  'short.bin': randomBytes(150_001),
};
type File = keyof typeof files;
const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

function runClient(command: string, ...words: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(command, words, { cwd: dir, timeout: 100_000 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${error.message}\n${stdout}${stderr}`));
      else resolve();
    });
  });
}

const clients: Record<string, (file: File, port: number) => Promise<void>> = {
  'tftp-hpa': (file, port) =>
    runClient('tftp', '-m', 'binary', '127.0.0.1', `${port}`, '-c', 'get', file, got),
  atftp: (file, port) => runClient('atftp', ...atftp(file, port)),
  'atftp, blksize 1468, window 16': (file, port) =>
    runClient('atftp', ...option('blksize 1468'), ...option('windowsize 16'), ...atftp(file, port)),
  'atftp, blksize 1468, window 4': (file, port) =>
    runClient('atftp', ...option('blksize 1468'), ...option('windowsize 4'), ...atftp(file, port)),
  curl: (file, port) => runClient('curl', '-sS', '-o', got, `tftp://127.0.0.1:${port}/${file}`),
  'curl, blksize 1468': (file, port) =>
    runClient('curl', '-sS', ...blksize, '-o', got, `tftp://127.0.0.1:${port}/${file}`),
  'curl, no options': (file, port) =>
    runClient('curl', '-sS', '--tftp-no-options', '-o', got, `tftp://127.0.0.1:${port}/${file}`),
  'busybox, blksize 1468': (file, port) =>
    runClient('busybox', 'tftp', '-g', '-b', '1468', '-r', file, '-l', got, '127.0.0.1', `${port}`),
};
const atftp = (file: File, port: number) =>
  ['--get', '-r', file, '-l', got, '127.0.0.1', `${port}`] as const;
const option = (words: string) => ['--option', words] as const;
const blksize = ['--tftp-blksize', '1468'] as const;

/** xorshift32: the same cable in every run. */
function random(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

let server: TestServer;
beforeAll(async () => {
  server = await startTftpServer(files);
});
afterAll(async () => {
  expect(server.errors).toEqual([]);
  await server.close();
});

async function fetched(client: string, file: File, port: number): Promise<Buffer> {
  writeFileSync(got, 'nothing yet');
  await clients[client]?.(file, port);
  return readFileSync(got);
}

describe('a clean link', () => {
  it.each(Object.keys(clients))('%s gets every file whole', async (client) => {
    for (const file of Object.keys(files) as File[]) {
      // curl leaves no file behind for nothing at all.
      if (file === 'empty.bin' && client.startsWith('curl')) continue;
      expect(sha(await fetched(client, file, server.port)), file).toBe(sha(files[file]));
    }
  });

  it('grants atftp its window', () => {
    const windows = server.events.flatMap((event) =>
      event.name === 'tftp.started' ? [event.data.windowsize] : [],
    );
    expect(windows).toContain(16);
    expect(windows).toContain(4);
  });
});

describe('a link that loses 2 %, repeats 2 % and swaps 5 %', () => {
  const cable = { loss: 0.02, repeat: 0.02, swap: 0.05 };

  it.each(Object.keys(clients))('%s gets a file whole', async (client) => {
    let relay: LossyRelay | undefined;
    try {
      relay = await startLossyRelay(server.port, cable, random(20_261_121));
      expect(sha(await fetched(client, 'short.bin', relay.port))).toBe(sha(files['short.bin']));
      expect(relay.lost).toBeGreaterThan(0);
    } finally {
      relay?.close();
    }
  });

  it('the npm client gets a file whole in lockstep', async () => {
    // With windows it writes blocks in the order of arrival (its sort is behind a misspelled `_windowsSize`), so only
    // lockstep says anything about a server.
    const relay = await startLossyRelay(server.port, cable, random(7));
    const require = createRequire(import.meta.url);
    const peer = require('tftp') as {
      createClient(options: object): { createGetStream(file: string): NodeJS.ReadableStream };
    };
    const at = { host: '127.0.0.1', port: relay.port, windowSize: 1, timeout: 200 };
    const stream = peer.createClient(at).createGetStream('short.bin');
    const chunks: Buffer[] = [];
    await new Promise((resolve, reject) => {
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', reject);
      stream.on('close', resolve);
    });
    relay.close();
    expect(sha(Buffer.concat(chunks))).toBe(sha(files['short.bin']));
    expect(relay.lost).toBeGreaterThan(0);
  });
});
