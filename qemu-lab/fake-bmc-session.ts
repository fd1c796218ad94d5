/**
 * The network side of a simulated BMC without its socket: presence ping, discovery, RMCP+ sessions with their slots,
 * privileges and sequence windows, and Serial over LAN. A datagram and its source go in, datagrams come out.
 *
 * It keeps to IPMI 2.0 where real BMCs do, so that ipmitool and FreeIPMI accept it: an unknown user is refused in RAKP 2,
 * a wrong password by silence towards RAKP 3, slots are freed after a minute without a packet, and a repeated request is
 * answered again without being carried out twice.
 */
import { type Channel, createRmcpPlusChannel, type Payload } from '../src/ipmi/channel.ts';
import { deriveKeys, padded, sameBytes } from '../src/ipmi/crypto.ts';
import { decodeRequest, encodeResponse, type IpmiRequest } from '../src/ipmi/message.ts';
import {
  algorithmsOf,
  decodeOpenRequest,
  decodeRakp1,
  decodeRakpCode,
  type Exchange,
  encodeOpenResponse,
  encodeRakp2,
  encodeRakpCode,
  NAME_ONLY_LOOKUP,
  rakp2Code,
  rakp3Code,
  rakp4Code,
  sessionKey,
} from '../src/ipmi/rakp.ts';
import {
  decodeRmcp,
  encodeHandshake,
  encodePong,
  encodeSessionless,
  PAYLOAD,
  type RmcpPlusPacket,
} from '../src/ipmi/rmcp.ts';
import { encodeSol, SOL_BMC } from '../src/ipmi/sol.ts';
import { CIPHER_SUITES, cipherSuite, encodeSuiteRecord } from '../src/ipmi/suites.ts';
import { runCommand } from './fake-bmc-commands.ts';
import { ok, type Reply, refuse } from './fake-bmc-reply.ts';
import type { BmcState, BmcUser } from './fake-bmc-state.ts';

export interface Source {
  readonly address: string;
  readonly port: number;
}

interface Slot {
  readonly bmcId: number;
  readonly consoleId: number;
  readonly suiteId: number;
  /** The highest privilege that Open Session allowed. */
  readonly privilegeMax: number;
  source: Source;
  lastHeardMs: number;
  user?: BmcUser;
  exchange?: Exchange;
  channel?: Channel;
  privilege: number;
  sol: boolean;
  /** The last request and its answer, for repetitions. */
  last?: { readonly key: string; readonly response: Uint8Array };
}

export interface BmcCoreOptions {
  readonly state: BmcState;
  readonly suites: readonly number[];
  readonly kg: Uint8Array | undefined;
  readonly random: (count: number) => Uint8Array;
  /** SOL payloads from the session that has it active. */
  readonly onSol: (payload: Uint8Array) => void;
  readonly onSolActive: (active: boolean) => void;
  /** What is sent without having been asked for. */
  readonly onNotice?: (bytes: Uint8Array, to: Source) => void;
}

/** Section 6.12.15: a session that was silent for this long is over. */
const SESSION_MS = 60_000;
/** How far ahead a sequence number may be, by section 6.12.13. */
const WINDOW_AHEAD = 15;
const STATUS = { noSlot: 0x01, badId: 0x02, badRole: 0x0a, badName: 0x0d } as const;
const NAME_LENGTH_MAX = 16;

export class BmcCore {
  private readonly options: BmcCoreOptions;
  private readonly slots = new Map<number, Slot>();
  private lastId = 0x11223300;

  constructor(options: BmcCoreOptions) {
    this.options = options;
  }

  get solActive(): boolean {
    return [...this.slots.values()].some(({ sol }) => sol);
  }

  get sessions(): number {
    return this.slots.size;
  }

  /** It restarts: every session is gone, and nobody is told. */
  forget(): void {
    this.slots.clear();
  }

