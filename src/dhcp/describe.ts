/** A DHCP packet as lines for people: one for the header, one for each option. */
import { formatIpv4, ipv4FromBytes } from '../wire/ipv4.ts';
import { macFromBytes } from '../wire/mac.ts';
import { classify } from './client-class.ts';
import { readText, readUuid } from './options.ts';
import { BOOTREQUEST, type DhcpPacket } from './packet.ts';

const TYPES = ['', 'DISCOVER', 'OFFER', 'REQUEST', 'DECLINE', 'ACK', 'NAK', 'RELEASE', 'INFORM'];

type Reading = (value: Uint8Array) => string;
const hex: Reading = (value) => Buffer.from(value).toString('hex');
const quoted: Reading = (value) => JSON.stringify(readText(value));
const addressList: Reading = (value) =>
  value.length % 4 === 0
    ? Array.from({ length: value.length / 4 }, (_, index) =>
        formatIpv4(ipv4FromBytes(value, index * 4)),
      ).join(' ')
    : hex(value);
const number: Reading = (value) => String(value.reduce((sum, byte) => sum * 256 + byte, 0));

const OPTIONS: Record<number, readonly [name: string, read: Reading]> = {
  1: ['subnet mask', addressList],
  3: ['router', addressList],
  6: ['dns', addressList],
  12: ['host name', quoted],
  15: ['domain', quoted],
  28: ['broadcast', addressList],
  50: ['requested address', addressList],
  51: ['lease seconds', number],
  52: ['overload', number],
  53: ['message type', (value) => TYPES[value[0] ?? 0] ?? hex(value)],
  54: ['server', addressList],
  55: ['parameter list', (value) => [...value].join(' ')],
  56: ['message', quoted],
  57: ['maximum size', number],
  58: ['renewal seconds', number],
  59: ['rebinding seconds', number],
  60: ['vendor class', quoted],
  61: ['client id', hex],
  66: ['tftp server', quoted],
  67: ['boot file', quoted],
  77: ['user class', quoted],
  82: ['relay agent', hex],
  93: ['architecture', hex],
  94: ['interface', hex],
  97: ['uuid', (value) => readUuid(value) ?? hex(value)],
  175: ['ipxe', hex],
};

export function describePacket(packet: DhcpPacket): string[] {
  const type = TYPES[packet.options.get(53)?.[0] ?? 0] || 'BOOTP';
  const from = packet.op === BOOTREQUEST ? `from ${describeClient(packet)}` : 'from server';
  const fields = (['ciaddr', 'yiaddr', 'siaddr', 'giaddr'] as const)
    .filter((name) => packet[name] !== 0)
    .map((name) => ` ${name} ${formatIpv4(packet[name])}`);
  const flags = packet.flags & 0x8000 ? ' broadcast' : '';
  const file = packet.file === '' ? '' : ` file ${JSON.stringify(packet.file)}`;
  return [
    `${type} ${from}, ${macFromBytes(packet.chaddr)} xid ${packet.xid.toString(16)} secs ${packet.secs}${flags}${fields.join('')}${file}`,
    ...[...packet.options].map(([code, value]) => {
      const [name, read] = OPTIONS[code] ?? ['option', hex];
      return `  ${code} ${name}: ${read(value)}`;
    }),
  ];
}

function describeClient(packet: DhcpPacket): string {
  const client = classify(packet);
  return client.archName === '' ? client.stage : `${client.stage} ${client.archName}`;
}
