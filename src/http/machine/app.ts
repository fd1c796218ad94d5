/**
 * The machine-facing HTTP listener: boot scripts, kernel and initrd, the recon report, the agent's progress.
 *
 * A machine is who its boot token says it is; the source address decides nothing. Every route but the iPXE binaries
 * carries the token in its path. Handlers are thin: look the token up, ask the boot desk or the inventory, send.
 */
import { readFile } from 'node:fs/promises';
import Fastify, { type FastifyInstance, LogController } from 'fastify';
import { targetWord } from '../../boot/decide.ts';
import { AppError } from '../../errors.ts';
import type { NewEvent } from '../../events.ts';
import type { Boot } from '../../inventory/boots.ts';
import { limit } from '../../limits.ts';
import { type BootFile, openBootFile } from '../../platform/boot-files.ts';
import { createBufferPool, type SendOptions } from '../../platform/file-sender.ts';
import { parseIpv4 } from '../../wire/ipv4.ts';
import { installProblems, sendProblem } from '../problem.ts';
import { addAgentRoutes, addReconRoute } from './agent-routes.ts';
import { caImage } from './ca-image.ts';
import { boundTimes, createConnectionGuard } from './connections.ts';
import type { Flow } from './flows.ts';
import { holder, type MachineAppOptions, note, type TokenParams, urlOf } from './holder.ts';
import { addImageRoutes } from './image-routes.ts';
import { addInstallerRoutes } from './installer-routes.ts';
import { addMetadataRoutes } from './metadata-routes.ts';
import { addRecycleRoutes } from './recycle-routes.ts';
import { type SendObserver, sendBootFile } from './send-file.ts';
import { addWorkRoutes } from './work-routes.ts';

export type { MachineAppOptions } from './holder.ts';

const PXEIMAGE_FILES = {
  vmlinuz: 'application/octet-stream',
  'initrd.img': 'application/octet-stream',
} as const;

/** What UEFI HTTP Boot does with a file: it goes by this before the name (UEFI 2.10, 24.7.3.1, edk2 HttpBootSupport.c). */
function mediaTypeOf(name: string): string {
  if (/\.iso$/i.test(name)) return 'application/vnd.efi-iso';
  return /\.img$/i.test(name) ? 'application/vnd.efi-img' : 'application/efi';
}

export function createMachineApp(options: MachineAppOptions): FastifyInstance {
  const guard = options.guard ?? createConnectionGuard(() => undefined);
  const app = Fastify({
    loggerInstance: options.log,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: limit('reportBytesMax'),
    http: { maxHeaderSize: limit('httpHeaderBytesMax'), connectionsCheckingInterval: 1000 },
    clientErrorHandler: guard.endFaulty,
    frameworkErrors(error, _request, reply) {
      // A name that long is nobody's.
      const tooLong = error.code === 'FST_ERR_MAX_PARAM_LENGTH';
      const code = tooLong ? 'NOT_FOUND' : 'REQUEST_INVALID';
      options.onRefused?.(code);
      sendProblem(reply, code, { detail: error.message });
    },
    // A machine whose download is cut tries again; a daemon that waits for it does not stop.
    forceCloseConnections: true,
  });
  boundTimes(app.server);
  guard.watch(app.server);
  installProblems(app, undefined, options.onRefused);
  // Bodies arrive as bytes: a report is parsed, measured and hashed exactly as it was sent.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

  const send = options.send ?? sendOptions();
  addBootRoutes(app, { ...options, send });
  addReconRoute(app, options);
  addAgentRoutes(app, options);
  addWorkRoutes(app, options);
  addMetadataRoutes(app, options);
  addRecycleRoutes(app, options);
  const { images } = options;
  if (images) {
    addImageRoutes(app, { ...options, images, send });
    addInstallerRoutes(app, { ...options, images, send });
  }
  return app;
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
    return sendBootFile(request, reply, { file, type: mediaTypeOf(name), observer, send, now });
  });

  app.get<TokenParams>('/boot/:token/script.ipxe', { exposeHeadRoute: false }, (request, reply) => {
    const { token, boot } = holder(options, request, ['boot']);
    const at = { url: urlOf(request), loader: 'ipxe' } as const;
    const { script, decision } = options.desk.scriptFor(boot, token.token, at);
    const { target, delivery, reasons } = decision;
    const refused = delivery.kind === 'refusal' ? { refused: delivery.why } : {};
    const data = { mode: targetWord(target), why: reasons.join('; '), ...refused };
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
function bootAt({ inventory, whoHas }: MachineAppOptions, ip: string): Boot | undefined {
  const address = parseIpv4(ip.replace(/^::ffff:/, ''));
  if (address === undefined) return undefined;
  const mac = whoHas ? whoHas(address) : inventory.leases.macAt(address);
  return mac && inventory.boots.latest(mac);
}

function countOnly(options: MachineAppOptions): SendObserver {
  return {
    started: () => undefined,
    ended: (sentBytes, end) => options.onDownload?.(sentBytes, end),
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
  let flow: Flow | undefined;
  return {
    started({ offsetBytes }, socket) {
      flow = options.flows?.begin(boot.id, socket);
      tell({ name: 'http.started', data: { file: name, sizeBytes: file.sizeBytes, offsetBytes } });
    },
    ended(sentBytes, end) {
      const figures = flow?.figures();
      const tcp = figures ? { tcp: figures } : {};
      flow?.end();
      const durationMs = options.clock() - startedAt;
      const { sizeBytes } = file;
      options.onDownload?.(sentBytes, end);
      tell(
        end === 'complete'
          ? { name: 'http.sent', data: { file: name, sizeBytes, durationMs, ...tcp } }
          : { name: 'http.aborted', data: { file: name, sentBytes, sizeBytes, ...tcp } },
      );
    },
  };
}
