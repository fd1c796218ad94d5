/** A DHCP packet as lines for people: one for the header, one for each option. */
import { formatIpv4 } from '../wire/ipv4.ts';
import { macFromBytes } from '../wire/mac.ts';
import { classify } from './client-class.ts';
import { optionName } from './option-names.ts';
import { MESSAGE_NAMES, readOption } from './option-text.ts';
import { OPTION, readText } from './options.ts';
import { BOOTREQUEST, type DhcpPacket } from './packet.ts';

export function describePacket(packet: DhcpPacket): string[] {
  const type = MESSAGE_NAMES[packet.options.get(OPTION.messageType)?.[0] ?? 0] ?? 'BOOTP';
  const vendorClass = readText(packet.options.get(OPTION.vendorClass) ?? new Uint8Array());
  const from = packet.op === BOOTREQUEST ? `from ${describeClient(packet)}` : 'from server';
  const fields = (['ciaddr', 'yiaddr', 'siaddr', 'giaddr'] as const)
    .filter((name) => packet[name] !== 0)
    .map((name) => ` ${name} ${formatIpv4(packet[name])}`);
  const flags = packet.flags & 0x8000 ? ' broadcast' : '';
  const file = packet.file === '' ? '' : ` file ${JSON.stringify(packet.file)}`;
  return [
    `${type} ${from}, ${macFromBytes(packet.chaddr)} xid ${packet.xid.toString(16)} secs ${packet.secs}${flags}${fields.join('')}${file}`,
    ...[...packet.options].flatMap(([code, value]) => {
      const { text, parts } = readOption(code, value, { vendorClass });
      return [
        `  ${code} ${optionName(code)}: ${text}`.trimEnd(),
        ...parts.map((one) => `    ${one}`),
      ];
    }),
  ];
}

function describeClient(packet: DhcpPacket): string {
  const client = classify(packet);
  return client.archName === '' ? client.stage : `${client.stage} ${client.archName}`;
}
