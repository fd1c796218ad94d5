/**
 * Many TFTP clients in one process, as lean as TypeScript can be: the load of bench/tftp.ts, the same for every server.
 *
 * Each client has a socket and an address of its own. One poll(2) waits for all; what a socket holds is taken with one
 * recvmmsg(2). Clients follow RFC 1350 and 7440: an ACK for each window, at once for a gap, again after a second. Blocks
 * are checked for order and length; with `verify` every byte goes through SHA-256, which is too slow to be timed beside.
 * With `loss`, that share of the datagrams is thrown away in both directions, as a bad cable would.
 *
 * Run as a program it takes its plan as JSON and prints its result as JSON.
 */
import { createHash, type Hash } from 'node:crypto';
import { type DatagramCalls, loadDatagramCalls } from '../src/platform/datagram-calls.ts';
import { createReceiver, type DatagramReceiver, SLOTS } from '../src/platform/datagram-receiver.ts';
import {
  AF_INET,
  int32,
  type Libc,
  loadLibc,
  POLLIN,
  SO_RCVBUF,
  SOCK_DGRAM,
  SOL_SOCKET,
} from '../src/platform/libc.ts';
import { encodeAck, encodeRequest, OPCODE } from '../src/tftp/packet.ts';
import { parseIpv4 } from '../src/wire/ipv4.ts';

export interface Plan {
  readonly server: string;
  readonly port: number;
  readonly file: string;
  readonly sizeBytes: number;
  /** One client for each of these addresses. */
  readonly addresses: readonly string[];
  readonly blksize: number;
  readonly windowsize: number;
  readonly verify: boolean;
  /** Share of datagrams that are lost, in each direction. */
  readonly loss: number;
  readonly timeoutMs: number;
  /** Fetched by one client before, untimed: code of ours that is not compiled yet must not be what is measured. */
  readonly warmUp?: Pick<Plan, 'file' | 'sizeBytes'>;
}

export interface Result {
  readonly seconds: number;
  /** From request to last block, of each client that succeeded. */
  readonly transferMs: readonly number[];
  readonly failures: readonly string[];
  /** SHA-256 of what each client got, when verified. */
  readonly digests: readonly string[];
  /** Times that a client had to repeat itself. */
  readonly repeats: number;
  /** The window that the server granted. */
  readonly windowsize: number;
}

const RETRY_MS = 1000;