  /** What to send back to where the datagram came from. */
  respond(bytes: Uint8Array, source: Source, nowMs: number): Uint8Array[] {
    this.expire(nowMs);
    this.options.state.nowMs = nowMs;
    if (this.options.state.knobs.dead) return [];
    const packet = decodeRmcp(bytes);
    if (!packet.ok) return [];
    switch (packet.value.kind) {
      case 'ping':
        return [encodePong(packet.value.tag)];
      case 'pong':
        return [];
      case 'lan15': {
        if (packet.value.sessionId !== 0) return [];
        const response = this.sessionless(packet.value.payload);
        return response ? [encodeSessionless(response)] : [];
      }
      case 'rmcp+':
        return packet.value.sessionId === 0
          ? this.outside(packet.value, source, nowMs)
          : this.inside(packet.value, source, nowMs);
    }
  }

  /** A SOL payload to the session that has it active. */
  sol(payload: Uint8Array): { bytes: Uint8Array; to: Source } | undefined {
    const slot = [...this.slots.values()].find((each) => each.sol);
    if (!slot?.channel) return undefined;
    return { bytes: slot.channel.seal({ type: PAYLOAD.sol, bytes: payload }), to: slot.source };
  }

  private expire(nowMs: number): void {
    for (const slot of this.slots.values()) {
      if (nowMs - slot.lastHeardMs > SESSION_MS) this.free(slot);
    }
  }

  private free(slot: Slot): void {
    this.slots.delete(slot.bmcId);
    if (slot.sol) this.options.onSolActive(false);
  }

  private sessionless(message: Uint8Array): Uint8Array | undefined {
    const request = decodeRequest(message);
    if (!request.ok || request.value.netFn !== 0x06) return undefined;
    const reply = this.discovery(request.value);
    return reply && encodeResponse({ ...request.value, netFn: 0x07, ...reply });
  }

  private discovery({ command, data }: IpmiRequest): Reply | undefined {
    switch (command) {
      case 0x38: {
        // MD5 and straight passwords are not offered: bit 7 says that byte 4 counts, and it says IPMI 2.0 only.
        const status = (this.options.kg ? 0x20 : 0) | 0x04;
        return ok(1, (data[0] ?? 0) & 0x80 ? 0x80 : 0x00, status, 0x02, 0, 0, 0, 0);
      }
      case 0x54: {
        const records = CIPHER_SUITES.filter(({ id }) => this.options.suites.includes(id)).flatMap(
          (suite) => [...encodeSuiteRecord(suite)],
        );
        const index = ((data[2] ?? 0) & 0x3f) * 16;
        return ok(1, ...records.slice(index, index + 16));
      }
      case 0x37:
        return { completion: 0, data: this.options.state.guid };
      default:
        return undefined;
    }
  }

  private outside(packet: RmcpPlusPacket, source: Source, nowMs: number): Uint8Array[] {
    const { payload } = packet;
    switch (packet.payloadType) {
      case PAYLOAD.ipmi: {
        const response = this.sessionless(payload);
        return response ? [encodeHandshake(PAYLOAD.ipmi, response)] : [];
      }
      case PAYLOAD.openRequest:
        return this.open(payload, source, nowMs);
      case PAYLOAD.rakp1:
        return this.rakp1(payload, nowMs);
      case PAYLOAD.rakp3:
        return this.rakp3(payload, nowMs);
      default:
        return [];
    }
  }

  private open(payload: Uint8Array, source: Source, nowMs: number): Uint8Array[] {
    const request = decodeOpenRequest(payload);
    if (!request.ok) return [];
    const { state, suites } = this.options;
    const answer = (status: number, bmcId = 0, privilege = 0) => [
      encodeHandshake(
        PAYLOAD.openResponse,
        encodeOpenResponse({ ...request.value, privilege, status, bmcId }),
      ),
    ];
    const suite = CIPHER_SUITES.find(
      (each) =>
        suites.includes(each.id) && algorithmsOf(each).join() === request.value.algorithms.join(),
    );
    if (!suite) return answer(state.knobs.suiteStatus);
    if (this.slots.size >= state.knobs.sessionsMax) return answer(STATUS.noSlot);
    this.lastId = (this.lastId + 1) >>> 0;
    const privilegeMax = request.value.privilege || 4;
    const { consoleId } = request.value;
    const ids = { bmcId: this.lastId, consoleId, suiteId: suite.id, privilegeMax };
    const slot = { ...ids, source, lastHeardMs: nowMs, privilege: 2, sol: false };
    this.slots.set(slot.bmcId, slot);
    return answer(0, slot.bmcId, privilegeMax);
  }

