import { expect, it } from 'vitest';
import { loadDatagramCalls, openWaker } from '../../../src/platform/datagram-calls.ts';
import { type Libc, loadLibc, POLLIN } from '../../../src/platform/libc.ts';

it('a waker ends a wait, once for all that woke', () => {
  const libc = loadLibc();
  if (!libc) throw new Error('this test needs koffi');
  const calls = loadDatagramCalls(libc);
  const waker = openWaker(libc);
  const fds = Buffer.alloc(8);
  fds.writeInt32LE(waker.fd, 0);
  fds.writeInt16LE(POLLIN, 4);
  expect(calls.poll(fds, 1, 0)).toBe(0);
  waker.wake();
  waker.wake();
  expect(calls.poll(fds, 1, 0)).toBe(1);
  calls.read8(waker.fd);
  expect(calls.poll(fds, 1, 0)).toBe(0);
  waker.close();
});

it('a waker that was closed writes to nobody: its number may be that of a file by then', () => {
  const made: string[] = [];
  const libc = {
    eventfd: () => 7,
    write: (fd: number) => made.push(`write ${fd}`),
    close: (fd: number) => made.push(`close ${fd}`),
  } as unknown as Libc;
  const waker = openWaker(libc);
  waker.wake();
  waker.close();
  waker.wake();
  waker.close();
  expect(made).toEqual(['write 7', 'close 7']);
});
