/** The image store put together: its folder, its sources, the thread that checks files, and what runs from time to time. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { AppError } from '../errors.ts';
import type { ImageService } from '../http/machine/holder.ts';
import { createAdmission } from '../images/admission.ts';
import { type ImageDesk, openImageDesk } from '../images/desk.ts';
import { parseKey, type TrustedKey } from '../images/signature.ts';
import { openImageStore } from '../images/store.ts';
import { limit } from '../limits.ts';
import { checkImageFile } from '../platform/image-check.ts';
import { openImageFolder } from '../platform/image-folder.ts';
import { openSources } from '../platform/image-source.ts';
import { pace } from '../platform/pacing.ts';
import { federationFolderOf, imageFolderOf, type Parts } from './core.ts';
import { withFleetSource } from './fleet-images.ts';

const HOUR_MS = 3_600_000;

/** @throws AppError CONFIG_INVALID for a key that is none */
export function startImages(parts: Parts): { desk: ImageDesk; service: ImageService } {
  const { config, inventory, clock, log, closers } = parts;
  const { importFolder, keepUnusedHours, keys, requireSignature } = config.images;
  const { streamsMax, uplinkMbps } = config.images;
  const trusted = keys.map(readKey);
  const store = openImageStore({
    inventory,
    clock,
    folder: openImageFolder(imageFolderOf(config)),
    sources: withFleetSource(
      openSources({ folder: importFolder, idleMs: limit('imageImportIdleMs') }),
      {
        folder: federationFolderOf(config),
        bytesPerSecond: (config.federation.imagesMbps * 1_000_000) / 8,
      },
    ),
    keepUnusedMs: keepUnusedHours * HOUR_MS,
    check: checkImageFile,
    newId: randomUUID,
    pause: (ms, signal) => pause(ms, undefined, { signal }),
    onError: (err, upload) => log.error({ err, upload }, 'an upload has failed'),
  });
  store.start();
  closers.push(() => store.stop());
  const collecting = setInterval(() => {
    try {
      const gone = store.collect();
      if (gone.files + gone.orphans > 0) log.info(gone, 'files of images were removed');
    } catch (err) {
      log.error({ err }, 'files of images could not be removed');
    }
  }, HOUR_MS);
  closers.push(() => clearInterval(collecting));
  const admission = createAdmission({
    streamsMax,
    bytesPerSecond: (uplinkMbps * 1_000_000) / 8,
    keepMs: limit('imagePlaceKeptMs'),
    goneMs: limit('imageQueueGoneMs'),
    soonMs: limit('imageQueueSoonMs'),
    laterMs: limit('imageQueueLaterMs'),
  });
  const { images } = inventory;
  return {
    desk: openImageDesk({ images, store, admission, keys: trusted, requireSignature }),
    service: { open: store.open.bind(store), admission, pace },
  };
}

function readKey(file: string): TrustedKey {
  try {
    return parseKey(basename(file), readFileSync(file, 'utf8'));
  } catch (cause) {
    const detail = `\n  images.keys: ${file}: ${(cause as Error).message}`;
    throw new AppError('CONFIG_INVALID', { detail, cause });
  }
}
