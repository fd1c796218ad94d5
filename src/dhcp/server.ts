/**
 * The DHCP shell: receive, limit, decode, respond, persist, send.
 *
 * `respond` and what it changes run in one transaction, which is committed before a byte is sent. One bad packet costs
 * one packet: whatever goes wrong with it is counted and logged, and the next one is served.
 */
import type { NewEvent } from '../events.ts';
import { limit } from '../limits.ts';
import { type Mac, macFromBytes } from '../wire/mac.ts';
import type { Clock } from '../wire/time.ts';
import { decodePacket, encodePacket, type PacketFault, replyBytesMax } from './packet.ts';
import type { DhcpView, DropReason, LeaseChange, Outcome } from './ports.ts';
import { type DhcpPorts, destinationOf, replyFlags } from './reply-to.ts';
import { respond } from './respond.ts';

/** The socket of one interface. */
export interface DhcpSocket {
  readonly iface: string;
  onMessage(handler: (bytes: Uint8Array, source: { address: string; port: number }) => void): void;
  send(bytes: Uint8Array, port: number, address: string): void;
}

export interface DhcpServerOptions {
  readonly sockets: readonly DhcpSocket[];
  readonly view: DhcpView;
  readonly ports: DhcpPorts;
  readonly clock: Clock;
  transaction<T>(run: () => T): T;
  applyLease(change: LeaseChange): void;
  append(event: NewEvent): void;
  /** Counts what was not answered. */
  onDrop(reason: DhcpDrop): void;
  onReply(type: number): void;
  /** A client that is booting over this interface sent something. */
  onBooting(iface: string): void;
  onError(error: unknown): void;
}

export type DhcpDrop = DropReason | PacketFault | 'rate-limited' | 'failed';

export function serveDhcp(options: DhcpServerOptions): void {
  const admit = rateLimiter(options.clock);
  for (const socket of options.sockets) {
    socket.onMessage((bytes) => {
      try {
        if (bytes.length >= 34 && !admit(macFromBytes(bytes.subarray(28, 34)))) {
          options.onDrop('rate-limited');
          return;
        }
        onDatagram(options, socket, bytes);
      } catch (error) {
        options.onDrop('failed');
        options.onError(error);
      }
    });
  }
}

function onDatagram(options: DhcpServerOptions, socket: DhcpSocket, bytes: Uint8Array): void {
  const { view, clock, ports } = options;
  const packet = decodePacket(bytes);
  if (!packet.ok) {
    options.onDrop(packet.code);
    return;
  }
  const request = { packet: packet.value, iface: socket.iface };
  const outcome = options.transaction((): Outcome => {
    const decided = respond(request, view, clock());
    if (decided.kind !== 'drop' && decided.lease) options.applyLease(decided.lease);
    if (decided.event) options.append(decided.event);
    return decided;
  });
  if (outcome.kind === 'drop') options.onDrop(outcome.reason);
  if (outcome.kind !== 'reply') return;
  const to = destinationOf(packet.value, outcome, ports);
  const reply = { ...outcome.reply, flags: replyFlags(packet.value, outcome.type) };
  socket.send(encodePacket(reply, replyBytesMax(packet.value)), to.port, to.address);
  options.onReply(outcome.type);
  options.onBooting(socket.iface);
}

/** A fixed window of one second for each MAC; the oldest MAC is forgotten when there are too many. */
export function rateLimiter(clock: Clock): (mac: Mac) => boolean {
  const windows = new Map<Mac, { startedAt: number; count: number }>();
  return (mac) => {
    const now = clock();
    const window = windows.get(mac);
    if (window && now - window.startedAt < 1000) {
      window.count += 1;
      return window.count <= limit('dhcpPacketsPerMacPerSecond');
    }
    windows.delete(mac);
    windows.set(mac, { startedAt: now, count: 1 });
    if (windows.size > limit('dhcpTrackedMacs')) {
      const oldest = windows.keys().next().value;
      if (oldest !== undefined) windows.delete(oldest);
    }
    return true;
  };
}
