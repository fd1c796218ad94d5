/**
 * What central asks for and takes a while: images, whose files are fetched in the background, channels, which point to them, and pools of a
 * squad or an image that is still to come: a site that is new, or was put back from a copy, is told of all records at once, in no order.
 *
 * Nothing of it is in memory: the intents that are `working` say what is wanted, the image store what is there and what is on its
 * way, also after a restart. Files come one after another, each going on where it broke off and taken only if its hash is the
 * one that was named; what fails is tried again after a while, for central may be away for months. The version is made, and its signature
 * judged by this site's own keys, when the last file is there.
 */
import { AppError } from '../errors.ts';
import type { ImageDesk } from '../images/desk.ts';
import type { Upload } from '../inventory/image-blobs.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { limit } from '../limits.ts';
import type { PoolDesk } from '../provisioning/pool-desk.ts';
import { parseImageRef } from '../wire/image-ref.ts';
import type { IntentResult, Intents, WorkingIntent } from './intents.ts';
import {
  channelDocument,
  type ImageDocument,
  imageDocument,
  isLacking,
  keepRecord,
  parsed,
} from './records.ts';

/** What the image store is told to fetch; platform code knows how. */
const fleetSource = (sha256: string): string => `central:${sha256}`;

export interface DeferredParts {
  readonly intents: Intents;
  readonly inventory: Pick<Inventory, 'blobs' | 'images' | 'transaction' | 'serverdb'>;
  readonly desk: ImageDesk;
  readonly pools: PoolDesk;
  now(): number;
}

type Look = { readonly is: 'waiting' } | { readonly is: 'over'; readonly result: IntentResult };
const WAITING: Look = { is: 'waiting' };

export interface Hearers {
  /** The answer of one that has ended: what comes behind it may fail. */
  tell(result: IntentResult): void;
  /** One could not be looked at, or not be ended, as on a full disk. It is looked at again. */
  failed(error: unknown, intent: WorkingIntent): void;
}

/** Looks at all of them once, each by itself, and begins what can be begun. */
export function lookAtDeferred(parts: DeferredParts, { tell, failed }: Hearers): void {
  const working = parts.intents.working();
  for (const intent of working) {
    const look = LOOKS[intent.body.record as keyof typeof LOOKS] ?? lookAtChannel;
    try {
      const seen = look(parts, intent, working);
      if (seen.is === 'over') tell(seen.result);
    } catch (error) {
      failed(error, intent);
    }
  }
}

const causeOf = ({ who }: WorkingIntent) => ({
  who: `central:${who}`,
  why: 'the fleet has changed it',
});

function lookAtImage(parts: DeferredParts, intent: WorkingIntent): Look {
  const { intents, inventory, desk } = parts;
  const { id, body } = intent;
  const over = (run: () => Record<string, unknown>): Look => ({
    ...{ is: 'over', result: inventory.transaction(() => intents.end(id, run)) },
  });
  const read = imageDocument.safeParse(body.doc);
  const ref = parseImageRef(body.name);
  if (!read.success || !ref || !('version' in ref))
    return over(() => {
      parsed(read);
      throw new AppError('REQUEST_INVALID', { detail: `${body.name} is no NAME@VERSION.` });
    });
  const image = read.data;
  const there = inventory.images.get(ref.name, ref.version);
  if (there && filesOf(there) === filesOf(image)) return over(() => ({ image: body.name }));
  const lacking = image.files.find(({ sha256 }) => inventory.blobs.get(sha256)?.damaged !== '');
  if (lacking) {
    fetch(parts, lacking.sha256, causeOf(intent).who);
    return WAITING;
  }
  return over(() => {
    const { kind, doc, files, signature } = image;
    desk.add({ ...ref, kind, doc, files }, signature, causeOf(intent));
    return { image: body.name };
  });
}

interface Made {
  readonly kind: ImageDocument['kind'];
  readonly files: readonly ImageDocument['files'][number][];
}

const filesOf = ({ kind, files }: Made): string =>
  [kind, ...files.map(({ role, sha256 }) => `${role} ${sha256}`).sort()].join('\n');

/** One at a time: there is nobody who waits for it, and much else on the line. */
function fetch({ inventory, desk, now }: DeferredParts, sha256: string, who: string): void {
  const ours = inventory.blobs.uploads.list().filter(({ source }) => source.startsWith('central:'));
  if (ours.some(({ state }) => state === 'receiving' || state === 'checking')) return;
  const source = fleetSource(sha256);
  const [last] = ours.filter((upload) => upload.source === source).sort(newestFirst);
  if (last?.state === 'failed' && now() < last.updatedAt + limit('fleetImageAgainMs')) return;
  try {
    desk.store.importFrom({ source, sha256, who });
  } catch (error) {
    // A full disk, or too many others: looked at again.
    if (!(error instanceof AppError)) throw error;
  }
}

const newestFirst = (a: Upload, b: Upload): number => b.updatedAt - a.updatedAt;

function lookAtChannel(
  { intents, inventory, now }: DeferredParts,
  intent: WorkingIntent,
  working: readonly WorkingIntent[],
): Look {
  const { id, body, at } = intent;
  const ref = parseImageRef(body.name);
  const read = channelDocument.safeParse(body.doc);
  if (ref && 'channel' in ref && read.success) {
    const { version } = read.data;
    const isThere = inventory.images.get(ref.name, version) !== undefined;
    const isComing = working.some(
      (other) => other.body.record === 'image' && other.body.name === `${ref.name}@${version}`,
    );
    // The image may be told of right behind it.
    if (!isThere && (isComing || now() < at + limit('fleetChannelWaitMs'))) return WAITING;
  }
  const move = () => {
    const { version } = parsed(read);
    if (!ref || !('channel' in ref))
      throw new AppError('REQUEST_INVALID', { detail: `${body.name} is no NAME/CHANNEL.` });
    if (inventory.images.at(ref.name, ref.channel)?.version !== version)
      inventory.images.move({ ...ref, version }, causeOf(intent));
    return { channel: body.name, version };
  };
  return { is: 'over', result: inventory.transaction(() => intents.end(id, move)) };
}

function lookAtPool(
  { intents, inventory, pools, now }: DeferredParts,
  intent: WorkingIntent,
  working: readonly WorkingIntent[],
): Look {
  const { id, body, at } = intent;
  const ref = parseImageRef(String(body.doc?.image ?? ''));
  const isComing = working.some(
    ({ body: { record, name } }) =>
      (record === 'image' || record === 'channel') && parseImageRef(name)?.name === ref?.name,
  );
  const isEarly = isComing || now() < at + limit('fleetChannelWaitMs');
  if (isEarly && isLacking(inventory, body)) return WAITING;
  // What is not there by now is the reason of the refusal.
  const keep = () => keepRecord({ inventory, pools }, body, causeOf(intent));
  return { is: 'over', result: inventory.transaction(() => intents.end(id, keep)) };
}

const LOOKS = { image: lookAtImage, channel: lookAtChannel, pool: lookAtPool };
