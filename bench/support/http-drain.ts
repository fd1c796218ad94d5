/**
 * A client that pulls one file over and over on many connections and throws the bytes away inside the kernel.
 *
 * `recv(2)` with MSG_TRUNC takes bytes off a TCP socket without copying them (tcp(7)), so that what bounds a measurement
 * is the server, not the reader. One process, one `poll(2)`, no library but the FFI. Lengths are counted: a body that
 * ends early, or an answer that is not 200 with a Content-Length, ends the run with an error.
 *
 *     node bench/support/http-drain.ts ADDRESS PORT PATH CONNECTIONS SECONDS
 *
 * Prints one line of JSON: bytes, seconds, downloads that were complete.
 */
import koffi from 'koffi';

const AF_INET = 2;
const SOCK_STREAM = 1;
const MSG_PEEK = 0x02;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const MSG_WAITALL = 0x100;
const POLLIN = 1;
const POLLFD_BYTES = 8;
const RECV_BYTES = 4_194_304;
const EAGAIN = 11;
const EINTR = 4;

const libc = koffi.load('libc.so.6');
const socket = libc.func('int socket(int, int, int)');
const connect = libc.func('int connect(int, const void *, uint32_t)');
const send = libc.func('int64_t send(int, const void *, size_t, int)');
const recv = libc.func('int64_t recv(int, void *, size_t, int)');
const poll = libc.func('int poll(void *, unsigned long, int)');

interface Pull {
  readonly fd: number;
  leftBytes: number;
}

function main([address = '', port = '', path = '', connections = '1', seconds = '1']: string[]) {
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: ${address}\r\n\r\n`);
  const scratch = Buffer.alloc(65_536);
  const pulls = Array.from({ length: Number(connections) }, (): Pull => {
    const fd = dial(address, Number(port));
    return { fd, leftBytes: ask(fd, request, scratch) };
  });
  const polled = Buffer.alloc(pulls.length * POLLFD_BYTES);
  pulls.forEach(({ fd }, index) => {
    polled.writeInt32LE(fd, index * POLLFD_BYTES);
    polled.writeInt16LE(POLLIN, index * POLLFD_BYTES + 4);
  });
  const sink = Buffer.allocUnsafeSlow(RECV_BYTES);
  const started = process.hrtime.bigint();
  const endAt = started + BigInt(Math.round(Number(seconds) * 1e9));
  let bytes = 0;
  let downloads = 0;
  while (process.hrtime.bigint() < endAt) {
    if (poll(polled, pulls.length, 1000) <= 0) throw new Error('nothing came for a second');
    pulls.forEach((pull, index) => {
      if (polled.readInt16LE(index * POLLFD_BYTES + 6) === 0) return;
      const want = Math.min(RECV_BYTES, pull.leftBytes);
      const count = Number(recv(pull.fd, sink, want, MSG_TRUNC | MSG_DONTWAIT));
      if (count < 0 && [EAGAIN, EINTR].includes(koffi.errno())) return;
      if (count <= 0) throw new Error(`the body ended ${pull.leftBytes} bytes early`);
      bytes += count;
      pull.leftBytes -= count;
      if (pull.leftBytes > 0) return;
      downloads += 1;
      pull.leftBytes = ask(pull.fd, request, scratch);
    });
  }
  const took = Number(process.hrtime.bigint() - started) / 1e9;
  process.stdout.write(`${JSON.stringify({ bytes, seconds: took, downloads })}\n`);
}

/** struct sockaddr_in */
function dial(address: string, port: number): number {
  const to = Buffer.alloc(16);
  to.writeUInt16LE(AF_INET, 0);
  to.writeUInt16BE(port, 2);
  to.set(address.split('.').map(Number), 4);
  const fd = socket(AF_INET, SOCK_STREAM, 0) as number;
  if (fd < 0 || connect(fd, to, to.length) !== 0) throw new Error(`connect: ${koffi.errno()}`);
  return fd;
}

/** Sends the request and takes the head of the answer off the socket. @returns the length of the body to come */
function ask(fd: number, request: Buffer, scratch: Buffer): number {
  if (Number(send(fd, request, request.length, 0)) !== request.length) throw new Error('send');
  for (;;) {
    // Looked at first, so that no byte of the body is taken along.
    const seen = Number(recv(fd, scratch, scratch.length, MSG_PEEK));
    if (seen <= 0) throw new Error('closed instead of an answer');
    const text = scratch.toString('latin1', 0, seen);
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) continue;
    recv(fd, scratch, end + 4, MSG_WAITALL);
    const head = text.slice(0, end);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (!head.startsWith('HTTP/1.1 200') || length === undefined) throw new Error(head);
    return Number(length);
  }
}

main(process.argv.slice(2));
