/**
 * A decoded capture as one JSON document: the same machines, boots, messages and problems as the text, with names that
 * stay. Addresses and MACs are text, times are seconds since the epoch, sizes are bytes.
 */

import { hideTokens } from '../capture/hide-tokens.ts';
import type { Capture, DhcpMessage, Entry, HttpRequest, TftpTransfer } from '../capture/model.ts';
import { endOf } from '../capture/tftp-trace.ts';
import { MESSAGE_NAMES } from '../dhcp/option-text.ts';
import { BROADCAST_FLAG } from '../dhcp/packet.ts';
import { formatIpv4 } from '../wire/ipv4.ts';
import { optionsOf } from './decode-text.ts';

export function captureJson(file: string, capture: Capture): string {
  const { machines, problems, ...counts } = capture;
  const text = JSON.stringify({
    file,
    ...counts,
    machines: machines.map((machine) => ({
      machine: machine.key,
      boots: machine.boots.map(({ entries }) => ({ entries: entries.map(entryJson) })),
      problems: machine.problems,
    })),
    problems,
  });
  // Names come as single bytes, and a terminal takes some of those above 126 for commands; JSON.stringify leaves them.
  const escaped = text.replace(/[\x7f-\xff]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`);
  return `${escaped}\n`;
}

function entryJson(entry: Entry) {
  const common = {
    kind: entry.kind,
    frame: entry.frame,
    at: entry.atUs / 1_000_000,
    from: `${formatIpv4(entry.from.address)}:${entry.from.port}`,
    to: `${formatIpv4(entry.to.address)}:${entry.to.port}`,
    ...(entry.vlans.length > 0 ? { vlans: entry.vlans } : {}),
  };
  switch (entry.kind) {
    case 'dhcp':
      return { ...common, ...dhcpJson(entry) };
    case 'tftp':
      return { ...common, ...tftpJson(entry) };
    case 'http':
      return { ...common, ...httpJson(entry) };
  }
}

function dhcpJson(message: DhcpMessage) {
  const { packet, client, wire } = message;
  return {
    type: MESSAGE_NAMES[message.type] ?? String(message.type),
    ...(message.fromServer ? {} : { stage: client.stage, arch: client.archName }),
    xid: packet.xid,
    secs: packet.secs,
    broadcast: (packet.flags & BROADCAST_FLAG) !== 0,
    ciaddr: formatIpv4(packet.ciaddr),
    yiaddr: formatIpv4(packet.yiaddr),
    siaddr: formatIpv4(packet.siaddr),
    giaddr: formatIpv4(packet.giaddr),
    sname: packet.sname,
    file: hideTokens(packet.file),
    bytes: wire.lengthBytes,
    options: optionsOf(message),
  };
}

function tftpJson(transfer: TftpTransfer) {
  const { file, write, asked, granted, requests, block, bytes, retransmits, error } = transfer;
  return {
    ...{
      file: hideTokens(file),
      write,
      asked: Object.fromEntries(asked),
      requests,
      blocks: block,
      bytes,
      retransmits,
    },
    granted: granted ? Object.fromEntries(granted) : null,
    end: endOf(transfer),
    seconds: (transfer.endUs - transfer.atUs) / 1_000_000,
    ...(error ? { error } : {}),
  };
}

function httpJson({ method, path, userAgent }: HttpRequest) {
  return { method, path: hideTokens(path), userAgent };
}
