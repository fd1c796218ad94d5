/**
 * One session with one BMC, from the first packet to the last, as a state machine without I/O. Inputs are requests,
 * datagrams and the passing of a deadline; outputs are datagrams, the next deadline and events.
 *
 * One request is on its way at a time, because BMCs drop a second one. A lost reply is asked for again under the same
 * sequence number of the message and a new one of the session (section 6.12.13), unless the request must not be repeated:
 * then it is `lost` after a longer wait and the caller has to look what became of it. "Node busy" is waited for. A session
 * that has stopped answering ends with a fault; it is never silently opened again, because state may hang on it.
 */
import { limit } from '../limits.ts';
import { unreachable } from '../wire/result.ts';
import type { Channel, Payload } from './channel.ts';
import { closeSession, setPrivilege } from './commands/session-control.ts';
import { COMPLETION, completionText } from './completion.ts';
import { createHandshake } from './handshake.ts';
import { BMC_ADDRESS, CONSOLE_ADDRESS, decodeResponse, encodeRequest, NETFN } from './message.ts';
import type { Fault, Handshake, HandshakeStep, Opened } from './opening.ts';
import type { SessionOptions } from './options.ts';
import { decodeRmcp, PAYLOAD, type RmcpPacket } from './rmcp.ts';

export interface SessionRequest {
  /** The caller's number for this request. */
  readonly id: number;
  readonly netFn: number;
  readonly command: number;
  readonly data: Uint8Array;
  readonly repeatable: boolean;
}

export type SessionEvent =
  | { readonly kind: 'opened'; readonly opened: Opened }
  | {
      readonly kind: 'response';
      readonly id: number;
      readonly completion: number;
      readonly data: Uint8Array;
    }
  /** No answer to a request that must not be repeated: it may have been carried out. */
  | { readonly kind: 'lost'; readonly id: number }
  | { readonly kind: 'sol'; readonly bytes: Uint8Array }
  /** The end: everything still waiting will not be answered. */
  | { readonly kind: 'failed'; readonly fault: Fault }
  | { readonly kind: 'closed' };

export interface SessionStep {
  readonly send: readonly Uint8Array[];
  readonly events: readonly SessionEvent[];
  /** When `onDeadline` wants to be called, if nothing happens before; absent when there is nothing to wait for. */
  readonly wakeAtMs: number | undefined;
}

interface InFlight {
  readonly request: SessionRequest;
  sequence: number;
  tries: number;
  /** Times that the BMC said it was busy. */
  refusals: number;
  deadlineMs: number;
  /** Waiting to ask again, not for an answer. */
  waiting: boolean;
}

/** Requests that the session makes for itself. */
const OWN = { privilege: -1, close: -2, keepAlive: -3 } as const;

type State =
  | { readonly kind: 'new' }
  | { readonly kind: 'opening'; readonly handshake: Handshake; readonly deadlineMs: number }
  | { readonly kind: 'active'; readonly opened: Opened; readonly closing: boolean }
  | { readonly kind: 'ended' };

export class Session {
  private readonly options: SessionOptions;
  private readonly handshake: Handshake;
  private state: State = { kind: 'new' };
  private inFlight: InFlight | undefined;
  private readonly queue: SessionRequest[] = [];
  private sequence = 0;
  private lastHeardMs = 0;
  private send: Uint8Array[] = [];
  private events: SessionEvent[] = [];

  constructor(options: SessionOptions, random: (count: number) => Uint8Array) {
    this.options = options;
    this.handshake = createHandshake({ options, random });
  }

  start(nowMs: number): SessionStep {
    if (this.state.kind === 'new') this.onHandshakeStep(this.handshake.start(nowMs), nowMs);
    return this.step();
  }

  request(request: SessionRequest, nowMs: number): SessionStep {
    if (this.state.kind === 'ended' || this.queue.length >= limit('ipmiPendingMax')) {
      this.events.push({ kind: 'lost', id: request.id });
      return this.step();
    }
    this.queue.push(request);
    this.next(nowMs);
    return this.step();
  }

  /** Sends a SOL payload at once: its own acknowledgements order it, not the requests. */
  sendSol(bytes: Uint8Array): SessionStep {
    if (this.state.kind === 'active') {
      this.send.push(this.state.opened.channel.seal({ type: PAYLOAD.sol, bytes }));
    }
    return this.step();
  }

