/**
 * Opening a session, as a state machine without I/O: inputs are a packet or the passing of a deadline, outputs are
 * datagrams, the next deadline, and at last a channel or the reason why there is none.
 *
 * The order is: what can this BMC do, which suites has it, open session, RAKP 1 to 4. A step of the handshake proper is
 * never repeated alone: after a lost packet all of it starts again with a new id, tag and random number, because BMCs
 * differ in what they make of a repeated one. A wrong password is noticed here, by the code in RAKP 2, and the BMC is told
 * (RAKP 3 with status 0x0f) so that it frees the slot. Nothing is guessed: one password, one name, one attempt per suite.
 * A refusal that names nobody is believed late (`hearsay.ts`). A BMC without IPMI 2.0 is handed to `handshake15.ts`, when that
 * is allowed; when not, it is asked for 2.0 all the same, because anybody can say for it that it has none.
 */
import { limit } from '../limits.ts';
import { createRmcpPlusChannel } from './channel.ts';
import { type ChannelAuth, getChannelAuth } from './commands/channel-auth.ts';
import { getCipherSuites, SUITE_PIECE_BYTES, SUITE_PIECES_MAX } from './commands/cipher-suites.ts';
import { deriveKeys, sameBytes } from './crypto.ts';
import { createHandshake15 } from './handshake15.ts';
import { createHearsay, type Opening } from './hearsay.ts';
import {
  type Fault,
  fault,
  type Handshake,
  type HandshakeInput,
  type HandshakeStep,
} from './opening.ts';
import type { SessionOptions } from './options.ts';
import {
  algorithmsOf,
  decodeOpenResponse,
  decodeRakp2,
  decodeRakpCode,
  type Exchange,
  encodeOpenRequest,
  encodeRakp1,
  encodeRakpCode,
  NAME_ONLY_LOOKUP,
  type OpenResponse,
  RAKP_STATUS,
  type Rakp2,
  type Refusal,
  rakp2Code,
  rakp3Code,
  rakp4Code,
  sessionKey,
} from './rakp.ts';
import { encodeHandshake, PAYLOAD, type RmcpPacket, type RmcpPlusPacket } from './rmcp.ts';
import { ANY_AHEAD } from './sequence.ts';
import { createSessionless, type Sessionless } from './sessionless.ts';
import { type CipherSuite, chooseSuites, cipherSuite, decodeSuiteRecords } from './suites.ts';

type Phase =
  | { readonly kind: 'auth'; readonly query: Sessionless<ChannelAuth>; readonly v2: boolean }
  | { readonly kind: 'suites'; readonly query: Sessionless<{ records: Uint8Array }> }
  | { readonly kind: 'ipmi-1.5'; readonly handshake: Handshake }
  | { readonly kind: 'open' }
  | { readonly kind: 'rakp2'; readonly bmcId: number; readonly consoleRandom: Uint8Array }
  | { readonly kind: 'rakp4'; readonly exchange: Exchange; readonly sik: Uint8Array };

/** Statuses of Open Session that speak of the suite; 0x01 does too on BMCs that have suite 3 disabled. */
const SUITE_STATUS = [0x01, 0x04, 0x05, 0x06, 0x07, 0x10, 0x11, 0x12];
const ROLE_STATUS = [0x09, 0x0a];
const NO_SLOT_STATUS = [0x01, 0x0b];
const WRONG_CODE_STATUS = 0x0f;

export function createHandshake(input: HandshakeInput): Handshake {
  return new RmcpPlusHandshake(input);
}

class RmcpPlusHandshake implements Handshake {
  private readonly options: SessionOptions;
  private readonly random: HandshakeInput['random'];
  private phase: Phase = { kind: 'open' };
  private auth: ChannelAuth | undefined;
  private records: number[] = [];
  private pieces = 0;
  private suites: number[];
  private handshakes = 0;
  private consoleId = 0;
  private tag = 0;
  private attempts = 0;
  private openPrivilege: number;
  private lastRefusal: Fault | undefined;
  private readonly hearsay = createHearsay();

  constructor({ options, random }: HandshakeInput) {
    this.options = options;
    this.random = random;
    this.suites = [...options.suites];
    this.openPrivilege = options.quirks.has('open-highest') ? 0 : options.privilege;
  }

  start(nowMs: number): HandshakeStep {
    return this.askAuth(true, nowMs);
  }

