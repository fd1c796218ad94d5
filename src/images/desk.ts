/**
 * What people do with images, in one object: the store of files, versions made of them once their signature and template
 * have been looked at, channels. The API hands requests in; who may ask is decided there.
 */
import { AppError } from '../errors.ts';
import type { ImageCause, Images, ImageVersion, NewImage } from '../inventory/images.ts';
import { limit } from '../limits.ts';
import { readKept } from '../platform/boot-files.ts';
import type { Admission } from './admission.ts';
import { manifestOf, signerOf, type TrustedKey } from './signature.ts';
import type { ImageStore } from './store.ts';
import { checkArguments, parseImageTemplate } from './template.ts';

export interface ImageDeskParts {
  readonly images: Images;
  readonly store: ImageStore;
  /** Who is being sent an image, and who waits. */
  readonly admission: Admission;
  readonly keys: readonly TrustedKey[];
  readonly requireSignature: boolean;
}

export interface ImageDesk extends Omit<ImageDeskParts, 'keys'> {
  readonly keyNames: readonly string[];
  /**
   * Inside a transaction. `signature` is '' for none.
   * @throws AppError IMAGE_SIGNATURE, TEMPLATE_INVALID, and those of Images.add
   */
  add(image: Omit<NewImage, 'signedBy'>, signature: string, cause: ImageCause): ImageVersion;
}

export function openImageDesk({
  images,
  store,
  admission,
  keys,
  requireSignature,
}: ImageDeskParts): ImageDesk {
  return {
    images,
    store,
    admission,
    requireSignature,
    keyNames: keys.map(({ name }) => name),
    add(image, signature, cause) {
      const signedBy = signature === '' ? '' : signerOf(manifestOf(image), signature, keys);
      if (signedBy === undefined)
        throw new AppError('IMAGE_SIGNATURE', {
          detail: 'None of the configured keys made this signature.',
          path: '/signature',
        });
      if (signedBy === '' && requireSignature)
        throw new AppError('IMAGE_SIGNATURE', {
          detail: 'Here every version needs one.',
          path: '/signature',
        });
      const added = images.add({ ...image, signedBy }, cause);
      checkTemplate(added, store);
      return added;
    },
  };
}

/** @throws AppError TEMPLATE_INVALID */
function checkTemplate({ kind, doc, files }: ImageVersion, store: ImageStore): void {
  if (kind !== 'installer') return;
  const invalid = (detail: string) =>
    new AppError('TEMPLATE_INVALID', { detail, path: '/files/template' });
  if (doc.format === undefined)
    throw new AppError('REQUEST_INVALID', {
      detail: 'An installer says what its template is written in.',
      path: '/format',
    });
  try {
    checkArguments(doc.kernelArguments);
  } catch (error) {
    const detail = (error as Error).message;
    throw new AppError('TEMPLATE_INVALID', { detail, path: '/kernelArguments' });
  }
  const file = files.find(({ role }) => role === 'template');
  if (!file) return;
  if (file.size > limit('imageTemplateBytesMax')) throw invalid('It is too long.');
  if (file.compression !== 'none') throw invalid('It is compressed.');
  try {
    parseImageTemplate(doc.format, readKept(store.open(file.sha256)));
  } catch (error) {
    throw invalid((error as Error).message);
  }
}
