/**
 * Serial over LAN (IPMI 2.0 section 15): the payload, and one end of the line as a state machine without I/O. Both ends
 * follow the same rules, so a console and a BMC use the same code with other flags.
 *
 * One packet is on its way at a time and is sent again until it is acknowledged. A partial acknowledgement sends the rest
 * under a new number. A packet with the number of the one before it is a repetition, which may have grown: only what is
 * new in it is delivered, and it is acknowledged again.
 *
 * What is refused (NACK) was not done: characters and breaks alike are sent again after a while. Characters for as long as
 * it takes, because a host that is off has no room for them; a break a few times, because some BMCs can make none.
 */
import { limit } from '../limits.ts';
import { type Decoded, decoded, malformed } from '../wire/result.ts';

export interface SolPayload {
  /** 1 to 15; 0 for a packet that only acknowledges. */
  readonly sequence: number;
  /** The packet that is acknowledged; 0 for none. */
  readonly acknowledged: number;
  /** How many characters of it were accepted. */
  readonly accepted: number;
  readonly flags: number;
  readonly data: Uint8Array;
}

/** Operation bits of a console's packet (table 15-2). */
export const SOL_CONSOLE = { nack: 0x40, ring: 0x20, break: 0x10, pause: 0x08 } as const;
/** Status bits of a BMC's packet. */
export const SOL_BMC = {
  nack: 0x40,
  unavailable: 0x20,
  deactivated: 0x10,
  overrun: 0x08,
  break: 0x04,
} as const;

const HEADER_BYTES = 4;

export function encodeSol(payload: SolPayload): Uint8Array {
  const { sequence, acknowledged, accepted, flags, data } = payload;
  return Uint8Array.of(sequence, acknowledged, accepted, flags, ...data);
}

export function decodeSol(bytes: Uint8Array): Decoded<SolPayload, 'too-short'> {
  const [sequence = 0, acknowledged = 0, accepted = 0, flags] = bytes;
  if (flags === undefined) return malformed('too-short', bytes.length);
  const numbers = { sequence: sequence & 0x0f, acknowledged: acknowledged & 0x0f };
  return decoded({ ...numbers, accepted, flags, data: bytes.subarray(HEADER_BYTES) });
}

export interface SolStep {
  readonly send: readonly Uint8Array[];
  readonly deliver: readonly Uint8Array[];
  readonly wakeAtMs: number | undefined;
  /** A break was refused over and over, and is given up. */
  readonly breakRefused?: true;
  /** Why the line is dead; nothing is sent after it. */
  readonly ended?: string;
}

interface Outstanding {
  readonly sequence: number;
  readonly data: Uint8Array;
  readonly flags: number;
  /** How often its flags were refused before, under other numbers. */
  readonly refusals: number;
  tries: number;
  deadlineMs: number;
}

/** The characters of one packet: what the other end says it takes, within reason. */
export function solDataBytes(bufferBytes: number): number {
  return Math.max(16, Math.min(bufferBytes - HEADER_BYTES, limit('solDataBytesMax')));
}

export class SolLink {
  private readonly dataBytesMax: number;
  private queue: Uint8Array = new Uint8Array();
  private outstanding: Outstanding | undefined;
  private sequence = 0;
  private lastHeard: { sequence: number; length: number } = { sequence: 0, length: 0 };
  private send: Uint8Array[] = [];
  private deliver: Uint8Array[] = [];
  private ended: string | undefined;
  private breakRefused = false;

  constructor(dataBytesMax: number) {
    this.dataBytesMax = dataBytesMax;
  }

  /** Bytes that have not been accepted yet. */
  get pendingBytes(): number {
    return this.queue.length + (this.outstanding?.data.length ?? 0);
  }

  /** False when the buffer is full: then nothing of it was taken. */
  write(bytes: Uint8Array, nowMs: number): { accepted: boolean; step: SolStep } {
    const accepted = this.pendingBytes + bytes.length <= limit('solBufferBytesMax') && !this.ended;
    if (accepted) {
      this.queue = Buffer.concat([this.queue, bytes]);
      this.next(nowMs, 0);
    }
    return { accepted, step: this.step() };
  }

  /** Sends flags (a break) in a packet of its own, after what is on its way; false while something is. */
  signal(flags: number, nowMs: number): { accepted: boolean; step: SolStep } {
    const accepted = !this.outstanding && !this.ended;
    if (accepted) this.transmitNew(new Uint8Array(), flags, nowMs);
    return { accepted, step: this.step() };
  }

