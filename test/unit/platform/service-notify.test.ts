/** What a service manager is told, at a socket of its kind. */
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { loadLibc, SOCK_DGRAM, SOCK_NONBLOCK } from '../../../src/platform/libc.ts';
import { addressOf, notifyService } from '../../../src/platform/service-notify.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const AF_UNIX = 1;

/** @returns what has come to the socket of that name, one datagram at each call */
function listen(socket: string): () => string {
  const libc = loadLibc();
  const address = addressOf(socket);
  if (!libc || !address) throw new Error('no libc here');
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  onTestFinished(() => void libc.close(fd));
  expect(libc.bind(fd, address, address.length)).toBe(0);
  const bytes = Buffer.alloc(4096);
  return () => bytes.toString('utf8', 0, Math.max(0, libc.read(fd, bytes, bytes.length)));
}

it('is one datagram, by a path or by a name in no file system', () => {
  const path = join(temporaryFolder('notify'), 'notify');
  for (const socket of [path, `@reveille-test-${process.pid}`]) {
    const heard = listen(socket);
    expect(notifyService(socket, { state: 'ready', status: 'serves\nlon' })).toBeUndefined();
    expect(heard()).toBe('READY=1\nSTATUS=serves lon\n');
    expect(notifyService(socket, { state: 'stopping', status: 'SIGTERM' })).toBeUndefined();
    expect(heard()).toBe('STOPPING=1\nSTATUS=SIGTERM\n');
    expect(heard()).toBe('');
  }
});

const tell = (socket?: string) => notifyService(socket, { state: 'ready', status: '' });

it('goes nowhere without a manager', () => {
  expect(tell(undefined)).toBeUndefined();
  expect(tell('')).toBeUndefined();
});

it('says why a manager that waits cannot be told', () => {
  for (const socket of ['relative', '/', `/${'x'.repeat(200)}`])
    expect(tell(socket)).toBe(`NOTIFY_SOCKET is no address of a socket: ${socket}`);
  // ENOENT and ECONNREFUSED.
  expect(tell('/nowhere/notify')).toBe('sendto /nowhere/notify: errno 2');
  expect(tell('@reveille-test-nobody')).toBe('sendto @reveille-test-nobody: errno 111');
});