  onPacket(packet: RmcpPacket, nowMs: number): HandshakeStep | undefined {
    const { phase } = this;
    switch (phase.kind) {
      case 'auth': {
        const answer = phase.query.onPacket(packet);
        if (!answer) return undefined;
        if (answer.completion !== 0 && phase.v2) return this.askAuth(false, nowMs);
        return this.onAuth(answer.value, nowMs);
      }
      case 'suites': {
        const answer = phase.query.onPacket(packet);
        return answer ? this.onSuites(answer.value?.records, nowMs) : undefined;
      }
      case 'ipmi-1.5':
        return phase.handshake.onPacket(packet, nowMs);
      case 'open':
      case 'rakp2':
      case 'rakp4':
        return packet.kind === 'rmcp+' ? this.onHandshake(phase, packet, nowMs) : undefined;
    }
  }

  onDeadline(nowMs: number): HandshakeStep {
    const { phase } = this;
    switch (phase.kind) {
      case 'auth':
        return phase.query.repeat(nowMs) ?? unreachableBmc('It did not answer any request.');
      case 'suites':
        return this.openWith(chooseSuites(this.options.suites, []), nowMs);
      case 'ipmi-1.5':
        return phase.handshake.onDeadline(nowMs);
      case 'open':
      case 'rakp2':
      case 'rakp4':
        return this.onSilence(phase.kind, nowMs);
    }
  }

  private onSilence(during: Opening, nowMs: number): HandshakeStep {
    const status = this.hearsay.believed(during);
    if (status !== undefined) return this.onRefused(during, status, nowMs);
    if (this.handshakes < limit('ipmiHandshakesMax')) return this.open(nowMs);
    if (this.auth?.ipmi20 === false) return fault('BMC_SUITE', ONLY_IPMI15);
    return fault('BMC_TIMEOUT', `No answer to ${MESSAGE_NAME[during]}.`);
  }

  private askAuth(v2: boolean, nowMs: number): HandshakeStep {
    const request = { v2, privilege: this.options.privilege };
    const query = createSessionless({ command: getChannelAuth, request, sequence: v2 ? 0 : 1 });
    this.phase = { kind: 'auth', query, v2 };
    return query.start(nowMs);
  }

  private onAuth(auth: ChannelAuth | undefined, nowMs: number): HandshakeStep {
    this.auth = auth;
    // Without a usable answer IPMI 2.0 is simply tried: the flags are wrong on several boards.
    if (auth && !auth.ipmi20 && this.options.allowIpmi15) return this.fallBack(nowMs);
    return this.options.suites.length > 1 ? this.askSuites(nowMs) : this.open(nowMs);
  }

  private fallBack(nowMs: number): HandshakeStep {
    if (!this.options.allowIpmi15) {
      return fault('BMC_SUITE', ONLY_IPMI15);
    }
    const handshake = createHandshake15({ options: this.options, random: this.random });
    this.phase = { kind: 'ipmi-1.5', handshake };
    return handshake.start(nowMs);
  }

  private askSuites(nowMs: number): HandshakeStep {
    const request = { index: this.pieces };
    const sequence = (2 + this.pieces) & 0x3f;
    const query = createSessionless({
      ...{ command: getCipherSuites, request, sequence },
      rmcpPlus: true,
    });
    this.phase = { kind: 'suites', query };
    return query.start(nowMs);
  }

  private onSuites(records: Uint8Array | undefined, nowMs: number): HandshakeStep {
    this.records.push(...(records ?? []));
    this.pieces += 1;
    const more = records !== undefined && records.length >= SUITE_PIECE_BYTES;
    if (more && this.pieces < SUITE_PIECES_MAX) return this.askSuites(nowMs);
    const listed = decodeSuiteRecords(Uint8Array.from(this.records));
    return this.openWith(chooseSuites(this.options.suites, listed), nowMs);
  }

  private openWith(suites: number[], nowMs: number): HandshakeStep {
    this.suites = suites;
    return this.open(nowMs);
  }

  private get suite(): CipherSuite {
    const suite = cipherSuite(this.suites[0] ?? -1);
    if (!suite) throw new Error('a handshake without a suite');
    return suite;
  }

  /** A whole new handshake: nothing of an earlier one is valid any more. */
  private open(nowMs: number): HandshakeStep {
    if (this.suites.length === 0) return this.fallBack(nowMs);
    this.phase = { kind: 'open' };
    this.handshakes += 1;
    this.tag = this.attempts & 0xff;
    this.attempts += 1;
    this.consoleId = randomId(this.random);
    const request = encodeOpenRequest({
      tag: this.tag,
      privilege: this.openPrivilege,
      consoleId: this.consoleId,
      algorithms: algorithmsOf(this.suite),
    });
    return this.sent(PAYLOAD.openRequest, request, nowMs);
  }

