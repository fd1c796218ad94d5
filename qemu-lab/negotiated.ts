/**
 * What a client was given, as the wire shows it: out of the capture, never out of the appliance's own log or events. This
 * is what scenarios assert on, and what they print.
 */

import type { Problem } from '../src/capture/checks.ts';
import { hideTokens } from '../src/capture/hide-tokens.ts';
import type { Capture, DhcpMessage, MachineTrace } from '../src/capture/model.ts';
import { endOf } from '../src/capture/tftp-trace.ts';
import { optionsOf } from '../src/cli/decode-text.ts';
import { MESSAGE } from '../src/dhcp/options.ts';
import { formatIpv4, IPV4_ANY } from '../src/wire/ipv4.ts';

/** One DHCP exchange that ended in an ACK. A REQUEST that was sent again and answered again is one exchange. */
export interface Granted {
  readonly stage: string;
  readonly arch: string;
  readonly address: string;
  /** Where the ACK came from, and where it went. */
  readonly from: string;
  readonly to: string;
  readonly siaddr: string;
  readonly file: string;
  /** Of the REQUEST, by code, as text. */
  readonly asked: Readonly<Record<string, string>>;
  /** Of the ACK, by code, as text; options inside of one are joined with `; `. */
  readonly options: Readonly<Record<string, string>>;
}

export interface Negotiated {
  readonly granted: readonly Granted[];
  readonly tftp: readonly {
    readonly file: string;
    readonly end: string;
    readonly bytes: number;
    readonly asked: Readonly<Record<string, string>>;
    readonly granted: Readonly<Record<string, string>>;
  }[];
  /** Method, path without tokens, and user agent. */
  readonly http: readonly string[];
}

export function traceOf(capture: Capture, mac: string): MachineTrace | undefined {
  return capture.machines.find(({ key }) => key === mac);
}

/** @returns empty lists for a MAC that the capture does not have */
export function negotiatedBy(capture: Capture, mac: string): Negotiated {
  const entries = traceOf(capture, mac)?.boots.flatMap((boot) => boot.entries) ?? [];
  const messages = entries.filter((entry) => entry.kind === 'dhcp');
  return {
    granted: exchanges(messages).map((ack) => grantedBy(ack, messages)),
    tftp: entries
      .filter((entry) => entry.kind === 'tftp')
      .map((transfer) => ({
        ...{ file: hideTokens(transfer.file), end: endOf(transfer), bytes: transfer.bytes },
        asked: Object.fromEntries(transfer.asked),
        granted: Object.fromEntries(transfer.granted ?? []),
      })),
    http: entries
      .filter((entry) => entry.kind === 'http')
      .map(({ method, path, userAgent }) => `${method} ${hideTokens(path)} ${userAgent}`),
  };
}

/** The last ACK of each transaction and server. */
function exchanges(messages: readonly DhcpMessage[]): DhcpMessage[] {
  const acks = messages.filter(({ type }) => type === MESSAGE.ack);
  const key = ({ packet, from }: DhcpMessage) => `${packet.xid} ${from.address}:${from.port}`;
  return [...new Map(acks.map((ack) => [key(ack), ack])).values()];
}

function grantedBy(ack: DhcpMessage, messages: readonly DhcpMessage[]): Granted {
  const request = messages.findLast(
    ({ frame, fromServer, packet }) =>
      !fromServer && frame < ack.frame && packet.xid === ack.packet.xid,
  );
  const { packet } = ack;
  return {
    stage: request?.client.stage ?? '',
    arch: request?.client.archName ?? '',
    address: formatIpv4(packet.yiaddr === IPV4_ANY ? packet.ciaddr : packet.yiaddr),
    from: `${formatIpv4(ack.from.address)}:${ack.from.port}`,
    to: `${formatIpv4(ack.to.address)}:${ack.to.port}`,
    siaddr: formatIpv4(packet.siaddr),
    file: hideTokens(packet.file),
    asked: request ? byCode(request) : {},
    options: byCode(ack),
  };
}

function byCode(message: DhcpMessage): Record<string, string> {
  return Object.fromEntries(
    optionsOf(message).map(({ code, text, parts }) => [
      code,
      parts.length > 0 ? parts.join('; ') : text,
    ]),
  );
}

/** What `reveille decode` finds wrong with this machine: nothing of it may be an error. */
export function errorsOf(capture: Capture, mac: string): readonly Problem[] {
  return (traceOf(capture, mac)?.problems ?? []).filter(({ level }) => level === 'error');
}
