/**
 * Files of images for machines that are being installed: `/images/TOKEN/SHA256`, with ranges, by sendfile(2).
 *
 * The token is that of a live install, and opens the files of that install's image and no other. How many machines fetch at
 * once, and how fast, is the admission's (images/admission.ts): one whose turn it is not is told 503, when to ask again
 * (Retry-After) and its place. When the job ends or is called off in the middle, the connection is cut.
 */
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import type { Admitted } from '../../images/admission.ts';
import { type InstallDetail, parseInstallDetail } from '../../install/detail.ts';
import type { Boot } from '../../inventory/boots.ts';
import type { ImageFile } from '../../inventory/images.ts';
import type { WorkToken } from '../../inventory/work.ts';
import type { SendOptions, Slice } from '../../platform/file-sender.ts';
import { type ImageService, type MachineAppOptions, note } from './holder.ts';
import { parseRange } from './preconditions.ts';
import { type FileAnswer, type SendObserver, sendBootFile } from './send-file.ts';
import { holderOfLiveWork } from './work-holder.ts';

export type ImageRouteOptions = MachineAppOptions & {
  readonly send: SendOptions;
  readonly images: ImageService;
};

interface ImageParams {
  Params: { token: string; sha256: string };
}

interface Wanted {
  readonly token: WorkToken;
  readonly detail: InstallDetail;
  readonly file: ImageFile;
}

interface Sending {
  readonly uplink: string;
  readonly socket: Socket;
}

export function addImageRoutes(app: FastifyInstance, options: ImageRouteOptions): void {
  const { images } = options;
  /** By job: whoever comes or goes changes what the others may take. */
  const sending = new Map<string, Sending>();
  app.get<ImageParams>('/images/:token/:sha256', (request, reply) => {
    const wanted = wantedOf(options, request);
    const file = images.open(wanted.file.sha256);
    if (!file) throw new AppError('NOT_FOUND', { detail: 'The file is not in the store.' });
    const answer = {
      ...{ file, type: 'application/octet-stream', etag: `"${wanted.file.sha256}"` },
      ...{ send: options.send, now: options.clock() },
    };
    if (request.method === 'HEAD')
      return sendBootFile(request, reply, { ...answer, observer: SILENT });
    const turn = ask(options, request, wanted);
    if (turn.admitted)
      return sendAdmitted({ options, sending, wanted }, { request, reply, answer });
    file.close();
    return refuse(reply, turn);
  });
}

const SILENT: SendObserver = { started: () => undefined, ended: () => undefined };

function ask({ images, clock }: ImageRouteOptions, request: FastifyRequest, wanted: Wanted) {
  const { order } = wanted.token;
  const { headers, socket } = request;
  const { size } = wanted.file;
  const range = headers.range === undefined ? undefined : parseRange(headers.range, size);
  const asking = {
    key: order.job,
    hardwarename: order.hardwarename,
    uplink: socket.localAddress ?? '',
    squad: wanted.detail.squad,
    leftBytes: typeof range === 'object' ? size - range.first : size,
  };
  return images.admission.ask(asking, clock());
}

function refuse(reply: FastifyReply, turn: Extract<Admitted, { admitted: false }>): never {
  const { position, retryMs, waitMs } = turn;
  reply.header('retry-after', Math.ceil(retryMs / 1000)).header('x-queue-position', position);
  if (waitMs !== undefined) reply.header('x-queue-seconds', Math.ceil(waitMs / 1000));
  throw new AppError('IMAGE_QUEUED', { detail: `It is number ${position}.` });
}

interface Route {
  readonly options: ImageRouteOptions;
  readonly sending: Map<string, Sending>;
  readonly wanted: Wanted;
}

interface Sent {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly answer: Omit<FileAnswer, 'observer'>;
}

function sendAdmitted(
  { options, sending, wanted }: Route,
  { request, reply, answer }: Sent,
): FastifyReply {
  const { images, clock } = options;
  const { job } = wanted.token.order;
  const { socket } = request.raw;
  const uplink = request.socket.localAddress ?? '';
  // A machine that asks anew has given the other connection up, whatever TCP knows of that.
  sending.get(job)?.socket.destroy();
  sending.set(job, { uplink, socket });
  const paceAll = () => {
    const rates = images.admission.rates(uplink, clock());
    for (const [key, one] of sending)
      if (one.uplink === uplink) images.pace(one.socket, rates.get(key) ?? 0);
  };
  const uncut = cutWhenOver(options, wanted.token, socket);
  let begun: Slice | undefined;
  const over = (sentBytes: number) => {
    uncut();
    if (sending.get(job)?.socket !== socket) return;
    sending.delete(job);
    const last = begun ? begun.offsetBytes + sentBytes : 0;
    const complete = begun === undefined || last === wanted.file.size;
    images.admission.ended(job, { complete, sentBytes }, clock());
    paceAll();
  };
  const events = observe(options, wanted);
  const sent = sendBootFile(request, reply, {
    ...answer,
    observer: {
      started(slice, sendingSocket) {
        begun = slice;
        paceAll();
        events.started(slice, sendingSocket);
      },
      ended(sentBytes, end) {
        over(sentBytes);
        events.ended(sentBytes, end);
      },
    },
  });
  // An answer without a body, such as 304 or 416, is over at once.
  if (!begun) over(0);
  return sent;
}

/** @throws AppError TOKEN_UNKNOWN, TOKEN_EXPIRED, TOKEN_PURPOSE, WORK_ENDED, NOT_FOUND */
function wantedOf(options: MachineAppOptions, request: FastifyRequest<ImageParams>): Wanted {
  const token = holderOfLiveWork(options, request);
  if (token.purpose !== 'install') throw new AppError('TOKEN_PURPOSE');
  const detail = parseInstallDetail(token.order.detail);
  const file = detail.image.files.find(({ sha256 }) => sha256 === request.params.sha256);
  if (!file) throw new AppError('NOT_FOUND', { detail: 'It is no file of this image.' });
  return { token, detail, file };
}

/** Nothing more is sent from the moment that the work is over. @returns ends the watching */
function cutWhenOver(
  { inventory }: MachineAppOptions,
  { order }: WorkToken,
  socket: Socket,
): () => void {
  return inventory.events.followOne(order.hardwarename, () => {
    if (inventory.work.liveOf(order.hardwarename)?.job !== order.job) socket.destroy();
  });
}

/** Turns the download into events of the boot that took the work. A failing event must not break it: it is logged. */
export function observe(options: ImageRouteOptions, { token, detail, file }: Wanted): SendObserver {
  const startedAt = options.clock();
  const name = `${detail.image.name}@${detail.image.version} ${file.role}`;
  const boot: Boot | undefined = token.boot && options.inventory.boots.byId(token.boot);
  const tell = (event: Parameters<typeof note>[2]) => {
    try {
      if (boot) note(options, boot, event);
    } catch (err) {
      options.log.error({ err, job: token.order.job }, `could not record ${event.name}`);
    }
  };
  const { size: sizeBytes } = file;
  return {
    started: ({ offsetBytes }) =>
      tell({ name: 'http.started', data: { file: name, sizeBytes, offsetBytes } }),
    ended(sentBytes, end) {
      options.onDownload?.(sentBytes, end);
      const durationMs = options.clock() - startedAt;
      tell(
        end === 'complete'
          ? { name: 'http.sent', data: { file: name, sizeBytes, durationMs } }
          : { name: 'http.aborted', data: { file: name, sentBytes, sizeBytes } },
      );
    },
  };
}
