/**
 * What a capture comes to: machines, their boots, and in each boot what was said in the order of its frames.
 */
import type { DhcpClient } from '../dhcp/client-class.ts';
import type { DhcpPacket } from '../dhcp/packet.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import type { Problem } from './checks.ts';

export interface Endpoint {
  readonly mac: Mac | undefined;
  readonly address: Ipv4;
  readonly port: number;
}

interface At {
  readonly frame: number;
  readonly atUs: number;
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly vlans: readonly number[];
}

/** What the decoded packet does not show of its bytes. */
export interface WireFacts {
  readonly lengthBytes: number;
  /** Less was captured than was sent. */
  readonly cut: boolean;
  readonly fragmented: boolean;
  /** Option codes in the order of the option field, without pads and the end. */
  readonly codes: readonly number[];
  /** All 128 bytes of `file` are in use. */
  readonly fileUnterminated: boolean;
}

export interface DhcpMessage extends At {
  readonly kind: 'dhcp';
  readonly packet: DhcpPacket;
  /** Option 53; 0 for plain BOOTP. */
  readonly type: number;
  readonly fromServer: boolean;
  /** Who is asking; of a reply, nothing that means anything. */
  readonly client: DhcpClient;
  readonly wire: WireFacts;
}

export interface TftpTransfer extends At {
  readonly kind: 'tftp';
  readonly file: string;
  readonly write: boolean;
  readonly asked: ReadonlyMap<string, string>;
  /** Of the OACK; `undefined` when the server sent none. */
  granted: ReadonlyMap<string, string> | undefined;
  /** The server's port of this transfer, once it has answered. */
  serverPort: number | undefined;
  /** How often the request itself was sent. */
  requests: number;
  /** The newest block, counted on past 65535. */
  block: number;
  bytes: number;
  retransmits: number;
  /** The block shorter than the block size has been sent. */
  last: boolean;
  acknowledged: boolean;
  /** The newest block that the client acknowledged, counted like `block`; -1 when it acknowledged nothing at all. */
  acked: number;
  fragmented: boolean;
  error:
    | { readonly by: 'client' | 'server'; readonly code: number; readonly message: string }
    | undefined;
  endUs: number;
}

export interface HttpRequest extends At {
  readonly kind: 'http';
  readonly method: string;
  readonly path: string;
  readonly userAgent: string;
}

export type Entry = DhcpMessage | TftpTransfer | HttpRequest;

export interface BootTrace {
  readonly entries: readonly Entry[];
}

export interface MachineTrace {
  /** Its MAC; the address where no MAC is known. */
  readonly key: string;
  readonly boots: readonly BootTrace[];
  readonly problems: readonly Problem[];
}

export interface Capture {
  readonly frames: number;
  readonly dhcpMessages: number;
  readonly tftpTransfers: number;
  readonly httpRequests: number;
  /** Of any kind: without one, the capture was of UDP only. */
  readonly tcpSegments: number;
  /** In the order in which they were first heard. */
  readonly machines: readonly MachineTrace[];
  /** What belongs to no machine. */
  readonly problems: readonly Problem[];
}
