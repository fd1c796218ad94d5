/** `reveille images ...`: put images into the store, point channels to them, see what is there, clean up. */
import type { Command } from 'commander';
import type { ApiClient, CallsBelow } from '../../client/client.ts';
import type { Image } from '../../client/operations.generated.ts';
import { AppError } from '../../errors.ts';
import { parseImageRef } from '../../wire/image-ref.ts';
import { type CliContext, type CommonOptions, clientFor, withCommon } from './connection.ts';
import { readText } from './files.ts';
import { type OfSite, tellAge, withTold } from './fleet.ts';
import { addImageUploadCommands, type FileWords, storeFiles } from './image-files.ts';
import { bytes, type Column, done, show, showRecord, time } from './output.ts';

export type ImageCalls = CallsBelow<'image'>;

const COLUMNS: readonly Column<Image>[] = [
  { title: 'IMAGE', of: ({ name }) => name },
  { title: 'VERSION', of: ({ version }) => version },
  { title: 'KIND', of: ({ kind }) => kind },
  { title: 'CHANNELS', of: ({ channels }) => channels.join(' ') },
  { title: 'SIZE', of: ({ files }) => bytes(files.reduce((sum, file) => sum + file.sizeBytes, 0)) },
  { title: 'SIGNED BY', of: ({ signedBy }) => signedBy },
  { title: 'MADE', of: ({ createdAt }) => time(createdAt) },
  { title: 'FAULT', of: ({ damaged }) => damaged },
];

export function addImageCommands(program: Command, context: CliContext): void {
  const images = program.command('images').description('operating systems to install');
  addReads(images, context);
  addAdd(images, context);
  addChannels(images, context);
  addImageUploadCommands(images, context);
  addStore(images, context);
}

const api = (context: CliContext, options: CommonOptions): ApiClient<ImageCalls> =>
  clientFor<'image'>(context, options);

/** Which were told of it: at central alone. */
const sitesIn = (body: object): readonly OfSite[] =>
  (body as { sites?: readonly OfSite[] }).sites ?? [];

function addReads(images: Command, context: CliContext): void {
  withCommon(images.command('list'))
    .description('list versions, newest first')
    .argument('[name]', 'of one image')
    .action(async (name: string | undefined, options: CommonOptions) => {
      const { body } = await api(context, options).call('GET /images', { query: { name } });
      const rows = body.images;
      show(context, options, { document: body, rows, columns: withTold(COLUMNS, rows) });
      tellAge(context, options, rows.flatMap(sitesIn));
    });
  withCommon(images.command('show'))
    .description('show a version, or where a channel points and has pointed')
    .argument('<image>', 'NAME@VERSION or NAME/CHANNEL')
    .action(async (text: string, options: CommonOptions) => {
      const ref = refOf(text);
      if ('version' in ref) {
        const call = { path: { name: ref.name, version: ref.version } };
        const { body } = await api(context, options).call(
          'GET /images/{name}/versions/{version}',
          call,
        );
        showRecord(context, options, body);
        return tellAge(context, options, sitesIn(body));
      }
      const { body } = await api(context, options).call('GET /images/{name}/channels/{channel}', {
        path: ref,
      });
      if (!options.json) context.write(`${text} is ${body.channel?.version ?? 'no more'}\n\n`);
      show(context, options, {
        document: body,
        rows: body.moves,
        columns: [
          { title: 'AT', of: ({ at }) => time(at) },
          { title: 'FROM', of: ({ from }) => from },
          { title: 'TO', of: ({ to }) => to },
          { title: 'WHO', of: ({ who }) => who },
          { title: 'WHY', of: ({ why }) => why },
        ],
      });
      tellAge(context, options, sitesIn(body));
    });
}

interface AddOptions extends CommonOptions, FileWords {
  readonly description?: string;
  readonly format?: NonNullable<Image['format']>;
  readonly kernelArguments?: string;
  readonly signature?: string;
  readonly channel?: string;
  readonly why?: string;
}

function addAdd(images: Command, context: CliContext): void {
  withCommon(images.command('add'))
    .description('put files into the store and make a version of them')
    .argument('<image>', 'NAME@VERSION')
    .option('--disk <FILE>', 'a raw disk, as it is or compressed by zstd or gzip')
    .option('--root <FILE>', 'a tarball of the root file system')
    .option('--kernel <FILE>', 'of an installer, with --initrd and --template')
    .option('--initrd <FILE>', 'of an installer')
    .option('--template <FILE>', 'of an installer: what it is told')
    .option('--format <NAME>', 'of the template: preseed, kickstart, autoinstall or ignition')
    .option('--kernel-arguments <TEXT>', 'of an installer; {{ url }} is where its template is')
    .option('--description <TEXT>', 'one line', '')
    .option('--signature <FILE>', 'of `images manifest`, by minisign or as base64 by openssl')
    .option('--channel <NAME>', 'point this channel to it, e.g. stable')
    .option('--why <TEXT>', 'stands in the history')
    .addHelpText('after', '\nFILE is a file here, a URL, or sha256:HEX for what the store has.')
    .action(async (text: string, options: AddOptions) => {
      const { name, version } = versionOf(text);
      const { kind, files } = await storeFiles(context, options, api(context, options));
      const { format, channel, why, description = '', kernelArguments = '' } = options;
      const signature = options.signature ? readText(options.signature) : '';
      const { body } = await api(context, options).call('POST /images', {
        body: {
          ...{ name, version, kind, files, description, kernelArguments, signature },
          ...(format === undefined ? {} : { format }),
          ...(channel === undefined ? {} : { channel }),
          ...(why === undefined ? {} : { why }),
        },
      });
      const at = channel === undefined ? '' : `, and ${name}/${channel} points to it`;
      done(context, options, `${name}@${version} is there${at}`, body);
    });
  withCommon(images.command('remove'))
    .description('remove a version that nothing needs')
    .argument('<image>', 'NAME@VERSION')
    .option('--why <TEXT>', 'stands in the history')
    .action(async (text: string, { why, ...options }: CommonOptions & { why?: string }) => {
      await api(context, options).call('DELETE /images/{name}/versions/{version}', {
        path: versionOf(text),
        query: { why },
      });
      done(context, options, `${text} is removed`);
    });
}

