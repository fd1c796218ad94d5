/**
 * What the routes of machines share: what they are made with, who holds a token, and how what a machine does becomes an
 * event of its boot.
 */
import type { Socket } from 'node:net';
import type { FastifyBaseLogger, FastifyRequest } from 'fastify';
import type { BootDesk } from '../../boot/desk.ts';
import { AppError, type ErrorCode } from '../../errors.ts';
import type { NewEvent } from '../../events.ts';
import type { Admission } from '../../images/admission.ts';
import type { Boot } from '../../inventory/boots.ts';
import type { Inventory } from '../../inventory/inventory.ts';
import type { Token, TokenPurpose } from '../../inventory/tokens.ts';
import type { OpenBootFile } from '../../platform/boot-files.ts';
import type { SendEnd, SendOptions } from '../../platform/file-sender.ts';
import type { RecycleDesk } from '../../recycle/desk.ts';
import { parseBootToken } from '../../wire/ids.ts';
import type { Ipv4 } from '../../wire/ipv4.ts';
import type { Mac } from '../../wire/mac.ts';
import type { Clock } from '../../wire/time.ts';
import type { ConnectionGuard } from './connections.ts';
import type { Flows } from './flows.ts';

/** What the machines' listeners need of the image store. */
export interface ImageService {
  /** `undefined` when the file is not there, or is damaged. */
  open(sha256: string): OpenBootFile | undefined;
  readonly admission: Admission;
  /** Bounds how fast a connection sends; 0 sets no bound. */
  pace(socket: Socket, bytesPerSecond: number): void;
}

export interface MachineAppOptions {
  readonly inventory: Inventory;
  readonly desk: BootDesk;
  readonly clock: Clock;
  readonly log: FastifyBaseLogger;
  /** Folder of iPXE binaries, and folder of the pxeimage to start. */
  readonly assets: string;
  readonly pxeimage: string;
  /** PEM file of the CA that the agent is to trust; only where machines have a TLS listener. */
  readonly ca?: string;
  /** The buffers that files are read into, shared by all listeners. */
  readonly send?: SendOptions;
  /** One house for all listeners of machines; a listener without it has its own. */
  readonly guard?: ConnectionGuard;
  /** What the kernel counts of downloads; without it, events say only what was handed to the kernel. */
  readonly flows?: Flows;
  /** What is kept of machines that are recycled. */
  readonly recycle?: RecycleDesk;
  /** The image store, where there is one. */
  readonly images?: ImageService;
  /** The domain of the site's machines, for installers' templates. */
  readonly domain?: string;
  /** Whose an address is that we did not lease: for a timeline, and for nothing else. */
  whoHas?(address: Ipv4): Mac | undefined;
  /** One download over: what the kernel took, and how it ended. For the metrics. */
  onDownload?(sentBytes: number, end: SendEnd): void;
  /** A request was answered with an error. For the metrics. */
  onRefused?(code: ErrorCode): void;
}

export interface TokenParams {
  Params: { token: string };
}

/** @throws AppError TOKEN_UNKNOWN, TOKEN_EXPIRED or TOKEN_PURPOSE */
export function holder(
  { inventory, clock }: MachineAppOptions,
  request: FastifyRequest<TokenParams>,
  purposes: readonly TokenPurpose[],
): { token: Token; boot: Boot } {
  const text = parseBootToken(request.params.token);
  const token = text && inventory.tokens.find(text);
  const boot = token && inventory.boots.byId(token.boot);
  if (!token || !boot) throw new AppError('TOKEN_UNKNOWN');
  if (token.expiresAt <= clock()) throw new AppError('TOKEN_EXPIRED');
  if (!purposes.includes(token.purpose)) throw new AppError('TOKEN_PURPOSE');
  return { token, boot };
}

/**
 * Appends an event of this boot, and ends a stall, all or nothing with whatever else `also` changes. Only what the
 * agent and an installed system say is committed at once and waits for the disk, because the answer acknowledges it: in a storm, a commit for
 * each download would starve DHCP.
 */
export function note(
  { inventory }: Pick<MachineAppOptions, 'inventory'>,
  boot: Boot,
  event: Pick<NewEvent, 'name' | 'data'>,
  also?: () => void,
): void {
  const acknowledged = /^(agent|os)\./.test(event.name);
  const commit = acknowledged ? inventory.transaction : inventory.soon;
  commit(() => {
    also?.();
    const subject = { mac: boot.mac, boot: boot.id, hardwarename: boot.hardwarename };
    inventory.events.append({ ...subject, ...event } as NewEvent);
    if (inventory.boots.touch(boot.id)) {
      inventory.events.append({ ...subject, name: 'boot.resumed', data: { after: event.name } });
    }
  });
}

/** Where this request has reached us: what the machine is told to ask again. */
export function urlOf({ socket }: FastifyRequest): string {
  const { localAddress, localPort } = socket;
  const scheme = 'encrypted' in socket ? 'https' : 'http';
  return `${scheme}://${(localAddress ?? '').replace(/^::ffff:/, '')}:${localPort ?? 80}`;
}