  onPayload(payload: SolPayload, nowMs: number): SolStep {
    if (this.ended) return this.step();
    if (payload.acknowledged !== 0) this.onAcknowledged(payload, nowMs);
    if (payload.sequence !== 0) this.onData(payload);
    return this.step();
  }

  onDeadline(nowMs: number): SolStep {
    const { outstanding } = this;
    if (outstanding && nowMs >= outstanding.deadlineMs) {
      if (outstanding.tries >= limit('solTriesMax')) {
        this.ended = 'the other end stopped acknowledging';
        this.outstanding = undefined;
      } else {
        this.transmit(outstanding, nowMs);
      }
    }
    return this.step();
  }

  private onAcknowledged({ acknowledged, accepted, flags }: SolPayload, nowMs: number): void {
    const { outstanding } = this;
    if (!outstanding || outstanding.sequence !== acknowledged) return;
    const rest = outstanding.data.subarray(Math.min(accepted, outstanding.data.length));
    const nacked = (flags & SOL_BMC.nack) !== 0;
    this.outstanding = undefined;
    if (nacked && outstanding.flags !== 0) {
      this.signalRefused(outstanding, nowMs);
      return;
    }
    if (rest.length > 0) this.queue = Buffer.concat([rest, this.queue]);
    // After a refusal the rest waits for a while instead of being thrown at a full buffer.
    if ((nacked || accepted === 0) && rest.length > 0)
      this.holdBack({ data: this.takeFromQueue(), flags: 0, refusals: 0 }, nowMs);
    else this.next(nowMs, 0);
  }

  private signalRefused({ flags, data, refusals }: Outstanding, nowMs: number): void {
    if (refusals + 1 < limit('solTriesMax')) {
      this.holdBack({ data, flags, refusals: refusals + 1 }, nowMs);
      return;
    }
    this.breakRefused = true;
    this.next(nowMs, 0);
  }

  /** A packet that is not sent yet: its deadline does that. */
  private holdBack(packet: Pick<Outstanding, 'data' | 'flags' | 'refusals'>, nowMs: number): void {
    this.sequence = (this.sequence % 15) + 1;
    const deadlineMs = nowMs + limit('solResendMs');
    this.outstanding = { ...packet, sequence: this.sequence, tries: 0, deadlineMs };
  }

  private onData({ sequence, data }: SolPayload): void {
    const known = sequence === this.lastHeard.sequence ? this.lastHeard.length : 0;
    if (data.length > known) this.deliver.push(data.slice(known));
    this.lastHeard = { sequence, length: Math.max(data.length, known) };
    const none = new Uint8Array();
    const accepted = Math.min(255, data.length);
    this.send.push(
      encodeSol({ sequence: 0, acknowledged: sequence, accepted, flags: 0, data: none }),
    );
  }

  private next(nowMs: number, flags: number): void {
    if (this.outstanding || this.queue.length === 0) return;
    this.transmitNew(this.takeFromQueue(), flags, nowMs);
  }

  private takeFromQueue(): Uint8Array {
    const data = this.queue.subarray(0, this.dataBytesMax);
    this.queue = this.queue.subarray(data.length);
    return data;
  }

  private transmitNew(data: Uint8Array, flags: number, nowMs: number): void {
    this.sequence = (this.sequence % 15) + 1;
    const { sequence } = this;
    this.outstanding = { sequence, data, flags, refusals: 0, tries: 0, deadlineMs: nowMs };
    this.transmit(this.outstanding, nowMs);
  }

  private transmit(outstanding: Outstanding, nowMs: number): void {
    outstanding.tries += 1;
    outstanding.deadlineMs = nowMs + limit('solResendMs');
    const { sequence, data, flags } = outstanding;
    this.send.push(encodeSol({ sequence, acknowledged: 0, accepted: 0, flags, data }));
  }

  private step(): SolStep {
    const { ended } = this;
    const refused = this.breakRefused ? ({ breakRefused: true } as const) : {};
    const done = { send: this.send, deliver: this.deliver, ...refused };
    this.send = [];
    this.deliver = [];
    this.breakRefused = false;
    const wakeAtMs = this.outstanding?.deadlineMs;
    return ended === undefined ? { ...done, wakeAtMs } : { ...done, wakeAtMs: undefined, ended };
  }
}
