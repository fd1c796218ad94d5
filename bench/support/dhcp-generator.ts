/**
 * A light load generator for DHCP, run as a process of its own: 4-way exchanges at a fixed rate, in batches, every reply proved.
 *
 * perfdhcp stays the independent figure, but it needs about 100 µs of CPU for an exchange: on a machine with two cores it, and
 * not the server, is the bound. This one patches two prepared packets and moves them with recvmmsg and sendmmsg once a
 * millisecond, for a fifth of that, so a server has nearly the whole machine. It plays the same relay with the same options as
 * perfdhcp. It sends nothing twice: what is not answered is lost.
 *
 * A reply counts only when it is proved: an OFFER or ACK with the transaction, the MAC and the relay of an exchange that waits
 * for it, from the server that was asked, with an address of the pool; an ACK with the address of its OFFER. An address that is
 * acknowledged to a second client while the first has it is counted (`twoOwners`), and so is every reply that proves nothing.
 *
 * Arguments: one JSON object (`GeneratorOptions`). Prints one JSON object (`GeneratorReport`).
 */
import {
  type Batch,
  createBatch,
  IOVEC_WORDS,
  MMSGHDR_WORDS,
  MSG,
  SOCKADDR_IN_BYTES,
  socketName,
  VECTOR_LENGTH,
} from '../../src/platform/datagram-layout.ts';
import {
  AF_INET,
  int32,
  type Libc,
  loadLibc,
  MSG_DONTWAIT,
  openDatagramSocket,
  SO_RCVBUF,
  SOL_SOCKET,
} from '../../src/platform/libc.ts';
import { createExchanges, type Exchanges, SLOT_BYTES } from './dhcp-exchanges.ts';

export interface GeneratorOptions {
  /** Dotted quads: who is asked, and the relay that asks. */
  readonly server: string;
  readonly relay: string;
  /** Exchanges started per second. */
  readonly rate: number;
  readonly seconds: number;
  readonly clients: number;
  /** The first four bytes of the clients' MACs, as in `020c0100`. */
  readonly macBase: string;
  readonly firmware?: boolean;
  readonly pool: { readonly first: string; readonly last: string };
}

export interface GeneratorReport {
  readonly started: number;
  readonly completed: number;
  readonly meanDelayMs: number;
  readonly twoOwners: number;
  readonly refused: number;
  /** Replies that belong to no exchange that waits, by what is wrong with them. */
  readonly unproved: Readonly<Record<string, number>>;
}

const SLOTS = 128;
const LOOK_MS = 1;
const STRAGGLERS_MS = 1000;
const LAST_BURST_SECONDS = 0.05;
const PORT = 67;
const RECEIVE_BUFFER_BYTES = 8 * 1024 * 1024;

interface Wire {
  readonly libc: Libc;
  readonly fd: number;
  readonly incoming: Batch;
  readonly outgoing: Batch;
  queued: number;
}

/** @throws Error without koffi, or when the port is taken */
function openWire({ server, relay }: GeneratorOptions): Wire {
  const libc = loadLibc();
  if (!libc) throw new Error('the generator needs koffi');
  const fd = openDatagramSocket(libc, {
    family: AF_INET,
    options: [['SO_RCVBUF', SOL_SOCKET, SO_RCVBUF, int32(RECEIVE_BUFFER_BYTES)]],
    name: socketName(relay, PORT),
  });
  const plan = { count: SLOTS, slotBytes: SLOT_BYTES, nameBytes: SOCKADDR_IN_BYTES };
  const wire = {
    ...{ libc, fd, queued: 0 },
    ...{ incoming: createBatch(libc, plan), outgoing: createBatch(libc, plan) },
  };
  const name = socketName(server, PORT);
  for (let slot = 0; slot < SLOTS; slot++) wire.outgoing.names.set(name, slot * SOCKADDR_IN_BYTES);
  return wire;
}

/** Puts one packet behind those that wait to be sent; a full batch leaves at once. */
function enqueue(wire: Wire, write: (into: Buffer, at: number) => number): void {
  const { outgoing } = wire;
  const length = write(outgoing.slots, wire.queued * SLOT_BYTES);
  outgoing.vectorWords[wire.queued * IOVEC_WORDS + VECTOR_LENGTH] = length;
  wire.queued += 1;
  if (wire.queued === SLOTS) flush(wire);
}

function flush(wire: Wire): void {
  if (wire.queued > 0) wire.libc.sendmmsg(wire.fd, wire.outgoing.headers, wire.queued, 0);
  wire.queued = 0;
}

/** Takes what has come and answers OFFERs with REQUESTs. */
function receive(wire: Wire, exchanges: Exchanges): void {
  const { words, slots, headers } = wire.incoming;
  for (let count: number = SLOTS; count === SLOTS; ) {
    count = wire.libc.recvmmsg(wire.fd, headers, SLOTS, MSG_DONTWAIT, null);
    const now = performance.now();
    for (let slot = 0; slot < count; slot++) {
      const length = words[slot * MMSGHDR_WORDS + MSG.length] ?? 0;
      words[slot * MMSGHDR_WORDS + MSG.nameBytes] = SOCKADDR_IN_BYTES;
      const at = slot * SLOT_BYTES;
      const xid = exchanges.take(slots.subarray(at, at + length), now);
      if (xid !== undefined) {
        enqueue(wire, (into, to) => exchanges.writeRequest(into, to, xid));
      }
    }
  }
}

export function generate(options: GeneratorOptions): GeneratorReport {
  const { rate, seconds } = options;
  const wire = openWire(options);
  const exchanges = createExchanges(options);
  const nothing = Buffer.alloc(8);
  const total = Math.round(rate * seconds);
  const begin = performance.now();
  let started = 0;
  // Behind its time it catches up a little at a look: a burst would measure a queue, not a rate.
  const burst = Math.max(8, Math.ceil((4 * rate * LOOK_MS) / 1000));
  for (;;) {
    const now = performance.now();
    receive(wire, exchanges);
    const elapsed = now - begin;
    const due = elapsed < seconds * 1000 ? Math.floor((elapsed / 1000) * rate) : total;
    // Once the time is over nothing more begins: what is missing then was not sent.
    const count =
      elapsed < (seconds + LAST_BURST_SECONDS) * 1000 ? Math.min(due - started, burst) : 0;
    for (let one = 0; one < count; one++) {
      started += 1;
      const xid = started;
      enqueue(wire, (into, to) => exchanges.writeDiscover(into, to, { xid, now }));
    }
    flush(wire);
    if (started === total && exchanges.completed() === total) break;
    if (elapsed >= seconds * 1000 + STRAGGLERS_MS) break;
    wire.libc.poll(nothing, 0, LOOK_MS);
  }
  wire.libc.close(wire.fd);
  return { started, ...exchanges.report() };
}

if (import.meta.main) {
  const options = JSON.parse(process.argv[2] ?? '{}') as GeneratorOptions;
  process.stdout.write(`${JSON.stringify(generate(options))}\n`);
}
