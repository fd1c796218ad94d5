/**
 * The TFTP server without sockets: requests, transfers and timers of one network, told what arrives and what time it is.
 *
 * A transfer is known by the client's address and port and by our socket (`Via`): whatever else reaches a transfer's port
 * is counted, and a stranger's ACK is answered with ERROR 5 without disturbing anybody (RFC 1350 section 4). A repeated
 * request of the same port joins its transfer. Files are found and read elsewhere and arrive when they can; nothing in
 * here waits for a disk. Every datagram ends in an answer, a step of a transfer, or a counted drop reason.
 */
import { limit } from '../limits.ts';
import {
  admit,
  beyondShare,
  createBeginnings,
  createWaitingRoom,
  SHARE_TAKEN,
  type WaitingRoom,
} from './admission.ts';
import type { ChunkCache, FileVersion } from './chunk-cache.ts';
import { negotiate, type TransferTerms } from './negotiate.ts';
import { endEvent, startedData } from './outcome.ts';
import {
  ackedBlock,
  decodeTftp,
  encodeError,
  encodeOack,
  OPCODE,
  TFTP_ERROR,
  type TftpPacket,
  type TftpRequest,
} from './packet.ts';
import { type Endpoint, keyOf, type TftpDrop, type TftpPorts, type Via } from './ports.ts';
import { check, createRefusals, notFound, type Refusal } from './refusal.ts';
import {
  createTransfer,
  type Run,
  type Step,
  type Transfer,
  type TransferResult,
} from './transfer.ts';

interface Asked {
  readonly key: number;
  readonly client: Endpoint;
  readonly request: TftpRequest;
  readonly name: string;
  /** All that the request says: the same text again is a repetition. */
  readonly signature: string;
}

interface Running extends Asked {
  readonly ip: Endpoint['ip'];
  readonly via: Via;
  readonly file: FileVersion;
  readonly terms: TransferTerms;
  readonly transfer: Transfer;
  readonly startedAt: number;
  heardAt: number;
  /** A run that waits for its chunk, and since when. */
  pending: Run | undefined;
  pendingAt: number;
  prefetched: number;
}

/** A repetition this soon is the network's, not the client's. */
const REPEAT_MS = 100;
const EMPTY = new Uint8Array();

export class TftpEngine {
  private readonly ports: TftpPorts;
  private readonly cache: ChunkCache;
  private readonly clock: () => number;
  private readonly running = new Map<number, Running>();
  private readonly opening = new Map<number, Asked>();
  private readonly room: WaitingRoom<Asked> = createWaitingRoom();
  private readonly beginnings = createBeginnings();
  /** Endpoints whose transfer is over: what they still send is late, and their next transfer takes the other socket. */
  private readonly ended = new Map<number, { readonly via: Via; readonly at: number }>();
  private readonly refusals = createRefusals();
  private closed = false;
  private serving = false;

  /** @param clock monotonic milliseconds, with fractions. */
  constructor(ports: TftpPorts, cache: ChunkCache, clock: () => number) {
    this.ports = ports;
    this.cache = cache;
    this.clock = clock;
  }

  /** Transfers that run. */
  get active(): number {
    return this.running.size;
  }

  /** Whether transfers run, and all of them on this socket. */
  runsOn(via: Via): boolean {
    for (const one of this.running.values()) if (one.via !== via) return false;
    return this.running.size > 0;
  }

  /** Whether somebody waits for what `tick` does. */
  get busy(): boolean {
    return this.running.size > 0 || this.room.size > 0;
  }

  receive(via: Via, bytes: Uint8Array, client: Endpoint): void {
    if (this.closed) return;
    if (client.port === 0) {
      this.ports.onDrop('no-port');
      return;
    }
    try {
      const acked = via === 0 ? undefined : ackedBlock(bytes);
      const one = acked === undefined ? undefined : this.running.get(keyOf(client));
      if (acked !== undefined && one?.via === via) {
        const now = this.clock();
        one.heardAt = now;
        this.perform(one, one.transfer.onAck(acked, now), now);
        return;
      }
      const packet = decodeTftp(bytes);
      if (!packet.ok) this.ports.onDrop(packet.code);
      else if (via !== 0) this.onAnswer(via, packet.value, client);
      else if (packet.value.opcode === OPCODE.rrq || packet.value.opcode === OPCODE.wrq) {
        this.onRequest(packet.value, client);
      } else this.ports.onDrop('not-a-request');
    } catch (error) {
      this.ports.onDrop('failed');
      this.ports.onError(error);
    }
  }

  /** The network says that nobody listens at the client's port any more. */
  unreachable(via: Via, client: Endpoint, why: string): void {
    const one = this.running.get(keyOf(client));
    if (one && one.via === via) this.perform(one, one.transfer.onGone(why), this.clock());
  }

