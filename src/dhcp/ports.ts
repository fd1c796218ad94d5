/**
 * What the DHCP rules need of others, and what they give back. The consumer owns these shapes: the inventory and the boot
 * desk fit them without being imported here.
 */
import type { NewEvent } from '../events.ts';
import type { BootId, Hardwarename } from '../wire/ids.ts';
import type { Cidr, Ipv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import type { AddressRange } from '../wire/schema.ts';
import type { Millis } from '../wire/time.ts';
import type { DhcpClient } from './client-class.ts';
import type { NetworkOptions } from './option-settings.ts';
import type { DhcpPacket } from './packet.ts';

/** How long addresses are given for, in seconds. */
export interface LeasePolicy {
  /** A machine on record, in a state that `byState` does not name. */
  readonly seconds: number;
  readonly unknownSeconds: number;
  readonly byState: Readonly<Record<string, number | undefined>>;
  /** What a client that asks for another time (option 51) can get. */
  readonly minSeconds: number;
  readonly maxSeconds: number;
}

/** One served subnet. `segment.ts` makes it from the configuration, once. */
export interface Segment {
  readonly name: string;
  /** What lives here: machines that boot, machines in use, or their BMCs. */
  readonly kind: 'provisioning' | 'production' | 'out-of-band';
  /** `proxy`: another server leases the addresses, and we add only the boot part. */
  readonly mode: 'server' | 'proxy';
  /** Undefined: reached through relays only. */
  readonly iface: string | undefined;
  /** Segments with the same word are one wire: a client there may live in any of them. */
  readonly wire: string;
  readonly serverAddress: Ipv4;
  /** The same as option 54. */
  readonly serverId: Uint8Array;
  readonly cidr: Cidr;
  /** The dynamic addresses: sorted ranges without what is excluded, reserved or our own. */
  readonly pools: readonly AddressRange[];
  /** Is it one of `pools`? */
  isDynamic(address: Ipv4): boolean;
  /** May a machine without a record have a dynamic address? */
  readonly unknownMachines: boolean;
  readonly authoritative: boolean;
  /** How free addresses are probed before they are given out: behind relays by what is routed there. */
  readonly conflictProbe: 'on-link' | 'routed' | undefined;
  /** How many addresses machines without a record may hold behind one relay port (option 82). */
  readonly guestsPerPortMax: number;
  /** How many addresses clients' refusals (DECLINE) may take out of use at a time. */
  readonly quarantinedMax: number;
  readonly lease: LeasePolicy;
  readonly reservations: ReadonlyMap<Mac, Ipv4>;
  readonly network: NetworkOptions;
  /** The same for machines with options of their own. */
  readonly machineNetworks: ReadonlyMap<Mac, NetworkOptions>;
}

export interface Lease {
  readonly address: Ipv4;
  readonly mac: Mac;
  readonly state: 'offered' | 'bound' | 'declined' | 'released';
  readonly expiresAt: Millis;
  /** The relay port that a machine without a record was given it behind. */
  readonly guestOf?: string | undefined;
  /** When it was last given or changed. */
  readonly lastAt?: number;
  /** With an offer: the address of the lease that the client still holds. */
  readonly former?: Ipv4 | undefined;
}

export interface LeaseView {
  byMac(segment: string, mac: Mac): Lease | undefined;
  byAddress(segment: string, address: Ipv4): Lease | undefined;
  /**
   * A dynamic address for this MAC: its own, else `wanted` if free, else the lowest never used, else the longest
   * expired; of these only one that is `usable`, where that is given.
   */
  pick(
    segment: Segment,
    mac: Mac,
    wanted: Ipv4 | undefined,
    usable?: (address: Ipv4) => boolean,
  ): Ipv4 | undefined;
  /** How many addresses machines without a record hold or are offered behind this relay port; counted once a second. */
  guestsBehind(segment: string, port: string): number;
  /** How many addresses are in quarantine because of this MAC. */
  quarantined(segment: string, mac: Mac): number;
  /** How many are in quarantine on the segment, and of these behind the port of the lease of `address`; counted once a second. */
  quarantinesBeside(segment: string, address: Ipv4): Quarantines;
}

export interface Quarantines {
  readonly inSegment: number;
  readonly behindPort: number;
}

export interface BootQuery {
  readonly client: DhcpClient;
  readonly mac: Mac;
  readonly segment: Segment;
}

/** May a client without a record be served that would begin something? */
export interface NewcomerQuery extends BootQuery {
  /** It holds an address, or one is kept for it. */
  readonly established: boolean;
}

/** The boot part of a reply, decided and rendered elsewhere. */
export interface BootAnswer {
  readonly boot: BootId | undefined;
  readonly hardwarename: Hardwarename | undefined;
  /** The machine's state, or `unknown`: the length of its lease follows from it. */
  readonly state: string;
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

/** An address for a client, whether it is the one that is reserved for it, and whether it is in a pool. */
export interface PartnerWish {
  readonly segment: string;
  readonly address: Ipv4;
  readonly mac: Mac;
  readonly reserved: boolean;
  readonly dynamic: boolean;
}

/** What the other appliance of the site, which may give addresses too, has to be able to count on. */
export interface PartnerRules {
  /** The other one is active: nothing new is promised here, and nobody is refused. */
  isReadOnly(): boolean;
  /** A client that says that it has been asking for less than this is the other one's to answer. */
  standsBackSeconds(): number;
  mayGive(wish: PartnerWish, now: Millis): boolean;
  /** How long a lease may be at most, in seconds; undefined: as long as the segment says. */
  secondsMax(wish: PartnerWish, now: Millis): number | undefined;
}

export interface DhcpView {
  readonly segments: readonly Segment[];
  readonly leases: LeaseView;
  /** Relays outside of the networks that are served, which may choose a network for their clients all the same. */
  readonly trustedRelays?: readonly Cidr[] | undefined;
  /** The machine on record with this NIC: read only, where `bootFor` notes that a boot was seen. */
  hardwarenameOf(mac: Mac): Hardwarename | undefined;
  bootFor(query: BootQuery): BootAnswer;
  /** Absent where this appliance is the only one of its site. */
  readonly partner?: PartnerRules | undefined;
  /** False while too much is begun there by who is on no record; asked before `bootFor`, and counted when true. */
  admits?(query: NewcomerQuery): boolean;
  /** The address that the inventory keeps for a NIC on a segment; the configuration's reservations come first. */
  reservationFor?(segment: string, mac: Mac): Ipv4 | undefined;
  /** What the inventory calls the machine that such an address is kept for; the configuration's name comes first. */
  hostnameFor?(segment: string, mac: Mac): string | undefined;
  /** The NIC that the inventory keeps an address for. */
  reservedAt?(segment: string, address: Ipv4): Mac | undefined;
  /** A free address on which nobody answered a moment ago, of those that are `usable`; undefined when none is in stock. Never waits. */
  quietAddress?(
    segment: Segment,
    now: Millis,
    usable: (address: Ipv4) => boolean,
  ): Ipv4 | undefined;
}

export interface DhcpRequest {
  readonly packet: DhcpPacket;
  /** The interface that the datagram came in by. */
  readonly iface: string;
  /** `proxy`: it came in by port 4011 (PXE 2.1, 2.2.3). */
  readonly via?: 'proxy' | undefined;
  /** Who sent the datagram, by its IP header; absent where nobody did (`explain`). */
  readonly source?: Ipv4 | undefined;
  /** The text of its hardware address, should it be an Ethernet address, where somebody has it already. */
  readonly mac?: Mac | undefined;
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
  /** The relay port that a machine without a record is behind; null: nobody's guest; undefined: not told, so what its lease says. */
  readonly guestOf?: string | null | undefined;
}

export const DROP_REASONS = [
  'not-a-request',
  'no-message-type',
  'unknown-message-type',
  'no-ethernet-address',
  'too-many-hops',
  'unknown-segment',
  'untrusted-relay',
  'not-from-its-relay',
  'for-another-server',
  'unknown-client',
  'newcomers-limited',
  'not-its-lease',
  'pool-exhausted',
  'port-has-its-share',
  'not-authoritative',
  'not-a-boot-client',
  'not-for-a-proxy',
  'the-partners',
] as const;
export type DropReason = (typeof DROP_REASONS)[number];

export type Outcome =
  | {
      readonly kind: 'reply';
      readonly reply: DhcpPacket;
      readonly type: number;
      readonly lease?: LeaseChange | undefined;
      readonly event?: NewEvent | undefined;
      /** Its event is what usually happens and leads on to another one: for who asks what would be, not for the feed. */
      readonly routine?: boolean | undefined;
      /** A second event of the same change. */
      readonly also?: NewEvent | undefined;
      /** `source`: to the address and port that the request came from, whatever `destinationOf` says. */
      readonly to?: 'source' | undefined;
    }
  | { readonly kind: 'silent'; readonly lease: LeaseChange; readonly event: NewEvent }
  | { readonly kind: 'drop'; readonly reason: DropReason; readonly event?: NewEvent | undefined };
