/**
 * Images of the kind `installer`, for the machine whose live install it is: kernel and initrd as they are in the store, and the
 * template rendered for this machine; then the word that it is done.
 *
 * The token is that of the work, minted when the machine was handed its script (boot/desk.ts), and opens as long as the order
 * lives. The template is what makes an installer write to disks, so whoever has fetched it may have: from then on the machine
 * counts as one whose disks hold something. Kernel and initrd take no place in the queue for images: a machine that waits in
 * iPXE cannot wait long, and they are small beside what follows from a mirror.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import type { NewEvent } from '../../events.ts';
import { parseTemplate, renderTemplate } from '../../images/template.ts';
import { type InstallDetail, parseInstallDetail } from '../../install/detail.ts';
import { installerValues } from '../../install/installer.ts';
import { metaData } from '../../install/metadata.ts';
import type { FileRole, ImageFile } from '../../inventory/images.ts';
import { isForInstaller, type WorkToken } from '../../inventory/work.ts';
import { limit } from '../../limits.ts';
import { readKept } from '../../platform/boot-files.ts';
import { type TokenParams, urlOf } from './holder.ts';
import { type ImageRouteOptions, observe } from './image-routes.ts';
import { sendBootFile } from './send-file.ts';
import { holderOfLiveWork, holderOfWork } from './work-holder.ts';

export type InstallerRouteOptions = ImageRouteOptions & { readonly domain?: string };

type Asked = FastifyRequest<TokenParams>;

interface Held {
  readonly token: WorkToken;
  readonly detail: InstallDetail;
}

export function addInstallerRoutes(app: FastifyInstance, options: InstallerRouteOptions): void {
  for (const role of ['kernel', 'initrd'] as const)
    app.get<TokenParams>(`/installer/:token/${role}`, (request, reply) =>
      sendFile(options, role, { request, reply }),
    );
  for (const url of ['/installer/:token/template', '/installer/:token/seed/user-data'])
    app.get<TokenParams>(url, { exposeHeadRoute: false }, (request, reply) =>
      sendText(reply, handOut(options, request)),
    );
  app.get<TokenParams>('/installer/:token/seed/meta-data', (request, reply) => {
    const { token, detail } = heldBy(options, request);
    const { job, hardwarename } = token.order;
    return sendText(reply, metaData(detail, { job, hardwarename, phoneHome: '' }));
  });
  // NoCloud asks for it, and takes an empty one for none.
  app.get<TokenParams>('/installer/:token/seed/vendor-data', (request, reply) => {
    heldBy(options, request);
    return sendText(reply, '');
  });
  app.post<TokenParams>(
    '/installer/:token/installed',
    { bodyLimit: limit('workResultBytesMax') },
    (request, reply) => {
      const token = holderOfWork(options, request);
      if (!isForInstaller(token.order)) throw new AppError('TOKEN_PURPOSE');
      options.inventory.transaction(() => endInstaller(options, token));
      return reply.code(204).send();
    },
  );
}

/** Its part is over, and has been told before when it is told twice. Nothing was written before the template was fetched. */
export function endInstaller(
  { inventory }: Pick<InstallerRouteOptions, 'inventory'>,
  token: WorkToken,
): void {
  const { job, purpose, round, hardwarename, destroysAt, boot } = token.order;
  if (destroysAt === 0) throw new AppError('WORK_ENDED', { detail: 'It has not begun.' });
  if (!inventory.work.concluded(token, { ok: true, step: 'installed' })) return;
  const data = { job, purpose, round, measurements: {} };
  const event = { name: 'agent.finished', boot, hardwarename, data } as NewEvent;
  inventory.events.append(event);
}

/** @throws AppError TOKEN_UNKNOWN, TOKEN_EXPIRED, TOKEN_PURPOSE, WORK_ENDED */
function heldBy(options: InstallerRouteOptions, request: Asked): Held {
  const token = holderOfLiveWork(options, request);
  if (!isForInstaller(token.order)) throw new AppError('TOKEN_PURPOSE');
  return { token, detail: parseInstallDetail(token.order.detail) };
}

function fileOf({ image }: InstallDetail, role: FileRole): ImageFile {
  const file = image.files.find((each) => each.role === role);
  if (file) return file;
  throw new AppError('IMAGE_INCOMPLETE', { detail: `${image.name} has no ${role}.` });
}

function sendFile(
  options: InstallerRouteOptions,
  role: 'kernel' | 'initrd',
  { request, reply }: { request: Asked; reply: FastifyReply },
): FastifyReply {
  const { token, detail } = heldBy(options, request);
  const wanted = fileOf(detail, role);
  const file = options.images.open(wanted.sha256);
  if (!file) throw new AppError('NOT_FOUND', { detail: 'The file is not in the store.' });
  return sendBootFile(request, reply, {
    ...{ file, type: 'application/octet-stream', etag: `"${wanted.sha256}"` },
    ...{ send: options.send, now: options.clock() },
    observer: observe(options, { token, detail, file: wanted }),
  });
}

/**
 * The template for this machine. Asked for again it is the same, because an installer that could not read it asks again.
 * @throws AppError TEMPLATE_INVALID when a value is missing; the order has failed by that
 */
function handOut(options: InstallerRouteOptions, request: Asked): string {
  const { token, detail } = heldBy(options, request);
  const { inventory, images, domain = '' } = options;
  const { job, hardwarename } = token.order;
  const file = images.open(fileOf(detail, 'template').sha256);
  if (!file) throw new AppError('NOT_FOUND', { detail: 'The template is not in the store.' });
  const metadataToken = inventory.transaction(() => inventory.work.metadataToken(job));
  const facts = { hardwarename, domain, url: urlOf(request), token: token.token, metadataToken };
  let text: string;
  try {
    const parts = parseTemplate(detail.image.doc.format ?? 'preseed', readKept(file));
    text = renderTemplate(parts, installerValues(detail, facts));
  } catch (cause) {
    const why = `Its template: ${(cause as Error).message}.`;
    inventory.transaction(() => fail(options, token, why));
    throw new AppError('TEMPLATE_INVALID', { detail: why, cause });
  }
  inventory.transaction(() => {
    inventory.work.fetched(token);
    inventory.work.destroys(job);
    inventory.machines.write(hardwarename, { mayHoldData: true });
  });
  return text;
}

function fail({ inventory }: InstallerRouteOptions, token: WorkToken, detail: string): void {
  const result = { ok: false, step: 'template', code: 'TEMPLATE_INVALID', detail } as const;
  if (!inventory.work.concluded(token, result)) return;
  const { job, purpose, round, hardwarename } = token.order;
  const data = { job, purpose, round, ...result, retry: false, log: '' };
  const { boot, mac } = token;
  inventory.events.append({ name: 'agent.failed', hardwarename, boot, mac, data } as NewEvent);
}

function sendText(reply: FastifyReply, text: string): FastifyReply {
  return reply.type('text/plain; charset=utf-8').header('cache-control', 'no-store').send(text);
}