  /** Ends the session at the BMC too, after the request that is on its way. */
  close(nowMs: number): SessionStep {
    if (this.state.kind === 'active' && !this.state.closing) {
      this.dropQueue();
      this.state = { ...this.state, closing: true };
      const data = closeSession.encode({ sessionId: this.state.opened.channel.bmcId });
      this.queue.push({ id: OWN.close, ...numbers(closeSession), data, repeatable: true });
      this.next(nowMs);
    } else if (this.state.kind === 'new' || this.state.kind === 'opening') {
      this.end({ kind: 'closed' });
    }
    return this.step();
  }

  onDatagram(bytes: Uint8Array, nowMs: number): SessionStep {
    const packet = decodeRmcp(bytes);
    if (packet.ok) this.onPacket(packet.value, nowMs);
    return this.step();
  }

  onDeadline(nowMs: number): SessionStep {
    const { state, inFlight } = this;
    switch (state.kind) {
      case 'opening':
        if (nowMs >= state.deadlineMs)
          this.onHandshakeStep(state.handshake.onDeadline(nowMs), nowMs);
        break;
      case 'active':
        if (inFlight && nowMs >= inFlight.deadlineMs) this.onSilence(inFlight, nowMs);
        else if (!inFlight && nowMs >= this.keepAliveAtMs()) this.keepAlive(nowMs);
        break;
      case 'new':
      case 'ended':
        break;
      default:
        unreachable(state);
    }
    return this.step();
  }

  private onPacket(packet: RmcpPacket, nowMs: number): void {
    const { state } = this;
    if (state.kind === 'opening') {
      const step = state.handshake.onPacket(packet, nowMs);
      if (step) this.onHandshakeStep(step, nowMs);
      return;
    }
    if (state.kind !== 'active') return;
    const payload = state.opened.channel.open(packet);
    if (!payload.ok) return;
    this.lastHeardMs = nowMs;
    if (payload.value.type === PAYLOAD.ipmi) this.onMessage(payload.value, nowMs);
    else if (payload.value.type === PAYLOAD.sol) {
      this.events.push({ kind: 'sol', bytes: payload.value.bytes });
    }
  }

  private onHandshakeStep(step: HandshakeStep, nowMs: number): void {
    if (step.send) this.send.push(step.send);
    if (step.fault) {
      this.end({ kind: 'failed', fault: step.fault });
    } else if (step.opened) {
      this.state = { kind: 'active', opened: step.opened, closing: false };
      this.lastHeardMs = nowMs;
      const data = setPrivilege.encode({ privilege: this.options.privilege });
      this.queue.unshift({ id: OWN.privilege, ...numbers(setPrivilege), data, repeatable: true });
      this.next(nowMs);
    } else {
      const deadlineMs = step.wakeAtMs ?? nowMs;
      // The handshake may have handed over to another of its own; the outer one stays in charge.
      this.state = { kind: 'opening', handshake: this.handshake, deadlineMs };
    }
  }

  private next(nowMs: number): void {
    if (this.state.kind !== 'active' || this.inFlight) return;
    const request = this.queue.shift();
    if (!request) return;
    const counts = { tries: 0, refusals: 0, deadlineMs: 0, waiting: false };
    this.inFlight = { request, sequence: this.nextSequence(), ...counts };
    this.transmit(this.inFlight, this.state.opened.channel, nowMs);
  }

  private nextSequence(): number {
    this.sequence = (this.sequence + 1) & 0x3f;
    return this.sequence;
  }

  private transmit(inFlight: InFlight, channel: Channel, nowMs: number): void {
    const { request, sequence } = inFlight;
    inFlight.tries += 1;
    inFlight.waiting = false;
    inFlight.deadlineMs =
      nowMs +
      (request.repeatable ? limit('ipmiReplyMs') * inFlight.tries : limit('ipmiActionReplyMs'));
    const bytes = encodeRequest({
      ...{ responder: BMC_ADDRESS, netFn: request.netFn, lun: 0, requester: CONSOLE_ADDRESS },
      ...{ sequence, command: request.command, data: request.data },
    });
    this.send.push(channel.seal({ type: PAYLOAD.ipmi, bytes }));
  }

