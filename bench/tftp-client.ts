/**
 * Many TFTP clients in one process, as lean as TypeScript can be: the load of bench/tftp.ts, the same for every server.
 *
 * Each client has an address of its own; they share a socket and its calls (tftp-crowd.ts). Clients follow RFC 1350 and 7440: an ACK for each window, at once for a gap, again after a second. Blocks
 * are checked for order and length; with `verify` every byte goes through SHA-256, which is too slow to be timed beside.
 * With `loss`, that share of the datagrams is thrown away in both directions, as a bad cable would.
 *
 * Run as a program it takes its plan as JSON and prints its result as JSON.
 */
import { createHash, type Hash } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { type DatagramCalls, loadDatagramCalls } from '../src/platform/datagram-calls.ts';
import { type Libc, loadLibc } from '../src/platform/libc.ts';
import { encodeAck, encodeRequest, OPCODE } from '../src/tftp/packet.ts';
import { type Ipv4, parseIpv4 } from '../src/wire/ipv4.ts';
import { openCrowdSocket } from './tftp-crowd.ts';

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
  /** Fetched before, untimed: code of ours that is not compiled yet must not be what is measured. */
  readonly warmUp?: Pick<Plan, 'file' | 'sizeBytes' | 'addresses'>;
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
/** Between warming up and the start: what a server still has to do for the one is not to be counted with the other. */
const REST_MS = 100;
/** How often clients are looked through for those that wait too long. */
const LOOK_MS = 20;

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

interface ClientOptions {
  lost(): boolean;
  send(port: number, bytes: Uint8Array): void;
}

class Client {
  readonly startedAt = performance.now();
  endedAt = 0;
  failure: string | undefined;
  repeats = 0;
  windowsize = 1;
  saidAt = 0;
  readonly hash: Hash | undefined;
  private readonly plan: Plan;
  private readonly lost: () => boolean;
  private readonly send: (port: number, bytes: Uint8Array) => void;
  private readonly ack = Buffer.from(encodeAck(0));
  private said: Uint8Array;
  private serverPort = 0;
  private blksize = 512;
  private received = 0;
  private bytes = 0;
  private inWindow = 0;
  /** The block after which a gap was reported already. */
  private reportedGap = -1;

  constructor(plan: Plan, { lost, send }: ClientOptions) {
    this.plan = plan;
    this.lost = lost;
    this.send = send;
    this.hash = plan.verify ? createHash('sha256') : undefined;
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
    this.send(this.serverPort || this.plan.port, bytes);
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
    if (this.serverPort === 0) this.serverPort = port;
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
  const addresses = plan.addresses.map((text) => ipv4(text));
  const datagramBytes = plan.blksize + 64;
  const crowd = { addresses, server: ipv4(plan.server), datagramBytes };
  const socket = openCrowdSocket(libc, calls, crowd);
  const chance = random(20_261_121);
  const lost = plan.loss > 0 ? () => chance() < plan.loss : () => false;
  const startedAt = performance.now();
  const clients = addresses.map(
    (_, index) =>
      new Client(plan, { lost, send: (port, bytes) => socket.send(index, port, bytes) }),
  );
  socket.flush();
  const hear = (index: number, packet: Uint8Array, port: number) => {
    const client = clients[index];
    if (!client) return;
    client.take(packet, port);
    if (client.over) ended = true;
  };
  let ended = false;
  let lookedAt = startedAt;
  for (let waiting = [...clients]; waiting.length > 0; ) {
    const count = socket.receive(hear);
    const now = performance.now();
    if (count > 0 && !ended && now - lookedAt < LOOK_MS) continue;
    ended = false;
    lookedAt = now;
    for (const client of waiting) {
      if (client.over) continue;
      if (now - startedAt > plan.timeoutMs) client.fail('too slow');
      else if (now - client.saidAt > RETRY_MS) client.again();
    }
    socket.flush();
    waiting = waiting.filter((client) => !client.over);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  socket.close();
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

/** @throws Error when it is none */
function ipv4(text: string): Ipv4 {
  const address = parseIpv4(text);
  if (address === undefined) throw new Error(`no address: ${text}`);
  return address;
}

if (process.argv[1] === import.meta.filename) {
  const libc = loadLibc();
  const calls = libc && loadDatagramCalls(libc);
  if (!libc || !calls) throw new Error('the load generator needs koffi');
  const plan = JSON.parse(process.argv[2] ?? '{}') as Plan;
  if (plan.warmUp) {
    load({ ...plan, ...plan.warmUp, verify: false, loss: 0 }, libc, calls);
    await setTimeout(REST_MS);
  }
  process.stdout.write(`${JSON.stringify(load(plan, libc, calls))}\n`);
}
