/**
 * The machine-facing HTTP listener: boot scripts, kernel and initrd, the recon report, the agent's progress.
 *
 * A machine is who its boot token says it is; the source address decides nothing. Every route but the iPXE binaries
 * carries the token in its path. Handlers are thin: look the token up, ask the boot desk or the inventory, send.
 */
import { readFile } from 'node:fs/promises';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import { z } from 'zod';
import { targetWord } from '../../boot/decide.ts';
import type { BootDesk } from '../../boot/desk.ts';
import { type Instruction, nextInstruction, renderInstruction } from '../../boot/next.ts';
import { AppError } from '../../errors.ts';
import type { EventData, NewEvent } from '../../events.ts';
import type { Boot } from '../../inventory/boots.ts';
import type { Inventory } from '../../inventory/inventory.ts';
import type { Token, TokenPurpose } from '../../inventory/tokens.ts';
import { limit } from '../../limits.ts';
import { type BootFile, openBootFile } from '../../platform/boot-files.ts';
import { createBufferPool, type SendOptions } from '../../platform/file-sender.ts';
import { parseBootToken } from '../../wire/ids.ts';
import { parseIpv4 } from '../../wire/ipv4.ts';
import type { Clock } from '../../wire/time.ts';
import { installProblems } from '../problem.ts';
import { caImage } from './ca-image.ts';
import { boundTimes, type ConnectionGuard, createConnectionGuard } from './connections.ts';
import { type SendObserver, sendBootFile } from './send-file.ts';

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
  /** One download over: what the kernel took, and whether that was all of it. For the metrics. */
  onDownload?(sentBytes: number, complete: boolean): void;
}

interface TokenParams {
  Params: { token: string };
}

const PXEIMAGE_FILES = {
  vmlinuz: 'application/octet-stream',
  'initrd.img': 'application/octet-stream',
} as const;

const progressBody = z.strictObject({
  phase: z.string().min(1).max(64),
  message: z.string().max(limit('reportTextCharsMax') * 4),
  level: z.enum(['info', 'warn', 'error']),
  percent: z.number().min(0).max(100).optional(),
});

export function createMachineApp(options: MachineAppOptions): FastifyInstance {
  const app = Fastify({
    loggerInstance: options.log,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: limit('reportBytesMax'),
    http: { maxHeaderSize: limit('httpHeaderBytesMax'), connectionsCheckingInterval: 1000 },
    // A machine whose download is cut tries again; a daemon that waits for it does not stop.
    forceCloseConnections: true,
  });
  boundTimes(app.server);
  const guard = options.guard ?? createConnectionGuard(() => undefined);
  guard.watch(app.server);
  installProblems(app);
  // Bodies arrive as bytes: a report is parsed, measured and hashed exactly as it was sent.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

  addBootRoutes(app, { ...options, send: options.send ?? sendOptions() });
  addReconRoute(app, options);
  addAgentRoutes(app, options);
  return app;
}