function addChannels(images: Command, context: CliContext): void {
  withCommon(images.command('point'))
    .description('point a channel to a version')
    .argument('<channel>', 'NAME/CHANNEL')
    .argument('<version>')
    .option('--why <TEXT>', 'stands in the history')
    .action(async (text: string, version: string, options: CommonOptions & { why?: string }) => {
      const { body } = await api(context, options).call('PUT /images/{name}/channels/{channel}', {
        path: channelOf(text),
        body: { version, ...(options.why === undefined ? {} : { why: options.why }) },
      });
      done(context, options, `${text} is ${body.version}`, body);
    });
  withCommon(images.command('rollback'))
    .description('point a channel to where it pointed before its last move')
    .argument('<channel>', 'NAME/CHANNEL')
    .option('--why <TEXT>', 'stands in the history')
    .action(async (text: string, options: CommonOptions & { why?: string }) => {
      const { body } = await api(context, options).call(
        'POST /images/{name}/channels/{channel}/rollback',
        {
          path: channelOf(text),
          body: options.why === undefined ? {} : { why: options.why },
        },
      );
      done(context, options, `${text} is ${body.version}`, body);
    });
  withCommon(images.command('unpoint'))
    .description('remove a channel that nothing uses; its history stays')
    .argument('<channel>', 'NAME/CHANNEL')
    .option('--why <TEXT>', 'stands in the history')
    .action(async (text: string, { why, ...options }: CommonOptions & { why?: string }) => {
      await api(context, options).call('DELETE /images/{name}/channels/{channel}', {
        path: channelOf(text),
        query: { why },
      });
      done(context, options, `${text} is removed`);
    });
}

function addStore(images: Command, context: CliContext): void {
  withCommon(images.command('store'))
    .description('show what the store holds and what is free')
    .action(async (options: CommonOptions) => {
      const { body } = await api(context, options).call('GET /image-store');
      showRecord(context, options, body);
    });
  withCommon(images.command('streams'))
    .description('list machines that are being sent an image, and those that wait')
    .action(async (options: CommonOptions) => {
      const { body } = await api(context, options).call('GET /image-streams');
      show(context, options, {
        document: body,
        rows: body.streams,
        columns: [
          { title: 'MACHINE', of: ({ hardwarename }) => hardwarename },
          { title: 'SQUAD', of: ({ squad }) => squad },
          { title: 'UPLINK', of: ({ uplink }) => uplink },
          { title: 'STATE', of: ({ state }) => state },
          { title: 'PLACE', of: ({ position }) => (position > 0 ? String(position) : '') },
          { title: 'LEFT', of: ({ leftBytes }) => bytes(leftBytes) },
          {
            title: 'MAY',
            of: ({ bytesPerSecond }) => bytes(bytesPerSecond) && `${bytes(bytesPerSecond)}/s`,
          },
          { title: 'ENDS ABOUT', of: ({ endsAt }) => (endsAt === null ? '' : time(endsAt)) },
        ],
      });
    });
  withCommon(images.command('collect'))
    .description('remove files that belong to no version')
    .action(async (options: CommonOptions) => {
      const { body } = await api(context, options).call('POST /image-store/collect', { body: {} });
      const freed = bytes(body.sizeBytes) || 'nothing';
      done(context, options, `${body.files} files removed, ${freed} freed`, body);
    });
}

function refOf(text: string) {
  const ref = parseImageRef(text);
  if (ref) return ref;
  const detail = `'${text}' is neither NAME@VERSION nor NAME/CHANNEL.`;
  throw new AppError('REQUEST_INVALID', { detail });
}

function versionOf(text: string): { name: string; version: string } {
  const ref = refOf(text);
  if ('version' in ref) return ref;
  throw new AppError('REQUEST_INVALID', { detail: `'${text}' is not NAME@VERSION.` });
}

function channelOf(text: string): { name: string; channel: string } {
  const ref = refOf(text);
  if ('channel' in ref) return ref;
  throw new AppError('REQUEST_INVALID', { detail: `'${text}' is not NAME/CHANNEL.` });
}
