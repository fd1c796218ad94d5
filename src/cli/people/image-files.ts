/**
 * Brings files into the image store from the command line: hashed here first, so that the appliance knows what it is to
 * get, then sent piece by piece. A piece that is lost with its connection is asked for again; a file that the store has
 * already is not sent at all.
 */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, openAsBlob } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { type ApiClient, ApiProblem, reach } from '../../client/client.ts';
import type { Image, ImageUpload } from '../../client/operations.generated.ts';
import { AppError } from '../../errors.ts';
import { manifestOf } from '../../images/signature.ts';
import { isSha256, parseImageRef } from '../../wire/image-ref.ts';
import {
  type CliContext,
  type CommonOptions,
  clientFor,
  reachOf,
  withCommon,
} from './connection.ts';
import type { ImageCalls } from './images.ts';
import { bytes, type Column, done, show, time } from './output.ts';

type Role = Image['files'][number]['role'];
type Kind = Image['kind'];
export type FileWords = { readonly [Name in Role]?: string };

const PIECE_BYTES = 33_554_432;
const POLL_MS = 300;
const TRIES_MAX = 5;
const RETRY_MS = 1000;

const KINDS: Readonly<Record<Kind, readonly Role[]>> = {
  raw: ['disk'],
  tarball: ['root'],
  installer: ['kernel', 'initrd', 'template'],
};

/** Which kind these files make, and the files in the store. @throws AppError REQUEST_INVALID, ApiProblem */
export async function storeFiles(
  context: CliContext,
  options: CommonOptions & FileWords,
  api: ApiClient<ImageCalls>,
): Promise<{ kind: Kind; files: { role: Role; sha256: string }[] }> {
  const kind = kindOf(options);
  const files = [];
  for (const role of KINDS[kind]) {
    const word = options[role] ?? '';
    files.push({ role, sha256: await store(context, { word, options, api }) });
  }
  return { kind, files };
}

function kindOf(words: FileWords): Kind {
  const given = Object.values(KINDS)
    .flat()
    .filter((role) => words[role] !== undefined);
  const found = Object.entries(KINDS).find(([, roles]) => roles.join() === given.join());
  if (found) return found[0] as Kind;
  const detail = 'Give --disk, or --root, or --kernel with --initrd and --template.';
  throw new AppError('REQUEST_INVALID', { detail });
}

interface Wanted {
  /** A file, a URL, or sha256:HEX. */
  readonly word: string;
  readonly options: CommonOptions & { readonly sha256?: string };
  readonly api: ApiClient<ImageCalls>;
}

/** @returns the SHA-256 of what is in the store then */
async function store(context: CliContext, { word, options, api }: Wanted): Promise<string> {
  const known = /^sha256:(.*)$/.exec(word)?.[1];
  if (known !== undefined) {
    if (isSha256(known)) return known;
    throw new AppError('REQUEST_INVALID', { detail: `'${word}' is no SHA-256.` });
  }
  const { id, sha256 } = /^https?:\/\//i.test(word)
    ? await fetchFrom(context, { word, options, api })
    : await send(context, { word, options, api });
  if (id === WHOLE.id) return sha256;
  return (await follow(context, { id, word, options, api })).sha256;
}

type Upload = Pick<ImageUpload, 'id' | 'sha256'>;

/** What was taken in one piece has no upload that one could ask about. */
const WHOLE = { id: '' } as const;

const hashOf = (sha256: string | undefined) => (sha256 === undefined ? {} : { sha256 });

async function announce(
  api: ApiClient<ImageCalls>,
  body: { from?: string; sizeBytes?: number; sha256?: string },
): Promise<ImageUpload> {
  return (await api.call('POST /image-uploads', { body })).body;
}

