/**
 * What the DHCP rules need of others, and what they give back. The consumer owns these shapes: the inventory and the boot
 * desk fit them without being imported here.
 */
import type { NewEvent } from '../events.ts';
import type { BootId, Hardwarename } from '../wire/ids.ts';
import type { Cidr, Ipv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import type { Millis } from '../wire/time.ts';
import type { DhcpClient } from './client-class.ts';
import type { DhcpPacket } from './packet.ts';

/** One served network on one interface. */
export interface Segment {
  readonly name: string;
  readonly iface: string;
  readonly serverAddress: Ipv4;
  readonly cidr: Cidr;
  readonly poolFirst: Ipv4;
  readonly poolLast: Ipv4;
  readonly routers: readonly Ipv4[];
  readonly dns: readonly Ipv4[];
  readonly domain: string;
  readonly leaseSeconds: number;
  readonly unknownLeaseSeconds: number;
}

export interface Lease {
  readonly address: Ipv4;
  readonly mac: Mac;
  readonly state: 'offered' | 'bound' | 'declined' | 'released';
  readonly expiresAt: Millis;
}

export interface LeaseView {
  byMac(segment: string, mac: Mac): Lease | undefined;
  byAddress(segment: string, address: Ipv4): Lease | undefined;
  /** An address for this MAC: its own, else `wanted` if free, else the lowest never used, else the longest expired. */
  pick(segment: Segment, mac: Mac, wanted: Ipv4 | undefined): Ipv4 | undefined;
}

export interface BootQuery {
  readonly client: DhcpClient;
  readonly mac: Mac;
  readonly segment: Segment;
}

/** The boot part of a reply, decided and rendered elsewhere. */
export interface BootAnswer {
  readonly boot: BootId | undefined;
  readonly hardwarename: Hardwarename | undefined;
  readonly options: {
    readonly siaddr?: Ipv4;
    readonly file?: string;
    /** The file as events show it, without a token. */
    readonly label?: string;
    readonly vendorClass?: 'PXEClient' | 'HTTPClient';
    readonly raw?: readonly { readonly code: number; readonly bytes: Uint8Array }[];
  };
  readonly why: string;
}

export interface DhcpView {
  readonly segments: readonly Segment[];
  readonly leases: LeaseView;
  bootFor(query: BootQuery): BootAnswer;
}

export interface DhcpRequest {
  readonly packet: DhcpPacket;
  /** The interface that the datagram came in by. */
  readonly iface: string;
}

export interface LeaseChange {
  readonly segment: string;
  readonly address: Ipv4;
  readonly mac: Mac;
  readonly state: Lease['state'];
  readonly expiresAt: Millis;
  readonly clientId: Uint8Array | undefined;
  readonly hostname: string;
  readonly boot: BootId | undefined;
}

export const DROP_REASONS = [
  'not-a-request',
  'no-message-type',
  'unknown-message-type',
  'no-ethernet-address',
  'too-many-hops',
  'unknown-segment',
  'for-another-server',
  'unknown-client',
  'not-its-lease',
  'pool-exhausted',
] as const;
export type DropReason = (typeof DROP_REASONS)[number];

export type Outcome =
  | {
      readonly kind: 'reply';
      readonly reply: DhcpPacket;
      readonly type: number;
      readonly lease?: LeaseChange | undefined;
      readonly event?: NewEvent | undefined;
    }
  | { readonly kind: 'silent'; readonly lease: LeaseChange; readonly event: NewEvent }
  | { readonly kind: 'drop'; readonly reason: DropReason; readonly event?: NewEvent | undefined };
