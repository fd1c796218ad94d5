/**
 * Opening an IPMI 1.5 session with MD5 (IPMI 1.5 section 6.11, IPMI 2.0 sections 22.16 and 22.17): a challenge, and an
 * activation that signs it. Passwords have 16 bytes here, and nothing is encrypted; it is used only where a configuration
 * allows it, for BMCs of before 2004.
 *
 * A refusal is not signed, and has no number that only the BMC has seen: an answer goes before it for as long as one may come,
 * and without one it is believed when it has come twice (`hearsay.ts`).
 */
import { limit } from '../limits.ts';
import { createLan15Channel, sealLan15 } from './channel.ts';
import { activateSession, getSessionChallenge } from './commands/session-control.ts';
import { completionText } from './completion.ts';
import { md5Code, sameBytes } from './crypto.ts';
import { createHearsay } from './hearsay.ts';
import {
  BMC_ADDRESS,
  CONSOLE_ADDRESS,
  decodeResponse,
  encodeRequest,
  type IpmiResponse,
} from './message.ts';
import { fault, type Handshake, type HandshakeInput, type HandshakeStep } from './opening.ts';
import { encodeSessionless, type RmcpPacket } from './rmcp.ts';
import { ANY_AHEAD } from './sequence.ts';

/** The command that is waited for, and the datagram that asks. */
interface Pending {
  readonly command: typeof getSessionChallenge | typeof activateSession;
  readonly send: Uint8Array;
  tries: number;
}

export function createHandshake15({ options, random }: HandshakeInput): Handshake {
  const { password } = options;
  const hearsay = createHearsay();
  let pending: Pending | undefined;
  const ask = (command: Pending['command'], send: Uint8Array, nowMs: number): HandshakeStep => {
    pending = { command, send, tries: 1 };
    hearsay.clear();
    hearsay.forget();
    return { send, wakeAtMs: nowMs + limit('ipmiReplyMs') };
  };
  const message = (command: Pending['command'], sequence: number, data: Uint8Array) =>
    encodeRequest({
      ...{ responder: BMC_ADDRESS, netFn: command.netFn, lun: 0, requester: CONSOLE_ADDRESS },
      ...{ sequence, command: command.command, data },
    });

  const onChallenge = (response: IpmiResponse, nowMs: number): HandshakeStep => {
    const answer = getSessionChallenge.decode(response.data);
    if (!answer.ok) return unusable(getSessionChallenge);
    const { sessionId, challenge } = answer.value;
    // Signed like the packets of the session will be, with sequence 0 (section 22.17).
    const inboundSequence = new DataView(random(4).slice().buffer).getUint32(0, true) || 1;
    const request = { privilege: options.privilege, challenge, inboundSequence };
    const payload = message(activateSession, 3, activateSession.encode(request));
    return ask(activateSession, sealLan15(password, { sessionId, sequence: 0, payload }), nowMs);
  };
  const onActivated = (response: IpmiResponse): HandshakeStep => {
    const answer = activateSession.decode(response.data);
    if (!answer.ok) return unusable(activateSession);
    const { sessionId, outboundSequence } = answer.value;
    const numbers = { sessionId, firstSequence: outboundSequence, ahead: ANY_AHEAD };
    return { opened: { channel: createLan15Channel({ password, ...numbers }), protection: 'md5' } };
  };

  return {
    start: (nowMs) => {
      const data = getSessionChallenge.encode({ user: options.user });
      const send = encodeSessionless(message(getSessionChallenge, 2, data));
      return ask(getSessionChallenge, send, nowMs);
    },
    onPacket(packet, nowMs) {
      const response = pending && answerTo(pending, packet, password);
      if (!pending || !response) return undefined;
      if (response.completion !== 0) {
        hearsay.hear(response.completion);
        return undefined;
      }
      return pending.command === getSessionChallenge
        ? onChallenge(response, nowMs)
        : onActivated(response);
    },
    onDeadline(nowMs) {
      const completion = hearsay.believed('open');
      if (pending && completion !== undefined) return refused(pending.command, completion);
      hearsay.clear();
      if (!pending || pending.tries >= limit('ipmiTriesMax')) {
        return fault('BMC_TIMEOUT', `No answer to ${pending?.command.name}.`);
      }
      pending.tries += 1;
      return { send: pending.send, wakeAtMs: nowMs + limit('ipmiReplyMs') * pending.tries };
    },
  };
}

/** An answer to the activation has to be signed; a refusal of it is not (section 6.12.4). */
function answerTo(
  pending: Pending,
  packet: RmcpPacket,
  password: Uint8Array,
): IpmiResponse | undefined {
  if (packet.kind !== 'lan15') return undefined;
  const response = decodeResponse(packet.payload);
  if (!response.ok || response.value.command !== pending.command.command) return undefined;
  if (response.value.netFn !== pending.command.netFn + 1) return undefined;
  const mustBeSigned = pending.command === activateSession && response.value.completion === 0;
  if (mustBeSigned && !packet.code) return undefined;
  if (packet.code && !sameBytes(md5Code(password, packet), packet.code)) return undefined;
  return response.value;
}

function unusable(command: Pending['command']): HandshakeStep {
  return fault('BMC_PROTOCOL', `${command.name}: the answer is cut off.`);
}

function refused(command: Pending['command'], completion: number): HandshakeStep {
  const detail = `${command.name}: ${completionText(completion, command.completions)}.`;
  if (command === getSessionChallenge) {
    return fault(completion === 0x81 || completion === 0x82 ? 'BMC_USER' : 'BMC_PROTOCOL', detail);
  }
  if (completion >= 0x81 && completion <= 0x83) return fault('BMC_BUSY', detail);
  if (completion === 0x86) return fault('BMC_PRIVILEGE', detail);
  return fault('BMC_PASSWORD', detail);
}