/** By the appliance itself; for central, which fetches nothing, from here: its bytes are sent on when they are known. */
async function fetchFrom(context: CliContext, { word, options, api }: Wanted): Promise<Upload> {
  try {
    return await announce(api, { from: word, ...hashOf(options.sha256) });
  } catch (error) {
    if (!(error instanceof ApiProblem) || error.code !== 'SITE_ONLY') throw error;
  }
  const folder = await mkdtemp(join(tmpdir(), 'reveille-'));
  try {
    const file = join(folder, 'image');
    const answer = await fetch(word).catch((cause: unknown) => {
      throw new AppError('REQUEST_INVALID', { detail: `${word} cannot be read.`, cause });
    });
    if (!answer.ok || !answer.body)
      throw new AppError('REQUEST_INVALID', { detail: `${word}: HTTP ${answer.status}.` });
    await pipeline(answer.body, createWriteStream(file));
    const sha256 = await digestOf(file);
    if (options.sha256 !== undefined && options.sha256 !== sha256)
      throw new AppError('IMAGE_MISMATCH', { detail: `It is ${sha256}.` });
    return await putWhole(context, options, { sha256, blob: await openAsBlob(file) });
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function send(context: CliContext, { word, options, api }: Wanted): Promise<Upload> {
  const blob = await openAsBlob(word).catch((cause: unknown) => {
    throw new AppError('REQUEST_INVALID', { detail: `${word} cannot be read.`, cause });
  });
  const sha256 = await digestOf(word);
  const begun = await announce(api, { sizeBytes: blob.size, sha256 }).catch((error: unknown) => {
    if (error instanceof ApiProblem && error.code === 'SITE_ONLY') return undefined;
    throw error;
  });
  if (!begun) return putWhole(context, options, { sha256, blob });
  let upload = begun;
  const bar = progressBar(context, options, word);
  const path = { id: upload.id };
  let tries = 0;
  while (upload.state === 'receiving' && upload.offsetBytes < blob.size) {
    const first = upload.offsetBytes;
    const end = Math.min(first + PIECE_BYTES, blob.size);
    try {
      upload = await put(context, options, {
        ...{ id: upload.id, piece: blob.slice(first, end) },
        range: `bytes ${first}-${end - 1}/${blob.size}`,
      });
      tries = 0;
    } catch (error) {
      const gone = error instanceof ApiProblem && error.status >= 400 && error.status < 500;
      if (gone || ++tries >= TRIES_MAX) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      upload = (await api.call('GET /image-uploads/{id}', { path })).body;
    }
    bar(upload.receivedBytes, blob.size);
  }
  return upload;
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1_048_576 }))
    hash.update(chunk);
  return hash.digest('hex');
}

const put = (
  context: CliContext,
  options: CommonOptions,
  { id, piece, range }: { id: string; piece: Blob; range: string },
): Promise<ImageUpload> =>
  putBytes(context, options, {
    path: `image-uploads/${encodeURIComponent(id)}`,
    body: piece,
    headers: { 'content-range': range },
  });

/** To central, which takes a file by its hash. */
async function putWhole(
  context: CliContext,
  options: CommonOptions,
  { sha256, blob }: { sha256: string; blob: Blob },
): Promise<Upload> {
  await putBytes(context, options, { path: `blobs/${sha256}`, body: blob });
  return { ...WHOLE, sha256 };
}

