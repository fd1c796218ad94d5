/**
 * The TFTP engine in a network of its own time: datagrams travel over a link that loses, repeats and delays them, clients
 * are model receivers (RFC 1350, RFC 7440) with timers of their own, and an hour passes in milliseconds.
 */
import { createChunkCache, type ReadChunk } from '../../src/tftp/chunk-cache.ts';
import { TftpEngine } from '../../src/tftp/engine.ts';
import {
  decodeTftp,
  encodeAck,
  encodeData,
  encodeRequest,
  OPCODE,
  type TftpPacket,
} from '../../src/tftp/packet.ts';
import type { BlockRun, Endpoint, TftpDrop, TftpEvent, Via } from '../../src/tftp/ports.ts';
import { blockNumber } from '../../src/wire/block-number.ts';
import { type Ipv4, parseIpv4 } from '../../src/wire/ipv4.ts';

export interface Link {
  /** What becomes of the next datagram: when its copies arrive, in ms from now; empty: lost. */
  deliver(): number[];
}

export const CLEAN: Link = { deliver: () => [0.2] };

/** @param chance numbers from 0 to 1 that decide the fate of each datagram. */
export function badLink(
  rates: { loss: number; repeat: number; swap: number },
  chance: () => number,
): Link {
  const delay = () => 0.2 + (chance() < rates.swap ? chance() * 5 : 0);
  return {
    deliver() {
      if (chance() < rates.loss) return [];
      return chance() < rates.repeat ? [delay(), delay()] : [delay()];
    },
  };
}

export function endpoint(address = '10.77.0.100', port = 2070): Endpoint {
  return { ip: parseIpv4(address) ?? (0 as Ipv4), port };
}

export interface Sent {
  readonly to: Endpoint;
  readonly via: Via;
  readonly packet: TftpPacket;
}

/** A run of blocks as the datagrams that it stands for. */
export function datagramsOf(run: BlockRun): Uint8Array[] {
  const whole = run.next ? Buffer.concat([run.chunk, run.next]) : run.chunk;
  return Array.from({ length: run.count }, (_, at) => {
    const index = run.first + at;
    const start = (index - 1) * run.blksizeBytes;
    const end = Math.min(start + run.blksizeBytes, run.sizeBytes);
    const bytes = whole.subarray(start - run.chunkOffset, end - run.chunkOffset);
    return encodeData(blockNumber(index, run.rollover), bytes);
  });
}

export function createTftpWorld(
  files: Record<string, Uint8Array>,
  options: {
    link?: Link;
    read?: ReadChunk;
    cacheBytes?: number;
    chunkBytes?: number;
    findMs?: number;
  } = {},
) {
  const link = options.link ?? CLEAN;
  let now = 1000;
  /** By time; what is due together stays in the order of its making. */
  const queue: { at: number; act: () => void }[] = [];
  const later = (ms: number, act: () => void) => {
    const entry = { at: now + ms, act };
    let low = 0;
    for (let high = queue.length; low < high; ) {
      const middle = (low + high) >> 1;
      if ((queue[middle]?.at ?? 0) > entry.at) high = middle;
      else low = middle + 1;
    }
    queue.splice(low, 0, entry);
  };
  const events: TftpEvent[] = [];
  const drops: TftpDrop[] = [];
  const errors: unknown[] = [];
  const sent: Sent[] = [];
  const listeners = new Map<number, (bytes: Uint8Array, via: Via) => void>();
  const reads: string[] = [];
  const read: ReadChunk =
    options.read ??
    ((file, { offset, length }, done) => {
      reads.push(`${file.key}@${offset}`);
      done(files[file.key]?.slice(offset, offset + length));
    });
  const transmit = (to: Endpoint, via: Via, bytes: Uint8Array) => {
    const packet = decodeTftp(bytes);
    if (!packet.ok) throw new Error(`the server sent a packet that is ${packet.code}`);
    sent.push({ to, via, packet: packet.value });
    for (const ms of link.deliver()) later(ms, () => listeners.get(to.port)?.(bytes, via));
  };
  const chunkBytes = options.chunkBytes ?? 24_000;
  const cache = createChunkCache(read, {
    capacityBytes: options.cacheBytes ?? 100_000,
    chunkBytes,
    readsMax: 2,
  });
  const engine = new TftpEngine(
    {
      sender: {
        packet: transmit,
        blocks: (to, via, run) => {
          for (const bytes of datagramsOf(run)) transmit(to, via, bytes);
        },
      },
      find: (name, done) => {
        const bytes = files[name];
        const answer = () => done(bytes && { key: name, sizeBytes: bytes.length });
        if (options.findMs === undefined) answer();
        else later(options.findMs, answer);
      },
      onEvent: (event) => void events.push(event),
      onDrop: (reason) => void drops.push(reason),
      onError: (error) => void errors.push(error),
    },
    cache,
    () => now,
  );
  /** Lets time pass, event by event, until `until` holds or `ms` are over. */
  const run = (ms: number, until: () => boolean = () => false) => {
    const end = now + ms;
    while (now < end && !until()) {
      const tickAt = now + (engine.busy ? 5 : 250);
      const next = queue[0];
      if (next && next.at <= tickAt) {
        queue.shift();
        now = Math.max(now, next.at);
        next.act();
      } else {
        now = tickAt;
        engine.tick();
      }
    }
  };
  return {
    ...{ engine, cache, events, drops, errors, sent, reads, listeners, run, later, link },
    now: () => now,
    /** Hands a packet to the engine at once, over no link. */
    say: (from: Endpoint, via: Via, bytes: Uint8Array) => engine.receive(via, bytes, from),
    ask: (from: Endpoint, file: string, words: Record<string, string> = {}, mode = 'octet') => {
      const asked = new Map(Object.entries(words));
      const bytes = encodeRequest({ opcode: OPCODE.rrq, file, mode, options: asked });
      engine.receive(0, bytes, from);
    },
  };
}
export type TftpWorld = ReturnType<typeof createTftpWorld>;

