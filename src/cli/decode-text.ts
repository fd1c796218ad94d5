/** A decoded capture for people: each machine, each of its boots, each message with its options, then what is wrong. */

import type { Problem } from '../capture/checks.ts';
import { hideTokens } from '../capture/hide-tokens.ts';
import type {
  Capture,
  DhcpMessage,
  Endpoint,
  Entry,
  HttpRequest,
  MachineTrace,
  TftpTransfer,
} from '../capture/model.ts';
import { endOf } from '../capture/tftp-trace.ts';
import { optionName } from '../dhcp/option-names.ts';
import { printable } from '../dhcp/option-plain.ts';
import { MESSAGE_NAMES, readOption } from '../dhcp/option-text.ts';
import { OPTION, readText } from '../dhcp/options.ts';
import { BROADCAST_FLAG, HTYPE_ETHERNET } from '../dhcp/packet.ts';
import { formatIpv4, IPV4_ANY } from '../wire/ipv4.ts';

export function captureText(capture: Capture, problemsOnly: boolean): string {
  const { frames, dhcpMessages, tftpTransfers, httpRequests, machines, problems } = capture;
  const blocks = machines
    .filter((machine) => !problemsOnly || machine.problems.length > 0)
    .map((machine) => (problemsOnly ? problemLines(machine) : machineLines(machine)).join('\n'));
  if (problems.length > 0) blocks.push(['in general', ...problems.map(problemLine)].join('\n'));
  const all = [...problems, ...machines.flatMap((machine) => machine.problems)];
  const count = (level: Problem['level']) => all.filter((one) => one.level === level).length;
  blocks.push(
    `${frames} frames: ${machines.length} machine(s), ${dhcpMessages} DHCP message(s), ${tftpTransfers} TFTP transfer(s), ${httpRequests} HTTP request(s)\n` +
      `problems: ${count('error')} error(s), ${count('warning')} warning(s), ${count('note')} note(s)`,
  );
  return `${blocks.join('\n\n')}\n`;
}

function problemLines({ key, problems }: MachineTrace): string[] {
  return [key, ...problems.map(problemLine)];
}

function problemLine({ check, level, frame, detail }: Problem): string {
  return `  ${level} ${check}${frame === 0 ? '' : ` #${frame}`}: ${detail}`;
}

function machineLines(machine: MachineTrace): string[] {
  const lines = [machine.key];
  for (const [index, { entries }] of machine.boots.entries()) {
    const startUs = entries[0]?.atUs ?? 0;
    const endUs = entries.at(-1)?.atUs ?? 0;
    lines.push(`  boot ${index + 1}: ${seconds(endUs - startUs)} s, ${entries.length} message(s)`);
    lines.push(
      ...entries.flatMap((entry) => entryLines(entry, startUs).map((line) => `    ${line}`)),
    );
  }
  return [...lines, ...machine.problems.map(problemLine)];
}

function seconds(us: number): string {
  return (us / 1_000_000).toFixed(3);
}

function entryLines(entry: Entry, startUs: number): string[] {
  const vlan = entry.vlans.length === 0 ? '' : ` vlan ${entry.vlans.join('.')}`;
  const head = `+${seconds(entry.atUs - startUs)} #${entry.frame}${vlan}`;
  switch (entry.kind) {
    case 'dhcp':
      return dhcpLines(head, entry);
    case 'tftp':
      return [tftpLine(head, entry)];
    case 'http':
      return [httpLine(head, entry)];
  }
}

function way({ from, to }: { from: Endpoint; to: Endpoint }): string {
  return `${formatIpv4(from.address)}:${from.port} > ${formatIpv4(to.address)}:${to.port}`;
}

function dhcpLines(head: string, message: DhcpMessage): string[] {
  const { packet, client, fromServer, wire } = message;
  const who = fromServer
    ? ''
    : ` ${client.stage}${client.archName === '' ? '' : ` ${client.archName}`}`;
  const type = MESSAGE_NAMES[message.type] ?? `type ${message.type}`;
  const addresses = (['ciaddr', 'yiaddr', 'siaddr', 'giaddr'] as const)
    .filter((name) => packet[name] !== IPV4_ANY)
    .map((name) => `${name} ${formatIpv4(packet[name])}`);
  const text = (name: string, value: string) => (value === '' ? [] : [`${name} ${shown(value)}`]);
  return [
    `${head} ${type}${who} ${way(message)}, ${wire.lengthBytes} bytes${wire.cut ? ' (cut)' : ''}`,
    `  xid ${packet.xid.toString(16).padStart(8, '0')} secs ${packet.secs}${packet.flags & BROADCAST_FLAG ? ' broadcast' : ''}${packet.hops === 0 ? '' : ` hops ${packet.hops}`}${packet.htype === HTYPE_ETHERNET ? '' : ` htype ${packet.htype}`}`,
    ...[...addresses, ...text('sname', packet.sname), ...text('file', packet.file)].map(
      (line) => `  ${line}`,
    ),
    ...optionsOf(message).flatMap(({ code, name, text: value, parts }) => [
      `  ${code} ${name}:${value === '' ? '' : ` ${value}`}`,
      ...parts.map((part) => `    ${part}`),
    ]),
  ];
}

function shown(value: string): string {
  return `"${hideTokens(printable(value))}"`;
}

export interface ReadableOption {
  readonly code: number;
  readonly name: string;
  readonly text: string;
  readonly parts: readonly string[];
}

/** The options in the order of the packet, with tokens hidden. */
export function optionsOf({ packet }: DhcpMessage): ReadableOption[] {
  const vendorClass = readText(packet.options.get(OPTION.vendorClass));
  return [...packet.options].map(([code, value]) => {
    const { text, parts } = readOption(code, value, { vendorClass });
    return { code, name: optionName(code), text: hideTokens(text), parts };
  });
}

/** What was asked for and what was granted, how far it came, and how it ended. */
function tftpLine(head: string, transfer: TftpTransfer): string {
  const { from, to, file, write, requests, retransmits, block, bytes, atUs, endUs } = transfer;
  const options = (map: ReadonlyMap<string, string> | undefined) =>
    [...(map ?? [])].map(([name, value]) => `${printable(name)} ${printable(value)}`).join(' ') ||
    'nothing';
  const repeats = requests > 1 ? `, ${requests} requests` : '';
  return (
    `${head} TFTP ${write ? 'write' : 'read'} ${shown(file)} ${formatIpv4(from.address)}:${from.port} > ${formatIpv4(to.address)}` +
    `, asked ${options(transfer.asked)}, granted ${options(transfer.granted)}${repeats}` +
    `: ${ending(transfer)}, ${block} blocks, ${bytes} bytes, ${retransmits} again, ${seconds(endUs - atUs)} s`
  );
}

function ending(transfer: TftpTransfer): string {
  const { error, acknowledged } = transfer;
  const end = endOf(transfer);
  if (end === 'complete') return acknowledged ? 'complete' : 'complete but for the last ACK';
  if (end === 'probe') return 'size probe, aborted on purpose';
  return error ? `${end}, error ${error.code} ${shown(error.message)}` : end;
}

function httpLine(head: string, { method, path, userAgent, ...ends }: HttpRequest): string {
  return `${head} HTTP ${method} ${hideTokens(printable(path))} ${way(ends)} "${printable(userAgent)}"`;
}