  private rakp1(payload: Uint8Array, nowMs: number): Uint8Array[] {
    const message = decodeRakp1(payload);
    if (!message.ok) return [];
    const { tag, bmcId, consoleRandom, role, name } = message.value;
    const slot = this.slots.get(bmcId);
    const bmcRandom = this.options.random(16);
    const { guid } = this.options.state;
    const refused = (status: number) => {
      const consoleId = slot?.consoleId ?? 0;
      const empty = { bmcRandom, guid, code: new Uint8Array() };
      if (slot) this.free(slot);
      return [encodeHandshake(PAYLOAD.rakp2, encodeRakp2({ tag, status, consoleId, ...empty }))];
    };
    if (!slot) return refused(STATUS.badId);
    const user = this.findUser(name, role);
    const suite = cipherSuite(slot.suiteId);
    if (!user || !suite || name.length > NAME_LENGTH_MAX) return refused(STATUS.badName);
    if ((role & 0x0f) > user.privilege) return refused(STATUS.badRole);
    const ids = { suite, consoleId: slot.consoleId, bmcId };
    const secrets = { role, name, password: user.password, kg: this.options.kg };
    const exchange = { ...ids, consoleRandom, bmcRandom, guid, ...secrets };
    Object.assign(slot, { user, exchange, lastHeardMs: nowMs });
    const code = rakp2Code(exchange);
    const body = { tag, status: 0, consoleId: slot.consoleId, bmcRandom, guid, code };
    return [encodeHandshake(PAYLOAD.rakp2, encodeRakp2(body))];
  }

  private findUser(name: Uint8Array, role: number): BmcUser | undefined {
    const wanted = padded(name, NAME_LENGTH_MAX);
    return this.options.state.users.find((user) => {
      if (!user?.enabled) return false;
      const own = padded(Buffer.from(user.name, 'latin1'), NAME_LENGTH_MAX);
      // Without bit 4 the level counts too (section 13.20).
      const byLevel = (role & NAME_ONLY_LOOKUP) !== 0 || (role & 0x0f) === user.privilege;
      return sameBytes(own, wanted) && byLevel;
    });
  }

  private rakp3(payload: Uint8Array, nowMs: number): Uint8Array[] {
    const message = decodeRakpCode(payload);
    if (!message.ok) return [];
    // A console that gives up says so; its id follows the status in a refusal too.
    if (!('code' in message.value)) {
      const id = new DataView(payload.slice().buffer);
      const slot = payload.length >= 8 ? this.slots.get(id.getUint32(4, true)) : undefined;
      if (slot && !slot.channel) this.free(slot);
      return [];
    }
    const slot = this.slots.get(message.value.id);
    const exchange = slot?.exchange;
    if (!slot || !exchange || !sameBytes(rakp3Code(exchange), message.value.code)) return [];
    const sik = sessionKey(exchange);
    slot.channel = createRmcpPlusChannel({
      keys: deriveKeys(exchange.suite, sik),
      ...{ remoteId: slot.consoleId, localId: slot.bmcId, bmcId: slot.bmcId },
      ...{ random: this.options.random, ahead: WINDOW_AHEAD },
    });
    slot.lastHeardMs = nowMs;
    const answer = { tag: message.value.tag, status: 0, id: slot.consoleId };
    return [
      encodeHandshake(PAYLOAD.rakp4, encodeRakpCode({ ...answer, code: rakp4Code(exchange, sik) })),
    ];
  }

