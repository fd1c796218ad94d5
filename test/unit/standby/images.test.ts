/** Files of images on a follower: fetched in pieces, gone on with after a break, and kept only when they are what they should be. */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import pino from 'pino';
import { afterEach, expect, it, vi } from 'vitest';
import { followImages } from '../../../src/daemon/standby-images.ts';
import type { Line } from '../../../src/daemon/standby-line.ts';
import { askForPieces, sendPiece } from '../../../src/daemon/standby-pieces.ts';
import type { Blob } from '../../../src/inventory/image-blobs.ts';
import { checkImageFile } from '../../../src/platform/image-check.ts';
import { type ImageFolder, openImageFolder } from '../../../src/platform/image-folder.ts';
import type { StandbyMessage } from '../../../src/standby/protocol.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

function folderOf(name: string) {
  return openImageFolder(temporaryFolder(name));
}

const PIECE = 262_144;

/** An active one with a file of some pieces, and a follower whose line breaks when it is told to. */
async function pair({ breaksAfter = Number.POSITIVE_INFINITY, isSilent = false } = {}) {
  const [active, here] = [folderOf('active'), folderOf('follower')];
  const content = randomBytes(5 * PIECE + 77);
  const sha256 = createHash('sha256').update(content).digest('hex');
  const id = '0'.repeat(36);
  const file = await active.openIncoming(id, 0);
  await file.write(content);
  await file.close();
  active.keep(id, sha256);
  const wanted: number[] = [];
  let left = breaksAfter;
  const line: Pick<Line, 'send' | 'sendRaw'> = {
    send: (message) => message.kind === 'piece' && pieces.heard(message),
    sendRaw: (bytes) => void pieces.bytes(bytes),
  };
  const pieces = askForPieces((message: StandbyMessage) => {
    if (message.kind !== 'want') return false;
    wanted.push(message.offset);
    left -= 1;
    if (isSilent) return true;
    if (left < 0) setImmediate(pieces.cut);
    else void sendPiece(active, line as Line, message);
    return true;
  });
  const blob: Blob = {
    ...{ sha256, sizeBytes: content.length, compression: 'none', damaged: '' },
    ...{ contentSha256: sha256, contentBytes: content.length },
    ...{ storedAt: 0 as Millis, unusedSince: 0 as Millis },
  };
  const start = (blobs: readonly Blob[] = [blob], bytesPerSecond = 0) => {
    const images = followImages({
      ...{ folder: here, log: pino({ level: 'silent' }), bytesPerSecond },
      ...{ piece: pieces.ask, check: checkImageFile, isCurrent: () => true },
      blobs: () => blobs,
      pause: async () => undefined,
    });
    stops.push(images.stop);
    images.wake();
    return images;
  };
  const mend = () => {
    left = Number.POSITIVE_INFINITY;
  };
  return { active, here, content, sha256, blob, wanted, start, mend };
}

it('are copied piece by piece, whole and with the right name', async () => {
  const { here, content, sha256, wanted, start } = await pair();
  start();
  await expect.poll(() => here.keptBytes(sha256), { timeout: 10_000 }).toBe(content.length);
  expect(readFileSync(here.keptPath(sha256)).equals(content)).toBe(true);
  expect(wanted).toEqual([0, 1, 2, 3, 4, 5].map((n) => n * PIECE));
});

it('go on where the line broke, also by another follower process', async () => {
  const world = await pair({ breaksAfter: 3 });
  const first = world.start();
  await expect.poll(() => world.wanted.length, { timeout: 10_000 }).toBeGreaterThan(3);
  await first.stop();
  world.mend();
  world.wanted.length = 0;
  const images = world.start();
  const { here, sha256, content } = world;
  await expect.poll(() => here.keptBytes(sha256), { timeout: 10_000 }).toBe(content.length);
  expect(world.wanted[0]).toBe(3 * PIECE);
  expect(readFileSync(here.keptPath(sha256)).equals(content)).toBe(true);
  expect(images.missing()).toEqual({ files: 0, bytes: 0 });
});

it('have no name when they are other files than the copy says, or are not there', async () => {
  const { here, active, sha256, blob, wanted, start } = await pair();
  const file = await active.openIncoming('1'.repeat(36), 0);
  await file.write(randomBytes(blob.sizeBytes));
  await file.close();
  active.keep('1'.repeat(36), sha256);
  const absent = { ...blob, sha256: 'f'.repeat(64) };
  const images = start([blob, absent]);
  await expect.poll(() => wanted.length, { timeout: 10_000 }).toBe(7);
  await images.stop();
  expect(here.keptBytes(sha256)).toBeUndefined();
  expect(here.incomingBytes(sha256.slice(0, 36))).toBeUndefined();
  expect(images.missing()).toMatchObject({ files: 2 });
});

it('stop at once, though the active one does not answer', async () => {
  const { wanted, start } = await pair({ isSilent: true });
  const images = start();
  await expect.poll(() => wanted.length, { timeout: 10_000 }).toBe(1);
  await images.stop();
  expect(wanted).toEqual([0]);
});

it('stop at once in a pause that is to hold them back', async () => {
  const { here, sha256, wanted, start } = await pair();
  const images = start(undefined, 1);
  await expect.poll(() => here.incomingBytes(sha256.slice(0, 36)), { timeout: 10_000 }).toBe(PIECE);
  await images.stop();
  expect(wanted).toEqual([0]);
});

it('answers for a file that cannot be read, and tells why', async () => {
  const folder = { keptBytes: () => 5, keptPath: () => '/' } as unknown as ImageFolder;
  const send = vi.fn();
  const asked = { kind: 'want', sha256: 'ab', offset: 0 } as const;
  await expect(sendPiece(folder, { send } as unknown as Line, asked)).rejects.toThrow('EISDIR');
  expect(send).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ lengthBytes: 0 }));
});
