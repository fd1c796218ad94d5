/** What every route of the people's listener is handed, and the types that make its schemas and handlers one thing. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { BmcAccess } from '../../bmc/access.ts';
import type { ClaimDesk } from '../../bmc/claims.ts';
import type { BmcRegistry } from '../../bmc/registry.ts';
import type { ConsoleHub } from '../../console/hub.ts';
import type { ErrorCode } from '../../errors.ts';
import type { ImageDesk } from '../../images/desk.ts';
import type { Principal, Role } from '../../inventory/access.ts';
import type { Inventory } from '../../inventory/inventory.ts';
import type { RecordKind } from '../../inventory/record-kinds.ts';
import type { JobDesk } from '../../jobs/desk.ts';
import type { DnsDesk } from '../../nameserver/desk.ts';
import type { RequestDesk } from '../../provisioning/desk.ts';
import type { PoolDesk } from '../../provisioning/pool-desk.ts';
import type { Recorder } from '../../recorder/recorder.ts';
import type { Cidr } from '../../wire/ipv4.ts';
import type { Mac } from '../../wire/mac.ts';
import type { Clock } from '../../wire/time.ts';
import type { OidcDesk } from './oidc.ts';
import type { ServedSegments } from './routes/segments.ts';

export interface PeopleSettings {
  /** From where reading needs no login: everywhere, nowhere, or these networks. */
  readonly anonymousRead: boolean | readonly Cidr[];
  /** For each token, user or address; twice as many at once. */
  readonly requestsPerSecond: number;
}

/** BMCs as the routes need them. */
export interface BmcService {
  readonly access: BmcAccess;
  readonly registry: BmcRegistry;
  readonly claims: ClaimDesk;
}

export interface ConfigurationRow {
  readonly key: string;
  readonly value: string;
  readonly origin: 'file' | 'default';
}

/** As dhcp/rehearsal.ts tells it. */
export interface ExplainedStage {
  readonly segment: string;
  readonly client: string;
  readonly outcome: string;
  readonly address: string;
  readonly bootFile: string;
  readonly terms: string;
  readonly why: string;
}

/** What may be proposed, as the route has checked it. */
export interface FleetChangeAsked {
  readonly config?: string | undefined;
  readonly records?:
    | readonly { readonly kind: RecordKind; readonly name: string; readonly doc: unknown }[]
    | undefined;
  readonly scripts?: Readonly<Record<string, string>> | undefined;
}

/** How a member of a pair stands, as people see it. */
export interface PairStatus {
  readonly member: 'a' | 'b';
  readonly mode: 'active' | 'following' | 'apart' | 'waiting';
  readonly epoch: number;
  readonly partner: {
    readonly address: string;
    readonly inTouch: boolean;
    /** It has everything that is promised here. */
    readonly current: boolean;
    /** Changes that it does not have. */
    readonly behind: number;
    /** When the two were last in touch; 0: never. */
    readonly touchAt: number;
    readonly clockAheadMs: number;
    /** Of its program; '' while it is not known. */
    readonly version: string;
  };
  /** The one of the two that follows, as this one sees it. */
  readonly standby: {
    /** It has everything, and may take over. */
    readonly current: boolean;
    /** How old what it has is; null: not known. */
    readonly behindMs: number | null;
    /** Of the files of images that it has to have. */
    readonly images: { readonly missing: number; readonly bytes: number };
  };
  /** How often this one has become active since its start. */
  readonly takeOvers: number;
  readonly version: string;
  /** What addresses may be given: all, those of its own half, none that are new, or nothing at all. */
  readonly addresses: 'whole' | 'half' | 'read-only' | 'none';
  /** Why what has to be noted cannot be written: until it is, nothing is promised; '': nothing waits. */
  readonly unwritten: string;
  /** From when on all of them, where that is known. */
  readonly wholeFrom: number | null;
  readonly witness: 'none' | 'heard' | 'silent';
  readonly why: string;
}