  private sent(type: number, payload: Uint8Array, nowMs: number): HandshakeStep {
    this.hearsay.clear();
    const waitMs = limit('ipmiReplyMs') * Math.ceil(this.handshakes / 2);
    return { send: encodeHandshake(type, payload), wakeAtMs: nowMs + waitMs };
  }

  private onHandshake(
    phase: Extract<Phase, { kind: Opening }>,
    packet: RmcpPlusPacket,
    nowMs: number,
  ): HandshakeStep | undefined {
    if (packet.authenticated || packet.encrypted) return undefined;
    switch (phase.kind) {
      case 'open': {
        if (packet.payloadType !== PAYLOAD.openResponse) return undefined;
        const answer = decodeOpenResponse(packet.payload);
        if (!answer.ok || answer.value.tag !== this.tag) return undefined;
        return 'bmcId' in answer.value
          ? this.onOpen(answer.value, nowMs)
          : this.onRefusal('open', answer.value, nowMs);
      }
      case 'rakp2': {
        if (packet.payloadType !== PAYLOAD.rakp2) return undefined;
        const answer = decodeRakp2(packet.payload);
        if (!answer.ok || answer.value.tag !== this.tag) return undefined;
        return 'guid' in answer.value
          ? this.onRakp2(phase, answer.value, nowMs)
          : this.onRefusal('rakp2', answer.value, nowMs);
      }
      case 'rakp4': {
        if (packet.payloadType !== PAYLOAD.rakp4) return undefined;
        const answer = decodeRakpCode(packet.payload);
        if (!answer.ok || answer.value.tag !== this.tag) return undefined;
        if (!('code' in answer.value)) return this.onRefusal('rakp4', answer.value, nowMs);
        if (!this.isOurs(answer.value.id)) return undefined;
        return this.onRakp4(phase, answer.value.code);
      }
    }
  }

  private isOurs(consoleId: number): boolean {
    return consoleId === this.consoleId || (this.options.quirks.has('id-zero') && consoleId === 0);
  }

  /** One that names nobody is kept until the time for a better answer is over. */
  private onRefusal(
    during: Opening,
    { status, consoleId = 0 }: Refusal,
    nowMs: number,
  ): HandshakeStep | undefined {
    if (this.isOurs(consoleId)) return this.onRefused(during, status, nowMs);
    if (consoleId === 0) this.hearsay.hear(status);
    return undefined;
  }

  private onRefused(during: Opening, status: number, nowMs: number): HandshakeStep {
    return during === 'open' ? this.onOpenRefused(status, nowMs) : rakpRefused(status);
  }

  private onOpen(answer: OpenResponse, nowMs: number): HandshakeStep | undefined {
    if (!this.isOurs(answer.consoleId)) return undefined;
    // A BMC that answers with other algorithms than those asked for would weaken the session unasked.
    if (answer.algorithms.join() !== algorithmsOf(this.suite).join()) {
      return this.onOpenRefused(0x11, nowMs);
    }
    const consoleRandom = this.random(16);
    this.phase = { kind: 'rakp2', bmcId: answer.bmcId, consoleRandom };
    const ids = { tag: this.tag, bmcId: answer.bmcId, consoleRandom };
    const rakp1 = encodeRakp1({ ...ids, role: this.role, name: this.options.user });
    return this.sent(PAYLOAD.rakp1, rakp1, nowMs);
  }

  private get role(): number {
    const lookup = this.options.quirks.has('role-lookup') ? 0 : NAME_ONLY_LOOKUP;
    return this.options.privilege | lookup;
  }

