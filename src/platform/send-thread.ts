/**
 * The thread that moves files to sockets: one epoll(7) set, one sendfile(2) for each socket that has room, round and
 * round, as a web server's worker does it. It is all system calls: no byte of a file comes into this process, the event
 * loop of the daemon takes no part, and a file that has to come from a slow disk delays other downloads of this thread
 * only.
 *
 * A job is a duplicate of a socket's descriptor, a file's descriptor that nobody else reads from, and a part of it. It
 * ends when the part is moved, when the connection or the file fails, or when nothing has moved for too long; what is
 * left is told to the daemon, which closes both descriptors. Nothing in here closes what it was lent.
 */
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import koffi from 'koffi';

export interface SendJob {
  readonly id: number;
  readonly socketFd: number;
  readonly fileFd: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** `left` are the bytes that were not moved. */
export interface SendDone {
  readonly id: number;
  readonly leftBytes: number;
}

export interface SendThreadData {
  readonly port: MessagePort;
  /** An eventfd(2): written to when there is a message. */
  readonly wakeFd: number;
  readonly idleMs: number;
}

interface Running extends SendJob {
  leftBytes: number;
  movedAt: number;
}

const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;
const EPOLLOUT = 4;
/** struct epoll_event is packed on x86-64 only. */
const EVENT = process.arch === 'x64' ? { bytes: 12, data: 4 } : { bytes: 16, data: 8 };
const EVENTS_MAX = 64;
const SWEEP_MS = 1000;
const EINTR = 4;
const EAGAIN = 11;
/** One turn of one socket: about what its buffer takes, and under a millisecond of work. */
const TURN_BYTES = 1_048_576;

const libc = koffi.load('libc.so.6');
const epollCreate = libc.func('int epoll_create1(int flags)');
const epollCtl = libc.func('int epoll_ctl(int set, int operation, int fd, const void *event)');
const epollWait = libc.func('int epoll_wait(int set, void *events, int max, int timeout)');
const sendfile = libc.func('int64_t sendfile(int out, int in, void *offset, size_t count)');
const lseek = libc.func('int64_t lseek(int fd, int64_t offset, int whence)');
const read = libc.func('int64_t read(int fd, void *into, size_t count)');
const close = libc.func('int close(int fd)');

function serve({ port, wakeFd, idleMs }: SendThreadData): void {
  const set = epollCreate(EPOLL_CLOEXEC) as number;
  const jobs = new Map<number, Running>();
  const events = Buffer.alloc(EVENT.bytes * EVENTS_MAX);
  const watch = (operation: number, fd: number, interest: number) => {
    const event = Buffer.alloc(EVENT.bytes);
    event.writeUInt32LE(interest, 0);
    event.writeInt32LE(fd, EVENT.data);
    return epollCtl(set, operation, fd, event) as number;
  };
  const finish = (job: Running) => {
    watch(EPOLL_CTL_DEL, job.socketFd, 0);
    jobs.delete(job.socketFd);
    port.postMessage({ id: job.id, leftBytes: job.leftBytes } satisfies SendDone);
  };
  const begin = (job: SendJob, now: number) => {
    const running = { ...job, leftBytes: job.lengthBytes, movedAt: now };
    jobs.set(job.socketFd, running);
    const ready =
      Number(lseek(job.fileFd, job.offsetBytes, 0)) === job.offsetBytes &&
      watch(EPOLL_CTL_ADD, job.socketFd, EPOLLOUT) === 0;
    if (!ready) finish(running);
  };
  const turn = (job: Running, now: number) => {
    const wantBytes = Math.min(job.leftBytes, TURN_BYTES);
    const moved = Number(sendfile(job.socketFd, job.fileFd, null, wantBytes));
    if (moved > 0) {
      job.leftBytes -= moved;
      job.movedAt = now;
      if (job.leftBytes === 0) finish(job);
    } else if (moved === 0 || ![EAGAIN, EINTR].includes(koffi.errno())) finish(job);
  };

  watch(EPOLL_CTL_ADD, wakeFd, EPOLLIN);
  const eight = Buffer.alloc(8);
  let sweptAt = Date.now();
  for (;;) {
    const count = epollWait(set, events, EVENTS_MAX, jobs.size > 0 ? SWEEP_MS : -1) as number;
    const now = Date.now();
    for (let at = 0; at < count; at++) {
      const fd = events.readInt32LE(at * EVENT.bytes + EVENT.data);
      if (fd === wakeFd) {
        read(wakeFd, eight, eight.length);
        for (let got = receiveMessageOnPort(port); got; got = receiveMessageOnPort(port)) {
          if (got.message === 'stop') {
            close(set);
            port.close();
            return;
          }
          begin(got.message as SendJob, now);
        }
      } else {
        const job = jobs.get(fd);
        if (job) turn(job, now);
      }
    }
    if (now - sweptAt < SWEEP_MS) continue;
    sweptAt = now;
    for (const job of jobs.values()) if (now - job.movedAt > idleMs) finish(job);
  }
}

serve(workerData as SendThreadData);
