/** What a DHCP outcome says, in a word or two; and the parts of requests that tests build most. */
import { MESSAGE, OPTION, u32 } from '../../src/dhcp/options.ts';
import type { DhcpPacket } from '../../src/dhcp/packet.ts';
import type { Outcome } from '../../src/dhcp/ports.ts';
import { formatIpv4, type Ipv4, ipv4FromBytes } from '../../src/wire/ipv4.ts';
import { ipv4 } from './world.ts';

const TYPES: Record<number, string> = {
  [MESSAGE.offer]: 'offer',
  [MESSAGE.ack]: 'ack',
  [MESSAGE.nak]: 'nak',
};

export function shown(outcome: Outcome): string {
  if (outcome.kind === 'drop') return `drop ${outcome.reason}`;
  if (outcome.kind === 'silent') return `silent ${outcome.lease.state}`;
  return `${TYPES[outcome.type]} ${formatIpv4(outcome.reply.yiaddr)}`;
}

/** The reply of an outcome that must be one. */
export function replyOf(outcome: Outcome): DhcpPacket {
  if (outcome.kind !== 'reply') throw new Error(shown(outcome));
  return outcome.reply;
}

/** One option of the reply as hex; undefined when it is not there. */
export function hexOf(outcome: Outcome, code: number): string | undefined {
  const value = replyOf(outcome).options.get(code);
  return value && Buffer.from(value).toString('hex');
}

export function addressOf(outcome: Outcome, code: number): string {
  const value = replyOf(outcome).options.get(code);
  return value ? formatIpv4(ipv4FromBytes(value)) : '';
}

export function numberOf(outcome: Outcome, code: number): number {
  return Number.parseInt(hexOf(outcome, code) ?? '', 16);
}

export const asks = (address: string): [number, Uint8Array] => [
  OPTION.requestedAddress,
  u32(ipv4(address)),
];
export const names = (server = '10.77.0.1'): [number, Uint8Array] => [
  OPTION.serverId,
  u32(ipv4(server)),
];
export const wantsOptions = (...codes: number[]): [number, Uint8Array] => [
  OPTION.parameterList,
  Uint8Array.from(codes),
];
/** Option 82 of these sub-options. */
export const relayAgent = (...parts: (readonly [number, ...number[]])[]): [number, Uint8Array] => [
  OPTION.relayAgent,
  Uint8Array.from(parts.flatMap(([code, ...value]) => [code, value.length, ...value])),
];
export const octets = (address: string): number[] => address.split('.').map(Number);
export type { Ipv4 };
