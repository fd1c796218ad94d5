/** What is said of a datagram that cannot be decoded: who sent it, for which machine, and which of its bytes are wrong. */
import { optionName } from '../dhcp/option-names.ts';
import type { PacketFault } from '../dhcp/packet.ts';
import { decodeTftp, OPCODE, type TftpFault } from '../tftp/packet.ts';
import { formatIpv4 } from '../wire/ipv4.ts';
import { macFromBytes } from '../wire/mac.ts';
import type { Datagram } from './frame.ts';

interface Fault<Code> {
  readonly code: Code;
  /** The byte that shows it. */
  readonly at: number;
}

const HLEN_AT = 2;
const CHADDR_AT = 28;
const MAGIC_AT = 236;
const FILE_END = 236;
const TFTP_PORT = 69;

export function malformedDhcp(datagram: Datagram, { code, at }: Fault<PacketFault>): string {
  const { payload, payloadBytes } = datagram;
  const names = payload.length >= CHADDR_AT + 6 && payload[HLEN_AT] === 6;
  const machine = names ? `, of ${macFromBytes(payload.subarray(CHADDR_AT))}` : '';
  const what = dhcpFault(payload, { code, at });
  return `${code} at byte ${at} of ${payloadBytes}: ${what}; ${sender(datagram)}${machine}`;
}

function dhcpFault(payload: Uint8Array, { code, at }: Fault<PacketFault>): string {
  const byte = payload[at] ?? 0;
  switch (code) {
    case 'too-short':
      return 'a message has 240 bytes at least';
    case 'bad-op':
      return `it begins with ${byte}, and is neither a request (1) nor a reply (2)`;
    case 'bad-hlen':
      return `a hardware address of ${byte} bytes, where 16 have room`;
    case 'bad-magic': {
      const magic = Buffer.from(payload.subarray(MAGIC_AT, MAGIC_AT + 4)).toString('hex');
      return `${magic} where options begin with 63825363: BOOTP without options, or no DHCP`;
    }
    case 'option-overruns': {
      const option = `option ${byte} (${optionName(byte)})`.replace(' (option)', '');
      const length = payload[at + 1];
      return length === undefined
        ? `${option} ends before its length`
        : `${option} says that it has ${length} bytes, and goes beyond its field`;
    }
    case 'no-end-option':
      return `option 52 says that ${at === FILE_END ? 'file' : 'sname'} holds options, and they do not end there`;
  }
}

const TFTP_WORDS: Readonly<Record<TftpFault, string>> = {
  'too-short': 'fewer bytes than its kind needs',
  'unknown-opcode': 'no TFTP packet',
  'too-long': 'a request has 512 bytes at most (RFC 2347)',
  unterminated: 'its last word does not end in a NUL',
  'no-file': 'it has no file name, or no mode',
  'odd-options': 'an option has no value',
};
const TFTP_NAMES = new Map<number, string>(
  Object.entries(OPCODE).map(([name, code]) => [code, name.toUpperCase()]),
);

/** @returns undefined for what is no fault: not for the port of requests, or a request in order */
export function malformedTftp(datagram: Datagram): string | undefined {
  const { payload, payloadBytes, destinationPort } = datagram;
  if (destinationPort !== TFTP_PORT) return undefined;
  const packet = decodeTftp(payload);
  if (!packet.ok)
    return `${packet.code} at byte ${packet.at} of ${payloadBytes}: ${TFTP_WORDS[packet.code]}; ${sender(datagram)}`;
  const { opcode } = packet.value;
  if (opcode === OPCODE.rrq || opcode === OPCODE.wrq) return undefined;
  return `${TFTP_NAMES.get(opcode)} to port 69, where requests go: the server has answered from another port; ${sender(datagram)}`;
}

function sender({ sourceMac, source, sourcePort }: Datagram): string {
  const link = sourceMac === undefined ? '' : `${sourceMac} `;
  return `from ${link}${formatIpv4(source)}:${sourcePort}`;
}
