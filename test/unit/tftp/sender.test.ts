/** How the batched sender hands runs of blocks to the kernel, and what it does when the kernel refuses. */
import { expect, it } from 'vitest';
import type { DatagramCalls } from '../../../src/platform/datagram-calls.ts';
import { createSender } from '../../../src/platform/datagram-sender.ts';

const ERRNO = { EIO: 5, EPERM: 1, ECONNREFUSED: 111 };
const client = { ip: 0x0a4d0064, port: 2070 };
const run = (first: number, count: number) => ({
  ...{ first, count, blksizeBytes: 1000, rollover: 0 as const, sizeBytes: 50_000 },
  ...{ chunk: new Uint8Array(50_000), chunkOffset: 0, next: undefined },
});

/** A kernel that notes what it was asked to send; `answers` are errors to give first, 0 for none. */
function fakeKernel(answers: number[] = []) {
  const sent: { vectors: number; segmented: boolean }[] = [];
  const memory = new Map<bigint, Uint8Array>();
  let [errno, end] = [0, 4096n];
  const calls = {
    addressOf(bytes: Uint8Array) {
      const at = end;
      memory.set(at, bytes);
      end += BigInt(bytes.length);
      return at;
    },
    errno: () => errno,
    sendmmsg(_fd: number, at: bigint, count: number) {
      errno = answers.shift() ?? 0;
      if (errno !== 0) return -1;
      const [start, headers] = [...memory].findLast(([start]) => start <= at) ?? [
        at,
        new Uint8Array(),
      ];
      const view = new DataView(headers.buffer, headers.byteOffset + Number(at - start));
      for (let index = 0; index < count; index++) {
        const vectors = view.getUint32(index * 64 + 24, true);
        sent.push({ vectors, segmented: view.getUint32(index * 64 + 40, true) > 0 });
      }
      return count;
    },
  } as unknown as DatagramCalls;
  let unsent = 0;
  const sender = createSender(calls, 3, (count) => {
    unsent += count;
  });
  return { sent, sender, unsent: () => unsent };
}

it('makes one segmented message of a run, and a plain one of a single block', () => {
  const { sent, sender } = fakeKernel();
  sender.blocks(client, run(1, 16));
  sender.blocks(client, run(17, 1));
  sender.packet(client, Buffer.from('an error'));
  sender.flush();
  expect(sent).toEqual([
    { vectors: 32, segmented: true },
    { vectors: 2, segmented: false },
    { vectors: 1, segmented: false },
  ]);
});

it('sends every block by itself once segmentation was refused, and loses only that run', () => {
  const { sent, sender } = fakeKernel([ERRNO.EIO]);
  sender.blocks(client, run(1, 4));
  sender.packet(client, Buffer.from('an error'));
  sender.flush();
  expect(sent).toEqual([{ vectors: 1, segmented: false }]);
  sender.blocks(client, run(1, 4));
  sender.flush();
  expect(sent.slice(1)).toEqual(Array(4).fill({ vectors: 2, segmented: false }));
});

it('tries a message again when the network’s answer to another one got in the way', () => {
  const { sent, sender } = fakeKernel([ERRNO.ECONNREFUSED, ERRNO.ECONNREFUSED]);
  sender.blocks(client, run(1, 4));
  sender.flush();
  expect(sent).toEqual([{ vectors: 8, segmented: true }]);
});

it('gives up one message that cannot be sent, counts it, and goes on with the next', () => {
  const { sent, sender, unsent } = fakeKernel([ERRNO.EPERM]);
  sender.packet(client, Buffer.from('first'));
  sender.blocks(client, run(1, 4));
  sender.flush();
  expect(sent).toEqual([{ vectors: 8, segmented: true }]);
  expect(unsent()).toBe(1);
});

it('counts all that it gives up when the kernel goes on to refuse', () => {
  const { sent, sender, unsent } = fakeKernel(Array(100).fill(ERRNO.EPERM));
  for (let index = 0; index < 50; index++) sender.packet(client, Buffer.from('an error'));
  sender.flush();
  expect([sent, unsent()]).toEqual([[], 50]);
});

it('sends more than fits into one batch in several', () => {
  const { sent, sender } = fakeKernel();
  for (let index = 0; index < 1000; index++) sender.blocks(client, run(1, 32));
  sender.flush();
  expect(sent).toHaveLength(1000);
  expect(new Set(sent.map(({ vectors }) => vectors))).toEqual(new Set([64]));
});
