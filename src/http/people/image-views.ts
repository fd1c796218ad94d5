/** Images as the API shows them: versions, channels and what is being received. */
import { z } from 'zod';
import type { Stream } from '../../images/admission.ts';
import type { ImageDesk } from '../../images/desk.ts';
import type { UploadProgress } from '../../images/ports.ts';
import { UPLOAD_STATES } from '../../inventory/image-blobs.ts';
import {
  COMPRESSIONS,
  FILE_ROLES,
  IMAGE_KINDS,
  type ImageVersion,
  TEMPLATE_FORMATS,
} from '../../inventory/images.ts';
import { IMAGE_CHANNEL, IMAGE_NAME, IMAGE_VERSION } from '../../wire/image-ref.ts';

const time = z.number().int().describe('Milliseconds since 1970, UTC');
export const sha256Text = z.string().regex(/^[0-9a-f]{64}$/, 'SHA-256 as 64 lower-case hex digits');
export const imageName = z.string().regex(IMAGE_NAME, 'a-z 0-9, and . _ - inside');
export const channelName = z.string().regex(IMAGE_CHANNEL, 'a-z first, then a-z 0-9 -');
export const versionName = z.string().regex(IMAGE_VERSION, 'letters, digits, and . _ + ~ -');

const fileView = z.object({
  role: z.enum(FILE_ROLES),
  sha256: z.string().describe('Of the bytes as they are kept and served'),
  sizeBytes: z.number().int(),
  compression: z.enum(COMPRESSIONS),
  contentSha256: z.string().describe('Of what comes out of the decompressor'),
  contentBytes: z.number().int(),
});

export const imageView = z
  .object({
    name: z.string(),
    version: z.string(),
    kind: z.enum(IMAGE_KINDS),
    description: z.string(),
    format: z.enum(TEMPLATE_FORMATS).nullable(),
    kernelArguments: z.string(),
    files: z.array(fileView),
    channels: z.array(z.string()),
    signedBy: z.string().describe('The key that signed it; empty without a signature'),
    damaged: z.string().describe('Why nothing can be installed from it; empty when it is sound'),
    createdAt: time,
    createdBy: z.string(),
  })
  .meta({ id: 'Image' });

export function showImage(image: ImageVersion): z.output<typeof imageView> {
  const { name, version, kind, doc, signedBy, damaged, createdAt, createdBy } = image;
  return {
    ...{ name, version, kind, signedBy, damaged, createdAt, createdBy },
    description: doc.description,
    format: doc.format ?? null,
    kernelArguments: doc.kernelArguments,
    channels: [...image.channels],
    files: image.files.map(({ size, contentSize, ...file }) => ({
      ...{ ...file, sizeBytes: size, contentBytes: contentSize },
    })),
  };
}

export const moveView = z.object({
  at: time,
  from: z.string().describe('Empty for a new channel'),
  to: z.string().describe('Empty when it was removed'),
  who: z.string(),
  why: z.string(),
});

export const channelView = z
  .object({ name: z.string(), channel: z.string(), version: z.string(), movedAt: time })
  .meta({ id: 'ImageChannel' });

export const uploadView = z
  .object({
    id: z.string(),
    source: z.string().describe('Empty when it is sent to us; else where it is imported from'),
    state: z.enum(UPLOAD_STATES),
    sha256: z.string().describe('What it must be, and in the end what it is'),
    sizeBytes: z.number().int().describe('0 while it is not known'),
    offsetBytes: z.number().int().describe('On disk: where to go on'),
    receivedBytes: z.number().int(),
    checkedBytes: z.number().int(),
    code: z.string(),
    detail: z.string(),
    who: z.string(),
    createdAt: time,
    updatedAt: time,
  })
  .meta({ id: 'ImageUpload' });

export function showUpload(upload: UploadProgress): z.output<typeof uploadView> {
  return { ...upload };
}

export const storeView = z
  .object({
    files: z.number().int(),
    sizeBytes: z.number().int(),
    unusedFiles: z.number().int(),
    unusedBytes: z.number().int(),
    damagedFiles: z.number().int(),
    freeBytes: z.number().int(),
    keys: z.array(z.string()).describe('Names of the keys that signatures are checked with'),
    requireSignature: z.boolean(),
  })
  .meta({ id: 'ImageStore' });

export function showStore(
  { store, keyNames, requireSignature }: ImageDesk,
  blobs: readonly { sizeBytes: number; unusedSince: number; damaged: string }[],
): z.output<typeof storeView> {
  const sum = (list: typeof blobs) => list.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
  const unused = blobs.filter(({ unusedSince }) => unusedSince > 0);
  return {
    files: blobs.length,
    sizeBytes: sum(blobs),
    unusedFiles: unused.length,
    unusedBytes: sum(unused),
    damagedFiles: blobs.filter(({ damaged }) => damaged !== '').length,
    freeBytes: store.freeBytes(),
    keys: [...keyNames],
    requireSignature,
  };
}

export const streamView = z
  .object({
    job: z.string(),
    hardwarename: z.string(),
    squad: z.string(),
    uplink: z.string().describe('The address of the appliance in that provisioning network'),
    state: z.enum(['sending', 'kept', 'waiting']).describe('kept: its connection broke just now'),
    position: z.number().int().describe('In the queue; 0 when it is being sent'),
    leftBytes: z.number().int().describe('When it last asked'),
    bytesPerSecond: z.number().int().describe('What it may take; 0 for no bound'),
    endsAt: z
      .number()
      .int()
      .nullable()
      .describe(
        'When it will have everything, about: by its own word, else by what the uplink carries and who is before it; null when that is not known',
      ),
  })
  .meta({ id: 'ImageStream' });

/** @param own when the machine says that it will have everything */
export function showStream(
  { key, endsInMs, ...stream }: Stream,
  { now, own }: { now: number; own: number | undefined },
): z.output<typeof streamView> {
  const expected = endsInMs === undefined ? null : now + endsInMs;
  const endsAt = stream.state === 'sending' && own !== undefined ? own : expected;
  return { job: key, ...stream, endsAt };
}