  private onOpenRefused(status: number, nowMs: number): HandshakeStep {
    const detail = `Open Session with cipher suite ${this.suite.id}: ${statusText(status)}.`;
    // The level may be bound to the suite: ask once for the highest that there is.
    if (ROLE_STATUS.includes(status) && this.openPrivilege !== 0) {
      this.openPrivilege = 0;
      return this.open(nowMs);
    }
    if (SUITE_STATUS.includes(status) || ROLE_STATUS.includes(status)) {
      // "No resources" may mean the suite, so the others are asked too; if none opens, it is taken at its word.
      const code = NO_SLOT_STATUS.includes(status)
        ? 'BMC_BUSY'
        : ROLE_STATUS.includes(status)
          ? 'BMC_PRIVILEGE'
          : 'BMC_SUITE';
      if (this.lastRefusal?.code !== 'BMC_BUSY') this.lastRefusal = { code, detail };
      this.suites.shift();
      this.handshakes = 0;
      this.hearsay.forget();
      if (this.suites.length > 0) return this.open(nowMs);
      return { fault: this.lastRefusal };
    }
    return fault(NO_SLOT_STATUS.includes(status) ? 'BMC_BUSY' : 'BMC_PROTOCOL', detail);
  }

  private onRakp2(
    phase: Extract<Phase, { kind: 'rakp2' }>,
    answer: Rakp2,
    nowMs: number,
  ): HandshakeStep | undefined {
    if (!this.isOurs(answer.consoleId)) return undefined;
    const { options, suite, role, consoleId } = this;
    const { bmcId, consoleRandom } = phase;
    const randoms = { consoleRandom, bmcRandom: answer.bmcRandom, guid: answer.guid };
    const secrets = { name: options.user, password: options.password, kg: options.kg };
    const exchange: Exchange = { suite, consoleId, bmcId, ...randoms, role, ...secrets };
    if (!this.codeMatches(rakp2Code(exchange), answer.code)) {
      const status = WRONG_CODE_STATUS;
      const empty = new Uint8Array();
      const rakp3 = encodeRakpCode({ tag: this.tag, status, id: bmcId, code: empty });
      const send = encodeHandshake(PAYLOAD.rakp3, rakp3);
      return { send, ...fault('BMC_PASSWORD', 'The code in RAKP 2 does not verify.') };
    }
    const code = rakp3Code(exchange);
    this.phase = { kind: 'rakp4', exchange, sik: sessionKey(exchange) };
    const rakp3 = encodeRakpCode({ tag: this.tag, status: 0, id: bmcId, code });
    return this.sent(PAYLOAD.rakp3, rakp3, nowMs);
  }

  private codeMatches(ours: Uint8Array, theirs: Uint8Array): boolean {
    const length = Math.min(ours.length, theirs.length);
    if (!this.options.quirks.has('short-rakp2') || length < 12) return sameBytes(ours, theirs);
    return sameBytes(ours.subarray(0, length), theirs.subarray(0, length));
  }

  private onRakp4(phase: Extract<Phase, { kind: 'rakp4' }>, code: Uint8Array): HandshakeStep {
    const { exchange, sik } = phase;
    if (!sameBytes(rakp4Code(exchange, sik), code)) {
      return fault('BMC_KG', 'The check value in RAKP 4 does not verify.');
    }
    const channel = createRmcpPlusChannel({
      keys: deriveKeys(exchange.suite, sik),
      remoteId: exchange.bmcId,
      localId: exchange.consoleId,
      bmcId: exchange.bmcId,
      random: this.random,
      ahead: ANY_AHEAD,
      idZero: this.options.quirks.has('id-zero'),
    });
    return { opened: { channel, protection: exchange.suite.id, auth: this.auth } };
  }
}

const ONLY_IPMI15 = 'It has IPMI 1.5 only, which is not allowed by the configuration.';
const MESSAGE_NAME = { open: 'Open Session', rakp2: 'RAKP 1', rakp4: 'RAKP 3' } as const;

function randomId(random: HandshakeInput['random']): number {
  const [a = 0, b = 0, c = 0, d = 0] = random(4);
  // Zero means "no session".
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0 || 1;
}

function rakpRefused(status: number): HandshakeStep {
  const detail = `RAKP: ${statusText(status)}.`;
  if (status === 0x0d || status === 0x0c || status === 0x0e) return fault('BMC_USER', detail);
  if (ROLE_STATUS.includes(status)) return fault('BMC_PRIVILEGE', detail);
  if (NO_SLOT_STATUS.includes(status)) return fault('BMC_BUSY', detail);
  if (status === WRONG_CODE_STATUS) return fault('BMC_PASSWORD', detail);
  return fault('BMC_PROTOCOL', detail);
}

function statusText(status: number): string {
  const hex = `0x${status.toString(16).padStart(2, '0')}`;
  return `${RAKP_STATUS[status] ?? 'unknown status'} (${hex})`;
}

function unreachableBmc(detail: string): HandshakeStep {
  return fault('BMC_UNREACHABLE', detail);
}