interface Bytes {
  readonly path: string;
  readonly body: Blob;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Past the client, whose bodies are JSON. A file that goes by its hash may be sent once more; of a piece it is asked first how far it
 * has come.
 */
async function putBytes<Answer>(
  { environment }: CliContext,
  options: CommonOptions,
  { path, body, headers = {} }: Bytes,
): Promise<Answer> {
  const { url, token } = reachOf(environment, options);
  const request = {
    method: 'PUT',
    body,
    headers: {
      'content-type': 'application/octet-stream',
      ...headers,
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    },
  };
  const answer = await reach(`${url}/api/v1/${path}`, request, !headers['content-range']);
  const document: unknown = await answer.json();
  if (!answer.ok) throw new ApiProblem(answer.status, { ...(document as object) });
  return document as Answer;
}

/** Until it is in the store. @throws ApiProblem with the cause when it was given up */
async function follow(
  context: CliContext,
  { id, word, options, api }: Wanted & { id: string },
): Promise<ImageUpload> {
  const bar = progressBar(context, options, word);
  for (;;) {
    const { body } = await api.call('GET /image-uploads/{id}', { path: { id } });
    if (body.state === 'stored') {
      bar(body.sizeBytes, body.sizeBytes, 'stored');
      return body;
    }
    if (body.state === 'failed') {
      const { code, detail } = body;
      throw new ApiProblem(0, { title: `${word} is not in the store.`, code, detail });
    }
    if (body.state === 'checking') bar(body.checkedBytes, body.sizeBytes, 'checking');
    else bar(body.receivedBytes, body.sizeBytes);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

const BAR_CHARS = 30;

/** One line on a terminal, rewritten; elsewhere nothing, and nothing for programs. */
function progressBar(context: CliContext, options: CommonOptions, name: string) {
  const shown = context.isTerminal === true && options.json !== true;
  const startedAt = performance.now();
  let firstBytes: number | undefined;
  return (at: number, total: number, what = 'sending') => {
    if (!shown) return;
    firstBytes ??= at;
    const share = total > 0 ? Math.min(1, at / total) : 0;
    const perSecond = ((at - firstBytes) * 1000) / Math.max(1, performance.now() - startedAt);
    const left = perSecond > 0 ? `${Math.ceil((total - at) / perSecond)} s left` : '';
    const filled = '#'.repeat(Math.round(share * BAR_CHARS)).padEnd(BAR_CHARS, '.');
    const rate = perSecond > 0 ? `${bytes(perSecond)}/s` : '';
    const line = `${what} ${name} [${filled}] ${Math.floor(share * 100)} % ${rate} ${left}`;
    context.tell(`\r${line.slice(0, 110).padEnd(110)}${what === 'stored' ? '\n' : ''}`);
  };
}

const UPLOADS: readonly Column<ImageUpload>[] = [
  { title: 'ID', of: ({ id }) => id },
  { title: 'STATE', of: ({ state }) => state },
  { title: 'SIZE', of: ({ sizeBytes }) => bytes(sizeBytes) },
  { title: 'THERE', of: ({ receivedBytes }) => bytes(receivedBytes) },
  { title: 'FROM', of: ({ source }) => source },
  { title: 'BEGUN', of: ({ createdAt }) => time(createdAt) },
  { title: 'WHY NOT', of: ({ code, detail }) => (code ? `${detail} [${code}]` : '') },
];

export function addImageUploadCommands(images: Command, context: CliContext): void {
  withCommon(images.command('upload'))
    .description('put a file into the store, and print its SHA-256')
    .argument('<file>', 'a file here, or a URL that the appliance fetches')
    .option('--sha256 <HEX>', 'what the bytes at the URL must be')
    .action(async (word: string, options: CommonOptions & { sha256?: string }) => {
      const api = clientFor<'image'>(context, options);
      const sha256 = await store(context, { word, options, api });
      done(context, options, sha256, { sha256 });
    });
  withCommon(images.command('import'))
    .description('have the appliance fetch a file in the background')
    .argument('<source>', 'a URL, or a file in the folder that is configured for it')
    .option('--sha256 <HEX>', 'what the bytes must be')
    .option('--wait', 'until it is in the store')
    .action(async (from: string, options: CommonOptions & { sha256?: string; wait?: boolean }) => {
      const api = clientFor<'image'>(context, options);
      const begun = await announce(api, { from, ...hashOf(options.sha256) });
      if (!options.wait) return done(context, options, `import ${begun.id} has begun`, begun);
      const body = await follow(context, { id: begun.id, word: from, options, api });
      done(context, options, body.sha256, body);
    });
  withCommon(images.command('uploads'))
    .description('list uploads and imports, newest first')
    .action(async (options: CommonOptions) => {
      const { body } = await clientFor<'image'>(context, options).call('GET /image-uploads');
      show(context, options, { document: body, rows: body.uploads, columns: UPLOADS });
    });
  withCommon(images.command('cancel'))
    .description('cancel an upload or an import')
    .argument('<id>')
    .action(async (id: string, options: CommonOptions) => {
      const api = clientFor<'image'>(context, options);
      await api.call('DELETE /image-uploads/{id}', { path: { id } });
      done(context, options, `${id} is given up`);
    });
  addManifest(images, context);
}

function addManifest(images: Command, context: CliContext): void {
  images
    .command('manifest')
    .description('print the manifest to sign, for local files')
    .argument('<image>', 'NAME@VERSION')
    .option('--disk <FILE>')
    .option('--root <FILE>')
    .option('--kernel <FILE>')
    .option('--initrd <FILE>')
    .option('--template <FILE>')
    .option('--format <NAME>', 'of the template')
    .option('--kernel-arguments <TEXT>', 'of an installer', '')
    .action(
      async (
        text: string,
        options: FileWords & { format?: NonNullable<Image['format']>; kernelArguments: string },
      ) => {
        const ref = parseImageRef(text);
        if (!ref || !('version' in ref))
          throw new AppError('REQUEST_INVALID', { detail: `'${text}' is not NAME@VERSION.` });
        const kind = kindOf(options);
        const { format, kernelArguments } = options;
        const files = [];
        for (const role of KINDS[kind]) {
          const word = options[role] ?? '';
          const sha256 = /^sha256:([0-9a-f]{64})$/.exec(word)?.[1] ?? (await digestOf(word));
          files.push({ role, sha256 });
        }
        const doc = { kernelArguments, ...(format === undefined ? {} : { format }) };
        context.write(manifestOf({ ...ref, kind, doc, files }));
      },
    );
}