/** xorshift32: the same losses in every run. */
function random(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

class Client {
  readonly fd: number;
  readonly startedAt = performance.now();
  endedAt = 0;
  failure: string | undefined;
  repeats = 0;
  windowsize = 1;
  saidAt = 0;
  readonly hash: Hash | undefined;
  private readonly libc: Libc;
  private readonly plan: Plan;
  private readonly lost: () => boolean;
  private readonly to = Buffer.alloc(16);
  private readonly ack = Buffer.from(encodeAck(0));
  private said: Uint8Array;
  private serverPort = 0;
  private blksize = 512;
  private received = 0;
  private bytes = 0;
  private inWindow = 0;
  /** The block after which a gap was reported already. */
  private reportedGap = -1;

  constructor(libc: Libc, plan: Plan, options: { address: string; lost: () => boolean }) {
    this.libc = libc;
    this.plan = plan;
    this.lost = options.lost;
    this.hash = plan.verify ? createHash('sha256') : undefined;
    this.fd = libc.socket(AF_INET, SOCK_DGRAM, 0);
    libc.setsockopt(this.fd, SOL_SOCKET, SO_RCVBUF, int32(1 << 20), 4);
    const name = Buffer.alloc(16);
    name.writeUInt16LE(AF_INET, 0);
    name.writeUInt32BE(parseIpv4(options.address) ?? 0, 4);
    if (this.fd < 0 || libc.bind(this.fd, name, 16) !== 0) {
      throw new Error(`a socket on ${options.address}: error ${libc.errno()}`);
    }
    this.to.writeUInt16LE(AF_INET, 0);
    this.to.writeUInt16BE(plan.port, 2);
    this.to.writeUInt32BE(parseIpv4(plan.server) ?? 0, 4);
    const words = { blksize: `${plan.blksize}`, tsize: '0', windowsize: `${plan.windowsize}` };
    const asked = new Map(Object.entries(words).slice(0, plan.windowsize > 1 ? 3 : 2));
    this.said = encodeRequest({
      ...{ opcode: OPCODE.rrq, file: plan.file, mode: 'octet', options: asked },
    });
    this.say(this.said);
  }

  get over(): boolean {
    return this.endedAt > 0;
  }

  say(bytes: Uint8Array): void {
    this.said = bytes;
    this.saidAt = performance.now();
    if (this.lost()) return;
    this.libc.sendto(this.fd, bytes, bytes.length, 0, this.to, 16);
  }

  again(): void {
    this.repeats += 1;
    this.say(this.said);
  }

  fail(why: string): void {
    this.failure = why;
    this.endedAt = performance.now();
  }

  take(packet: Uint8Array, port: number): void {
    if (this.over || this.lost()) return;
    if (this.serverPort === 0) {
      this.serverPort = port;
      this.to.writeUInt16BE(port, 2);
    }
    if (port !== this.serverPort || packet.length < 4) return;
    const opcode = packet[1];
    if (opcode === OPCODE.data) this.data(packet);
    else if (opcode === OPCODE.oack) this.oack(packet);
    else this.fail(Buffer.from(packet.subarray(4)).toString('latin1').replace(/\0.*/s, ''));
  }

  private oack(packet: Uint8Array): void {
    if (this.received > 0) return;
    const words = Buffer.from(packet.subarray(2)).toString('latin1').split('\0');
    const value = (name: string) => Number(words[words.indexOf(name) + 1]);
    if (words.includes('blksize')) this.blksize = value('blksize');
    if (words.includes('windowsize')) this.windowsize = value('windowsize');
    if (words.includes('tsize') && value('tsize') !== this.plan.sizeBytes) this.fail('wrong tsize');
    this.acknowledge();
  }

  private data(packet: Uint8Array): void {
    const block = ((packet[2] ?? 0) << 8) | (packet[3] ?? 0);
    if (block !== ((this.received + 1) & 0xffff)) {
      // A gap is reported once. The last block once more means that its ACK was lost: it is said again.
      const ahead = (block - this.received - 1) & 0xffff;
      const gap = ahead < 0x8000 && this.reportedGap !== this.received;
      if (gap) this.reportedGap = this.received;
      if (gap || ahead === 0xffff) this.acknowledge();
      return;
    }
    this.received += 1;
    this.inWindow += 1;
    this.bytes += packet.length - 4;
    this.hash?.update(packet.subarray(4));
    const last = packet.length - 4 < this.blksize;
    if (last || this.inWindow >= this.windowsize) this.acknowledge();
    if (!last) return;
    this.endedAt = performance.now();
    if (this.bytes !== this.plan.sizeBytes) this.failure = `${this.bytes} bytes`;
  }

  private acknowledge(): void {
    this.inWindow = 0;
    this.ack[2] = (this.received >>> 8) & 0xff;
    this.ack[3] = this.received & 0xff;
    this.say(this.ack);
  }
}

export function load(plan: Plan, libc: Libc, calls: DatagramCalls): Result {
  const receiver = createReceiver(calls, plan.blksize + 64);
  const chance = random(20_261_121);
  const lost = plan.loss > 0 ? () => chance() < plan.loss : () => false;
  const startedAt = performance.now();
  const clients = plan.addresses.map((address) => new Client(libc, plan, { address, lost }));
  let waiting = [...clients];
  while (waiting.length > 0) {
    serve(waiting, receiver, calls);
    const now = performance.now();
    for (const client of waiting) {
      if (client.over) continue;
      if (now - startedAt > plan.timeoutMs) client.fail('too slow');
      else if (now - client.saidAt > RETRY_MS) client.again();
    }
    if (waiting.some((client) => client.over)) {
      waiting = waiting.filter((client) => !client.over);
    }
  }
  const seconds = (performance.now() - startedAt) / 1000;
  for (const { fd } of clients) libc.close(fd);
  const good = clients.filter((client) => client.failure === undefined);
  return {
    seconds,
    transferMs: good.map((client) => client.endedAt - client.startedAt),
    failures: clients.flatMap((client) => client.failure ?? []),
    digests: good.flatMap((client) => client.hash?.digest('hex') ?? []),
    repeats: clients.reduce((sum, client) => sum + client.repeats, 0),
    windowsize: clients[0]?.windowsize ?? 0,
  };
}

/** Waits for these clients' sockets until one of them is over. */
function serve(clients: readonly Client[], receiver: DatagramReceiver, calls: DatagramCalls): void {
  const fds = Buffer.alloc(clients.length * 8);
  const found = new Int16Array(fds.buffer, fds.byteOffset, fds.length / 2);
  clients.forEach(({ fd }, index) => {
    fds.writeInt32LE(fd, index * 8);
    fds.writeInt16LE(POLLIN, index * 8 + 4);
  });
  for (;;) {
    const ready = calls.poll(fds, clients.length, 100);
    if (ready <= 0) return;
    let ended = false;
    for (let index = 0; index < clients.length; index++) {
      const client = clients[index];
      if (((found[index * 4 + 3] ?? 0) & POLLIN) === 0 || !client) continue;
      for (let count = SLOTS; count === SLOTS; ) {
        count = receiver.receive(client.fd);
        for (let slot = 0; slot < count; slot++) {
          client.take(receiver.bytes(slot), receiver.sender(slot).port);
        }
      }
      ended ||= client.over;
    }
    if (ended || performance.now() - (clients[0]?.saidAt ?? 0) > RETRY_MS) return;
  }
}

if (process.argv[1] === import.meta.filename) {
  const libc = loadLibc();
  const calls = libc && loadDatagramCalls(libc);
  if (!libc || !calls) throw new Error('the load generator needs koffi');
  const plan = JSON.parse(process.argv[2] ?? '{}') as Plan;
  if (plan.warmUp) {
    const first = { ...plan, ...plan.warmUp, addresses: plan.addresses.slice(0, 1) };
    load({ ...first, verify: false, loss: 0 }, libc, calls);
  }
  process.stdout.write(`${JSON.stringify(load(plan, libc, calls))}\n`);
}
