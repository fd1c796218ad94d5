/**
 * One request outside any session: sent, repeated with growing waits, and matched to its answer.
 *
 * What is asked first goes in IPMI 1.5 framing, which every BMC knows (section 13.14); what only IPMI 2.0 has goes in RMCP+
 * framing, as ipmitool sends it, which is what BMCs have been tested with. The answer may come in either.
 */
import { limit } from '../limits.ts';
import type { Command } from './command.ts';
import { BMC_ADDRESS, CONSOLE_ADDRESS, decodeResponse, encodeRequest } from './message.ts';
import { encodeHandshake, encodeSessionless, PAYLOAD, type RmcpPacket } from './rmcp.ts';

export interface Answer<T> {
  readonly completion: number;
  /** Absent when the completion is not 0, or when the data makes no sense. */
  readonly value?: T;
}

export interface Sessionless<T> {
  start(nowMs: number): { send: Uint8Array; wakeAtMs: number };
  /** `undefined` once it has been sent as often as it may be. */
  repeat(nowMs: number): { send: Uint8Array; wakeAtMs: number } | undefined;
  /** `undefined` for a packet that is no answer to this. */
  onPacket(packet: RmcpPacket): Answer<T> | undefined;
}

export function createSessionless<Request, T>(options: {
  readonly command: Command<Request, T>;
  readonly request: Request;
  readonly sequence: number;
  readonly rmcpPlus?: boolean;
}): Sessionless<T> {
  const { command, request, sequence } = options;
  const message = encodeRequest({
    ...{ responder: BMC_ADDRESS, netFn: command.netFn, lun: 0, requester: CONSOLE_ADDRESS },
    ...{ sequence, command: command.command, data: command.encode(request) },
  });
  const send = options.rmcpPlus
    ? encodeHandshake(PAYLOAD.ipmi, message)
    : encodeSessionless(message);
  let tries = 0;
  const again = (nowMs: number) => {
    tries += 1;
    return { send, wakeAtMs: nowMs + limit('ipmiReplyMs') * tries };
  };
  return {
    start: again,
    repeat: (nowMs) => (tries < limit('ipmiTriesMax') ? again(nowMs) : undefined),
    onPacket(packet) {
      if (packet.kind === 'ping' || packet.kind === 'pong') return undefined;
      if (packet.sessionId !== 0) return undefined;
      if (packet.kind === 'rmcp+' && packet.payloadType !== PAYLOAD.ipmi) return undefined;
      const response = decodeResponse(packet.payload);
      if (!response.ok) return undefined;
      const { netFn, completion, data } = response.value;
      const matches =
        netFn === command.netFn + 1 &&
        response.value.command === command.command &&
        response.value.sequence === sequence;
      if (!matches) return undefined;
      if (completion !== 0) return { completion };
      const value = command.decode(data);
      return value.ok ? { completion, value: value.value } : { completion };
    },
  };
}