  private onMessage(payload: Payload, nowMs: number): void {
    const ignoreChecksums = this.options.quirks.has('inner-checksums');
    const response = decodeResponse(payload.bytes, { ignoreChecksums });
    const { inFlight } = this;
    if (!response.ok || !inFlight || inFlight.waiting) return;
    const { request } = inFlight;
    const { netFn, sequence, command, completion, data } = response.value;
    if (netFn !== request.netFn + 1 || command !== request.command) return;
    if (sequence !== inFlight.sequence) return;
    // The first copy is being worked on: its reply is still to come.
    if (completion === COMPLETION.duplicate) return;
    if (completion === COMPLETION.busy && inFlight.refusals + 1 < limit('ipmiTriesMax')) {
      inFlight.refusals += 1;
      inFlight.tries = 0;
      // A new request to the BMC, which would answer a repetition of the old one with "busy" again.
      inFlight.sequence = this.nextSequence();
      inFlight.waiting = true;
      inFlight.deadlineMs = nowMs + limit('ipmiBusyMs') * inFlight.refusals;
      return;
    }
    this.inFlight = undefined;
    this.onAnswer(request.id, completion, data);
    this.next(nowMs);
  }

  private onAnswer(id: number, completion: number, data: Uint8Array): void {
    if (this.state.kind !== 'active') return;
    switch (id) {
      case OWN.privilege:
        if (completion === 0) this.events.push({ kind: 'opened', opened: this.state.opened });
        else this.refusePrivilege(completion);
        break;
      case OWN.close:
        this.end({ kind: 'closed' });
        break;
      case OWN.keepAlive:
        break;
      default:
        this.events.push({ kind: 'response', id, completion, data });
    }
  }

  /** The session is open but of no use: it is closed at the BMC, which frees its slot, and reported as failed. */
  private refusePrivilege(completion: number): void {
    if (this.state.kind !== 'active') return;
    const { channel } = this.state.opened;
    const data = closeSession.encode({ sessionId: channel.bmcId });
    const header = { responder: BMC_ADDRESS, lun: 0, requester: CONSOLE_ADDRESS };
    const { netFn, command } = numbers(closeSession);
    const message = encodeRequest({ ...header, netFn, command, sequence: 0, data });
    this.send.push(channel.seal({ type: PAYLOAD.ipmi, bytes: message }));
    const text = completionText(completion, setPrivilege.completions);
    this.end({ kind: 'failed', fault: { code: 'BMC_PRIVILEGE', detail: `${text}.` } });
  }

  private onSilence(inFlight: InFlight, nowMs: number): void {
    if (this.state.kind !== 'active') return;
    const { request, tries, waiting } = inFlight;
    if (request.id === OWN.close && tries > 1) {
      this.end({ kind: 'closed' });
    } else if ((waiting || request.repeatable) && tries < limit('ipmiTriesMax')) {
      this.transmit(inFlight, this.state.opened.channel, nowMs);
    } else if (request.repeatable) {
      const detail = `No answer to ${limit('ipmiTriesMax')} tries of one request.`;
      this.end({ kind: 'failed', fault: { code: 'BMC_TIMEOUT', detail } });
    } else {
      this.inFlight = undefined;
      this.events.push({ kind: 'lost', id: request.id });
      this.next(nowMs);
    }
  }

  private keepAliveAtMs(): number {
    return this.options.keepAlive
      ? this.lastHeardMs + limit('ipmiKeepAliveMs')
      : Number.POSITIVE_INFINITY;
  }

  /** Get Device ID, which every BMC has and no privilege is needed for. */
  private keepAlive(nowMs: number): void {
    const data = new Uint8Array();
    this.queue.push({ id: OWN.keepAlive, netFn: NETFN.app, command: 1, data, repeatable: true });
    this.next(nowMs);
  }

  private dropQueue(): void {
    for (const { id } of this.queue.splice(0)) {
      if (id >= 0) this.events.push({ kind: 'lost', id });
    }
  }

  private end(event: SessionEvent): void {
    this.state = { kind: 'ended' };
    this.inFlight = undefined;
    this.queue.length = 0;
    this.events.push(event);
  }

  private step(): SessionStep {
    const { send, events } = this;
    this.send = [];
    this.events = [];
    return { send, events, wakeAtMs: this.wakeAtMs() };
  }

  private wakeAtMs(): number | undefined {
    switch (this.state.kind) {
      case 'opening':
        return this.state.deadlineMs;
      case 'active': {
        const at = this.inFlight?.deadlineMs ?? this.keepAliveAtMs();
        return Number.isFinite(at) ? at : undefined;
      }
      case 'new':
      case 'ended':
        return undefined;
    }
  }
}

function numbers(command: { netFn: number; command: number }): { netFn: number; command: number } {
  return { netFn: command.netFn, command: command.command };
}