export interface Fetch {
  readonly got: () => Buffer;
  readonly outcome: () => 'running' | 'whole' | string;
}

/** When a client says again what was not answered, and how often. */
export interface Patience {
  readonly afterMs: number;
  readonly times: number;
}

/**
 * A receiver that follows the RFCs to the letter and is as naive as they allow: it acknowledges every repetition again.
 * It repeats what it said last after a second, and gives up after eight in a row, unless another patience is named.
 */
export function fetchFile(
  world: TftpWorld,
  client: Endpoint,
  file: string,
  words: Record<string, string> = {},
  { afterMs, times }: Patience = { afterMs: 1000, times: 8 },
): Fetch {
  const blocks: Uint8Array[] = [];
  let blksize = 512;
  let windowsize = 1;
  let inWindow = 0;
  let outcome: string = 'running';
  let via: Via = 0;
  let last: Uint8Array = encodeRequest({
    ...{ opcode: OPCODE.rrq, file, mode: 'octet', options: new Map(Object.entries(words)) },
  });
  let turn = 0;
  let patience = times;
  const say = (bytes: Uint8Array) => {
    last = bytes;
    const mine = ++turn;
    for (const ms of world.link.deliver()) {
      world.later(ms, () => world.engine.receive(via, bytes, client));
    }
    world.later(afterMs, () => {
      if (outcome !== 'running' || mine !== turn) return;
      if (--patience === 0) outcome = 'the client gave up';
      else say(last);
    });
  };
  const acknowledge = () => {
    inWindow = 0;
    say(encodeAck(blockNumber(blocks.length, words.rollover === '1' ? 1 : 0)));
  };
  world.listeners.set(client.port, (bytes, from) => {
    const packet = decodeTftp(bytes);
    if (!packet.ok || outcome !== 'running') return;
    via = from;
    if (packet.value.opcode === OPCODE.error) outcome = packet.value.message;
    if (packet.value.opcode === OPCODE.oack && blocks.length === 0) {
      blksize = Number(packet.value.options.get('blksize') ?? 512);
      windowsize = Number(packet.value.options.get('windowsize') ?? 1);
      acknowledge();
    }
    if (packet.value.opcode !== OPCODE.data) return;
    const expected = blockNumber(blocks.length + 1, words.rollover === '1' ? 1 : 0);
    if (packet.value.block !== expected) return acknowledge();
    patience = times;
    blocks.push(packet.value.bytes);
    inWindow += 1;
    const end = packet.value.bytes.length < blksize;
    if (inWindow === windowsize || end) acknowledge();
    if (end) outcome = 'whole';
  });
  say(last);
  return { got: () => Buffer.concat(blocks), outcome: () => outcome };
}