  private inside(packet: RmcpPlusPacket, source: Source, nowMs: number): Uint8Array[] {
    const slot = this.slots.get(packet.sessionId);
    const payload = slot?.channel?.open(packet);
    if (!slot || !payload?.ok || this.options.state.knobs.hang) return [];
    slot.lastHeardMs = nowMs;
    slot.source = source;
    if (payload.value.type === PAYLOAD.sol) {
      if (slot.sol) this.options.onSol(payload.value.bytes);
      return [];
    }
    const response = this.request(slot, payload.value);
    const sealed = response && slot.channel?.seal({ type: PAYLOAD.ipmi, bytes: response });
    return sealed ? [sealed] : [];
  }

  private request(slot: Slot, payload: Payload): Uint8Array | undefined {
    if (payload.type !== PAYLOAD.ipmi) return undefined;
    const request = decodeRequest(payload.bytes);
    if (!request.ok) return undefined;
    const key = Buffer.from(payload.bytes).toString('hex');
    if (slot.last?.key === key) return slot.last.response;
    const { netFn, command, data } = request.value;
    const reply = this.session(slot, request.value) ?? this.run(slot, { netFn, command, data });
    const response = encodeResponse({ ...request.value, netFn: netFn + 1, ...reply });
    slot.last = { key, response };
    return response;
  }

  private run(slot: Slot, message: { netFn: number; command: number; data: Uint8Array }): Reply {
    const { state } = this.options;
    if (message.netFn === 0x06 && [0x38, 0x54].includes(message.command)) {
      const addresses = { responder: 0x20, requester: 0x81, lun: 0, sequence: 0 };
      return this.discovery({ ...message, ...addresses }) ?? refuse(0xc1);
    }
    return runCommand(message, { state, privilege: slot.privilege });
  }

  /** Commands that change the session itself. */
  private session(slot: Slot, { netFn, command, data }: IpmiRequest): Reply | undefined {
    const refused = this.options.state.knobs.refuse.get(`${netFn}/${command}`);
    if (netFn !== 0x06 || refused !== undefined) return undefined;
    switch (command) {
      case 0x3b: {
        const asked = (data[0] ?? 0) & 0x0f;
        if (asked > Math.min(slot.user?.privilege ?? 0, slot.privilegeMax)) return refuse(0x81);
        if (asked !== 0) slot.privilege = asked;
        return ok(slot.privilege);
      }
      case 0x3c: {
        const id = new DataView(padded(data, 4).buffer).getUint32(0, true);
        const closing = this.slots.get(id);
        if (!closing) return refuse(0x87);
        this.free(closing);
        return ok();
      }
      case 0x48:
        return this.activate(slot, data);
      case 0x49: {
        const active = [...this.slots.values()].find((each) => each.sol);
        if (!active) return refuse(0x80);
        active.sol = false;
        if (active !== slot) this.tellDeactivated(active);
        this.options.onSolActive(false);
        return ok();
      }
      case 0x4a: {
        const active = [...this.slots.values()].some((each) => each.sol);
        return ok(1, active ? 1 : 0, 0);
      }
      default:
        return undefined;
    }
  }

  /** Table 15-2: the console that lost it is told by a status bit. */
  private tellDeactivated({ channel, source }: Slot): void {
    const none = { sequence: 0, acknowledged: 0, accepted: 0, data: new Uint8Array() };
    const bytes = encodeSol({ ...none, flags: SOL_BMC.deactivated });
    if (channel) this.options.onNotice?.(channel.seal({ type: PAYLOAD.sol, bytes }), source);
  }

  private activate(slot: Slot, data: Uint8Array): Reply {
    if (data[0] !== PAYLOAD.sol || !this.options.state.machine.serial) return refuse(0x81);
    if (slot.privilege < this.options.state.solPrivilege) return refuse(0xd4);
    // Section 24.6: the payload is not enabled for this user.
    if (!slot.user?.sol) return refuse(0x81);
    if ([...this.slots.values()].some((each) => each.sol)) return refuse(0x80);
    slot.sol = true;
    this.options.onSolActive(true);
    // Buffers of 200 bytes both ways, port 623, no VLAN.
    return ok(0, 0, 0, 0, 200, 0, 200, 0, 0x6f, 0x02, 0xff, 0xff);
  }
}