/** How the line to central stands. */
export interface FleetLine {
  /** `closed`: it is dialled again and again; `refused`: central has said that it does not let this appliance in. */
  readonly line: 'open' | 'closed' | 'refused';
  /** What this appliance is to the fleet, which may call it otherwise than its own configuration. */
  readonly site: string;
  /** Where it dials. */
  readonly central: string;
  readonly since: number;
  /** 0: not since the start. */
  readonly heardAt: number;
  /** Events that central has not said to have kept; null: not known since the start. */
  readonly behind: number | null;
  /** Of a refusal; else ''. */
  readonly code: string;
  /** What was said of a line that is not open. */
  readonly why: string;
  readonly certificateEndsAt: number;
}

export interface TakeOverOrder {
  readonly why: string;
  /** Why the other one is known to be off; empty: it is not known. */
  readonly fenced: string;
  readonly who: string;
}

/** What people may ask of a pair. Each throws AppError STANDBY_REFUSED with what keeps it. */
export interface PairDesk {
  status(): PairStatus;
  /** Resolves when this one is active. */
  takeOver(order: TakeOverOrder): Promise<void>;
  /** The same, for who is cut off by it: returns when it has begun. */
  begin(order: TakeOverOrder): void;
  handBack(order: { readonly why: string; readonly who: string }): Promise<void>;
}

export interface PeopleContext {
  readonly inventory: Inventory;
  readonly jobs: JobDesk;
  /** BMCs, where this process speaks to them. */
  readonly bmcs?: BmcService | undefined;
  /** Where this appliance keeps images. */
  readonly images?: ImageDesk | undefined;
  /** Serial consoles that are open, where this process speaks to BMCs. */
  readonly consoles?: ConsoleHub | undefined;
  /** Requests and capacity, where this appliance provisions. */
  readonly provisioning?: RequestDesk | undefined;
  /** PEM: what certificates are checked with. */
  readonly certificateKey?: string | undefined;
  /** Pools and their resets. */
  readonly pools?: PoolDesk | undefined;
  readonly clock: Clock;
  readonly log: FastifyBaseLogger;
  readonly site: string;
  readonly settings: PeopleSettings;
  /** A site's own identity provider, where one is configured. */
  readonly oidc?: OidcDesk | undefined;
  /** Commits at once, and resolves when it is on disk: no answer leaves before, and no other work waits for the disk. */
  durably<T>(run: () => T): Promise<T>;
  /** What is in force and where it comes from. */
  readonly configuration?: readonly ConfigurationRow[] | undefined;
  /** DNS, where this appliance serves it. */
  readonly dns?: (() => DnsDesk | undefined) | undefined;
  /** What a NIC would be offered on each segment as each kind of client, by the code that answers; changes nothing. */
  readonly explain?: ((mac: Mac) => readonly ExplainedStage[]) | undefined;
  /** What DHCP serves now; absent where it serves nothing. */
  readonly servedSegments?: (() => ServedSegments) | undefined;
  /** What would change over the fleet; absent where nothing boots. */
  readonly fleetDiff?: ((change: FleetChangeAsked) => Promise<object>) | undefined;
  /** The other appliance of the site, where there is one. */
  readonly standby?: PairDesk | undefined;
  /** The line to central: undefined for an appliance of no fleet; absent where another one holds it. */
  readonly federation?: (() => FleetLine | undefined) | undefined;
  /** Flight records and diagnoses; absent where nothing boots. */
  readonly recorder?: Recorder | undefined;
  /** Writes a consistent copy of the database and says where; absent where there is no file. */
  readonly backup?: (() => Promise<{ file: string; sizeBytes: number }>) | undefined;
}

/** A Fastify whose handlers are typed by the zod schemas of their route. */
export type PeopleServer = FastifyInstance<
  Server,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/**
 * Who may call a route at all: `open` anybody, `read` any principal and the anonymous reader where one is allowed, `any`
 * whoever has proved who they are (the handler looks closer), or a role that they must have on what belongs to all.
 */
export type RouteAccess = 'open' | 'read' | 'any' | Role;

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: RouteAccess;
  }
  interface FastifyRequest {
    /** Set before every handler but those of `open` routes. */
    principal: Principal | null;
    /** The session's secret, where the request came with one. */
    sessionSecret: string | null;
    /** Why a part of what was asked for was refused, where the rest of it was not. */
    refusedItem: ErrorCode | null;
  }
}