  /** Looks after what is due; to be called every few milliseconds while `busy`, else now and then. */
  tick(): void {
    const now = this.clock();
    for (const one of this.running.values()) {
      if (one.pending) {
        if (now - one.pendingAt >= limit('tftpSilenceMs')) {
          this.abort(one, 'the file could not be read in time');
        }
      } else if (one.transfer.dueAt <= now) this.perform(one, one.transfer.onTimeout(now), now);
    }
    for (let left = this.room.expire(now); left > 0; left--) this.ports.onDrop('queue-expired');
    for (const [key, { at }] of this.ended) {
      if (now - at < limit('tftpLingerMs')) break;
      this.ended.delete(key);
    }
    this.serveWaiting();
  }

  /** Ends every transfer; the clients are told. */
  close(): void {
    for (const one of this.running.values()) this.abort(one, 'the server is stopping');
    this.closed = true;
  }

  private onRequest(request: TftpRequest, client: Endpoint): void {
    const key = keyOf(client);
    if (this.opening.has(key)) {
      this.ports.onDrop('duplicate-request');
      return;
    }
    const signature = [request.file, request.mode, ...[...request.options].flat()].join('\0');
    const before = this.running.get(key);
    if (before && !this.replaces(before, signature)) return;
    if (!this.beginnings.allow(client.ip, this.clock())) {
      this.ports.onDrop('begun-too-often');
      return;
    }
    const checked = check(request);
    if ('why' in checked) this.refuse(client, request.file, checked);
    else this.place({ key, client, request, name: checked.name, signature });
  }

  /** What to do about a request from a port that has a transfer. @returns whether it begins anew. */
  private replaces(before: Running, signature: string): boolean {
    const now = this.clock();
    const alive = now - before.heardAt < limit('tftpShedSilenceMs');
    const unanswered = before.transfer.acked <= 0;
    if (signature === before.signature && unanswered) {
      // The client has not seen our first answer; once a while is worth more than waiting for the timer.
      this.ports.onDrop('duplicate-request');
      if (now - before.transfer.sentAt >= REPEAT_MS) {
        before.heardAt = now;
        this.perform(before, before.transfer.onAskedAgain(now), now);
      }
      return false;
    }
    const next = !unanswered && signature !== before.signature && before.transfer.awaitsLast;
    if (alive && !unanswered && !next) {
      this.ports.onDrop('duplicate-request');
      return false;
    }
    const why = 'the client asked anew from the same port';
    // Its last ACK was lost: it has the file, and goes on with another one.
    if (next) this.perform(before, before.transfer.onGone(why), now);
    else this.fail(before, why);
    return true;
  }

  private place(asked: Asked): void {
    const now = this.clock();
    const table = {
      running: this.running.values(),
      count: this.running.size + this.opening.size,
    };
    const admission = admit(table, asked.client.ip, now);
    switch (admission.kind) {
      case 'wait':
        this.ports.onDrop('queued');
        if (this.room.enter(asked.key, asked, now)) this.ports.onDrop('queue-expired');
        return;
      case 'instead-of':
        this.abort(admission.loser, admission.why);
        break;
      case 'admit':
    }
    this.open(asked);
  }

  private open(asked: Asked): void {
    this.room.leave(asked.key);
    this.opening.set(asked.key, asked);
    const found = (file: FileVersion | undefined) => {
      if (this.closed || this.opening.get(asked.key) !== asked) return;
      this.opening.delete(asked.key);
      if (!file) this.refuse(asked.client, asked.name, notFound(asked.name));
      else if (file.sizeBytes > limit('tftpFileBytesMax')) {
        const why = 'this file is too large for TFTP, fetch it by HTTP';
        this.refuse(asked.client, asked.name, { code: TFTP_ERROR.undefined, why });
      } else this.begin(asked, file);
    };
    this.ports.find(asked.name, found, asked.client);
  }

  private begin(asked: Asked, file: FileVersion): void {
    const now = this.clock();
    const terms = negotiate(asked.request.options, file.sizeBytes, file.blksizeBytesMax);
    const one: Running = {
      ...asked,
      ip: asked.client.ip,
      via: this.ended.get(asked.key)?.via === 1 ? 2 : 1,
      ...{ file, terms, transfer: createTransfer(file.sizeBytes, terms) },
      ...{ startedAt: now, heardAt: now, pending: undefined, pendingAt: 0, prefetched: -1 },
    };
    this.running.set(asked.key, one);
    this.ports.onEvent({ name: 'tftp.started', data: startedData(one) }, asked.client);
    this.perform(one, one.transfer.start(now), now);
    const loser = beyondShare(this.running.values(), one.ip);
    if (loser) this.abort(loser, SHARE_TAKEN);
  }

  private onAnswer(via: Via, packet: TftpPacket, client: Endpoint): void {
    const key = keyOf(client);
    const one = this.running.get(key);
    if (packet.opcode !== OPCODE.ack && packet.opcode !== OPCODE.error) {
      this.ports.onDrop('not-an-answer');
    } else if (!one || one.via !== via) {
      if (one || this.ended.has(key)) this.ports.onDrop('late');
      else this.onStranger(via, packet, client);
    } else if (packet.opcode === OPCODE.error) {
      this.perform(one, one.transfer.onError(packet.code, packet.message), this.clock());
    }
  }