/** @throws AppError TOKEN_UNKNOWN, TOKEN_EXPIRED or TOKEN_PURPOSE */
function holder(
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
 * Appends an event of this boot, and ends a stall, all or nothing with whatever else `also` changes. Only the agent's
 * progress is committed at once and waits for the disk, because the answer acknowledges it: in a storm, a commit for
 * each download would starve DHCP.
 */
function note(
  { inventory }: MachineAppOptions,
  boot: Boot,
  event: Pick<NewEvent, 'name' | 'data'>,
  also?: () => void,
): void {
  const acknowledged = event.name === 'agent.progress';
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

export function sendOptions(): SendOptions {
  const pool = createBufferPool({
    budgetBytes: limit('httpSendBufferBytes'),
    chunkBytesMax: limit('httpChunkBytesMax'),
  });
  return { pool, chunkMs: limit('httpChunkMs') };
}

type BootRouteOptions = MachineAppOptions & { readonly send: SendOptions };

function addBootRoutes(app: FastifyInstance, options: BootRouteOptions): void {
  app.get<{ Params: { name: string } }>('/boot/ipxe/:name', (request, reply) => {
    const name = options.desk.servedAs(request.params.name);
    const file = /^[A-Za-z0-9._-]+$/.test(name) ? openBootFile(options.assets, name) : undefined;
    if (!file) throw new AppError('NOT_FOUND');
    const boot = bootAt(options, request.ip);
    const observer = boot
      ? watchFile(options, boot, { name, file, isBinary: true })
      : countOnly(options);
    const { send } = options;
    const now = options.clock();
    return sendBootFile(request, reply, { file, type: 'application/efi', observer, send, now });
  });

  app.get<TokenParams>('/boot/:token/script.ipxe', { exposeHeadRoute: false }, (request, reply) => {
    const { token, boot } = holder(options, request, ['boot']);
    const { localAddress, localPort } = request.socket;
    const scheme = 'encrypted' in request.socket ? 'https' : 'http';
    const url = `${scheme}://${(localAddress ?? '').replace(/^::ffff:/, '')}:${localPort ?? 80}`;
    const { script, decision } = options.desk.scriptFor(boot, token.token, url);
    const data = { mode: targetWord(decision.target), why: decision.reasons.join('; ') };
    note(options, boot, { name: 'ipxe.script', data }, () =>
      options.inventory.boots.scriptServed(boot.id),
    );
    return reply.type('text/plain; charset=utf-8').header('cache-control', 'no-store').send(script);
  });

  const { ca } = options;
  if (ca !== undefined) {
    app.get<TokenParams>('/boot/:token/ca.img', async (request, reply) => {
      holder(options, request, ['boot']);
      return reply.type('application/octet-stream').send(caImage(await readFile(ca)));
    });
  }

  for (const [name, type] of Object.entries(PXEIMAGE_FILES)) {
    app.get<TokenParams>(`/boot/:token/${name}`, (request, reply) => {
      const { boot } = holder(options, request, ['boot']);
      const file = openBootFile(options.pxeimage, name);
      if (!file) throw new AppError('NOT_FOUND');
      const observer = watchFile(options, boot, { name, file });
      const { send } = options;
      return sendBootFile(request, reply, { file, type, observer, send, now: options.clock() });
    });
  }
}

/**
 * UEFI HTTP Boot asks before there is a token. For the timeline, and for nothing else, it is the machine that holds the
 * address, as with TFTP.
 */
function bootAt({ inventory }: MachineAppOptions, ip: string): Boot | undefined {
  const address = parseIpv4(ip.replace(/^::ffff:/, ''));
  const mac = address === undefined ? undefined : inventory.leases.macAt(address);
  return mac && inventory.boots.latest(mac);
}

function countOnly(options: MachineAppOptions): SendObserver {
  return {
    started: () => undefined,
    ended: (sentBytes, complete) => options.onDownload?.(sentBytes, complete),
  };
}

interface Watched {
  readonly name: string;
  readonly file: BootFile;
  /** A loader handed out: one that is fetched over and over is a loop (`binariesPerBoot`). */
  readonly isBinary?: boolean;
}

/** Turns one download into timeline events. A failing event must not break the download: it is logged. */
function watchFile(
  options: MachineAppOptions,
  boot: Boot,
  { name, file, isBinary = false }: Watched,
): SendObserver {
  const startedAt = options.clock();
  const tell = (event: Pick<NewEvent, 'name' | 'data'>) => {
    try {
      note(options, boot, event, () => {
        if (isBinary && event.name === 'http.sent') options.inventory.boots.binaryServed(boot.id);
      });
    } catch (err) {
      options.log.error({ err, boot: boot.id }, `could not record ${event.name}`);
    }
  };
  return {
    started: ({ offsetBytes }) =>
      tell({ name: 'http.started', data: { file: name, sizeBytes: file.sizeBytes, offsetBytes } }),
    ended(sentBytes, complete) {
      const durationMs = options.clock() - startedAt;
      const { sizeBytes } = file;
      options.onDownload?.(sentBytes, complete);
      tell(
        complete
          ? { name: 'http.sent', data: { file: name, sizeBytes, durationMs } }
          : { name: 'http.aborted', data: { file: name, sentBytes, sizeBytes } },
      );
    },
  };
}

function addReconRoute(app: FastifyInstance, options: MachineAppOptions): void {
  const { inventory } = options;
  app.post<TokenParams>('/recon/:token', (request, reply) => {
    const { token, boot } = holder(options, request, ['boot']);
    const body = request.body instanceof Buffer ? request.body : Buffer.alloc(0);
    const { machine } = inventory.ingest({ token, body });
    const next = nextInstruction({ machine, boot: { reportDigest: 'reported' } });
    return sendInstruction(options, reply, { next, boot });
  });
}

function addAgentRoutes(app: FastifyInstance, options: MachineAppOptions): void {
  const { inventory } = options;
  app.post<TokenParams>(
    '/agent/:token/progress',
    { bodyLimit: limit('progressBytesMax') },
    (request, reply) => {
      const { boot } = holder(options, request, ['boot', 'wait']);
      const { percent, ...rest } = parseProgress(request.body);
      const data: EventData['agent.progress'] = percent === undefined ? rest : { ...rest, percent };
      note(options, boot, { name: 'agent.progress', data });
      return reply.code(204).send();
    },
  );

  app.get<TokenParams>('/agent/:token/next', { exposeHeadRoute: false }, async (request, reply) => {
    const { token, boot } = holder(options, request, ['boot', 'wait']);
    inventory.transaction(() => inventory.tokens.renew(token.token));
    const look = (): Instruction =>
      nextInstruction({
        machine: inventory.machines.byMac(boot.mac),
        boot: inventory.boots.byId(boot.id) ?? boot,
      });
    const next = await untilOtherThanWait(inventory, { request, boot, look });
    return sendInstruction(options, reply, { next, boot });
  });
}

function parseProgress(body: unknown): z.output<typeof progressBody> {
  let document: unknown;
  try {
    document = JSON.parse(Buffer.isBuffer(body) ? body.toString('utf8') : '');
  } catch (cause) {
    throw new AppError('REQUEST_INVALID', { detail: 'The body is not JSON.', cause });
  }
  const parsed = progressBody.safeParse(document);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new AppError('REQUEST_INVALID', {
    detail: issue?.message ?? 'wrong form',
    path: `/${(issue?.path ?? []).join('/')}`,
  });
}

/** Holds a heartbeat until there is something to do, the machine hangs up, or the long poll's time is over. */
function untilOtherThanWait(
  inventory: Inventory,
  { request, boot, look }: { request: FastifyRequest; boot: Boot; look: () => Instruction },
): Promise<Instruction> {
  const first = look();
  if (first.instruction !== 'wait') return Promise.resolve(first);
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      unfollow();
      request.raw.socket.off('close', giveUp);
      settle();
    };
    const check = (last: boolean) => {
      try {
        const next = look();
        if (last || next.instruction !== 'wait') finish(() => resolve(next));
      } catch (error) {
        finish(() => reject(error));
      }
    };
    const giveUp = () => finish(() => resolve(first));
    const unfollow = followMachine(inventory, boot, () => check(false));
    const timer = setTimeout(() => check(true), limit('heartbeatMs'));
    request.raw.socket.once('close', giveUp);
  });
}

/** Wakes on what happens to this machine only: thousands wait, and something happens to one of them all the time. */
function followMachine(inventory: Inventory, boot: Boot, wake: () => void): () => void {
  const hardwarename = inventory.machines.stateByMac(boot.mac)?.hardwarename ?? boot.hardwarename;
  const unfollow = [inventory.events.followOne(boot.mac, wake)];
  if (hardwarename) unfollow.push(inventory.events.followOne(hardwarename, wake));
  return () => unfollow.forEach((stop) => void stop());
}

/** A machine that waits holds a token of its own for that, so that its boot token can end with the boot. */
function sendInstruction(
  { inventory }: MachineAppOptions,
  reply: FastifyReply,
  { next, boot }: { next: Instruction; boot: Boot },
): FastifyReply {
  const token =
    next.instruction === 'wait'
      ? inventory.transaction(() => inventory.tokens.mint(boot.id, boot.mac, 'wait')).token
      : undefined;
  return reply
    .type('text/plain; charset=utf-8')
    .header('cache-control', 'no-store')
    .send(renderInstruction({ ...next, token }));
}