  /** An ERROR is never answered, or two of us would go on for ever. */
  private onStranger(via: Via, packet: TftpPacket, client: Endpoint): void {
    this.ports.onDrop('unknown-transfer');
    if (packet.opcode !== OPCODE.ack || !this.refusals.worthAnswering(this.clock())) return;
    const bytes = encodeError(TFTP_ERROR.unknownTransfer, 'there is no such transfer');
    this.ports.sender.packet(client, via, bytes);
  }

  private perform(one: Running, step: Step, now: number): void {
    switch (step.kind) {
      case 'send':
        this.send(one, step, now);
        break;
      case 'nothing':
        this.ports.onDrop(NOTHING_REASON[step.why]);
        break;
      case 'end':
        this.finish(one, step.result);
    }
  }

  private send(one: Running, run: Run, now: number): void {
    if (run.first === 0) {
      this.ports.sender.packet(one.client, one.via, encodeOack(one.terms.accepted));
      one.transfer.sent(now);
      // Read while the client makes up its answer.
      if (one.file.sizeBytes > 0) this.cache.load(one.file, 0, () => {});
    } else this.sendBlocks(one, run, now);
  }

  private sendBlocks(one: Running, run: Run, now: number): void {
    const { cache } = this;
    const { blksizeBytes, rollover } = one.terms;
    const { sizeBytes } = one.file;
    const start = (run.first - 1) * blksizeBytes;
    const end = Math.min(run.last * blksizeBytes, sizeBytes);
    const index = Math.floor(start / cache.chunkBytes);
    const nextIndex = (index + 1) * cache.chunkBytes < end ? index + 1 : undefined;
    const chunk = start >= sizeBytes ? EMPTY : cache.get(one.file, index);
    const next = nextIndex === undefined ? undefined : cache.get(one.file, nextIndex);
    if (!chunk || (nextIndex !== undefined && !next)) {
      // Both are asked for together, so that one cannot push the other out while it is on its way.
      this.fetch(one, run, nextIndex === undefined ? [index] : [index, nextIndex]);
      return;
    }
    one.pending = undefined;
    this.ports.sender.blocks(one.client, one.via, {
      first: run.first,
      count: run.last - run.first + 1,
      blksizeBytes,
      rollover,
      sizeBytes,
      chunk,
      chunkOffset: index * cache.chunkBytes,
      next,
    });
    one.transfer.sent(now);
    if (one.prefetched < index && (index + 1) * cache.chunkBytes < sizeBytes) {
      one.prefetched = index;
      cache.load(one.file, index + 1, () => {});
    }
  }

  private fetch(one: Running, run: Run, chunks: readonly number[]): void {
    if (!one.pending) one.pendingAt = this.clock();
    one.pending = run;
    let missing = chunks.length;
    for (const index of chunks) {
      this.cache.load(one.file, index, (ok) => {
        missing -= 1;
        if (this.running.get(one.key) !== one || one.pending !== run) return;
        if (!ok) this.abort(one, 'the file was changed or cannot be read');
        else if (missing === 0) this.sendBlocks(one, run, this.clock());
      });
    }
  }

  private finish(one: Running, result: TransferResult): void {
    this.running.delete(one.key);
    const now = this.clock();
    this.ended.delete(one.key);
    this.ended.set(one.key, { via: one.via, at: now });
    const [oldest] = this.ended.size > limit('tftpLingerMax') ? this.ended.keys() : [];
    if (oldest !== undefined) this.ended.delete(oldest);
    this.ports.onEvent(endEvent(one, result, now), one.client);
    this.serveWaiting();
  }

  private fail(one: Running, why: string): void {
    this.finish(one, { ok: false, why, block: Math.max(one.transfer.acked, 0), probe: false });
  }

  /** Ends a transfer that its client may still believe in. */
  private abort(one: Running, why: string): void {
    this.ports.sender.packet(one.client, one.via, encodeError(TFTP_ERROR.undefined, why));
    this.fail(one, why);
  }

  private serveWaiting(): void {
    // What is opened here may end others at once, which comes back here: the loop below goes on with it.
    if (this.serving) return;
    this.serving = true;
    while (
      this.room.size > 0 &&
      this.running.size + this.opening.size < limit('tftpTransfersMax')
    ) {
      const next = this.room.next();
      if (next) this.open(next);
    }
    this.serving = false;
  }

  private refuse(client: Endpoint, file: string, refusal: Refusal): void {
    const verdict = this.refusals.weigh(file, refusal, this.clock());
    if (verdict !== 'told') this.ports.onDrop(verdict);
    if (verdict === 'refusals-limited') return;
    const { code, why } = refusal;
    this.ports.sender.packet(client, 0, encodeError(code, why));
    if (verdict !== 'told') return;
    const data = { file: file.slice(0, 128), why, block: 0, probe: false };
    this.ports.onEvent({ name: 'tftp.failed', data }, client);
  }
}

const NOTHING_REASON = {
  duplicate: 'duplicate-ack',
  stray: 'stray-ack',
  ended: 'late',
} as const satisfies Record<string, TftpDrop>;
