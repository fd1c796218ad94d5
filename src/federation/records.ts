/**
 * What the fleet tells each of its sites to keep, as documents by kind, and how this site keeps them: by the same stores, rules
 * and events as what its own people write. Images and channels are not in here, but for their removal: they take a while
 * (deferred.ts).
 */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { ROLES } from '../inventory/access.ts';
import { FILE_ROLES, IMAGE_KINDS, imageDocSchema } from '../inventory/images.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { RECORD_SCHEMAS, recordName } from '../inventory/record-kinds.ts';
import { poolSchema } from '../provisioning/pool.ts';
import type { PoolDesk } from '../provisioning/pool-desk.ts';
import type { Pool } from '../provisioning/pool-store.ts';
import { IMAGE_VERSION, parseImageRef } from '../wire/image-ref.ts';

const role = z.enum(ROLES);

/** One who comes in at every site. */
export const userDocument = z.strictObject({
  role,
  squads: z.record(recordName, role).default({}),
  disabled: z.boolean().default(false),
  /** As inventory/password.ts makes it; absent: what the site has stays. */
  passwordHash: z.string().max(256).optional(),
});

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'SHA-256 as 64 lower-case hex digits');

/** A version of an image, named `NAME@VERSION`; its files are fetched from central by their hashes. */
export const imageDocument = z.strictObject({
  kind: z.enum(IMAGE_KINDS),
  doc: imageDocSchema,
  files: z
    .array(z.strictObject({ role: z.enum(FILE_ROLES), sha256 }))
    .min(1)
    .max(FILE_ROLES.length),
  /** '' for none; the site's own keys judge it. */
  signature: z.string().max(2000),
});
export type ImageDocument = z.output<typeof imageDocument>;

/** Named `NAME/CHANNEL`. */
export const channelDocument = z.strictObject({ version: z.string().regex(IMAGE_VERSION) });

const { squad, naming, type, policy, bmc, role: machineRole } = RECORD_SCHEMAS;
/** Racks and subnets are a site's own. */
const SHARED = { squad, naming, type, policy, bmc, role: machineRole };

const RECORD_DOCUMENTS = {
  ...SHARED,
  user: userDocument,
  image: imageDocument,
  channel: channelDocument,
  pool: poolSchema,
} as const;

export type RecordKindOfFleet = keyof typeof RECORD_DOCUMENTS;

export interface RecordChange {
  readonly record: RecordKindOfFleet;
  readonly name: string;
  /** Of a pool that is removed: whose central has asked for. Absent: an older central's. */
  readonly squad?: string | undefined;
  /** Null: it is removed. */
  readonly doc: Record<string, unknown> | null;
}

export interface RecordKeepers {
  readonly inventory: Pick<Inventory, 'serverdb' | 'images'>;
  readonly pools: PoolDesk;
}

/** Of what else the fleet is to tell, before this site can keep it: a squad, an image. */
export function isLacking(
  { serverdb, images }: Pick<Inventory, 'serverdb' | 'images'>,
  { record, doc }: RecordChange,
): boolean {
  if (record !== 'pool' || doc === null) return false;
  const { squad = '', image = '' } = doc;
  const isSquadThere = squad === '' || serverdb.records.get('squad', String(squad)) !== undefined;
  return !isSquadThere || images.resolve(String(image)) === undefined;
}

/** In the caller's transaction. @throws AppError what the site's own API would say */
export function keepRecord(
  { inventory, pools }: RecordKeepers,
  { record, name, doc, squad }: RecordChange,
  cause: { readonly who: string; readonly why: string },
): Record<string, unknown> {
  if (doc === null) return dropRecord({ inventory, pools }, { record, name, squad }, cause);
  const { records, access } = inventory.serverdb;
  if (record === 'image' || record === 'channel') throw new Error(`${record} takes a while`);
  if (record === 'user') {
    const { passwordHash, ...rest } = parsed(userDocument.safeParse(doc));
    return { version: access.putUser({ ...rest, name, passwordHash }, cause).version };
  }
  if (record === 'pool') {
    const body = parsed(poolSchema.safeParse(doc));
    const there = pools.store.pool(name);
    assertNotOwn(there, body.squad ?? '');
    const isSo = there && isDeepStrictEqual(there.doc, { ...body, site: there.doc.site });
    return { version: isSo ? there.version : pools.put(name, body, cause).version };
  }
  const read = parsed<object>(SHARED[record].safeParse(doc));
  // Told again after each snapshot: what is so already is no change.
  const there = records.get(record, name);
  if (there && isDeepStrictEqual(there.doc, read)) return { version: there.version };
  return { version: records.put(record, { name, doc: read as never }, cause).version };
}

/**
 * Who asked at central acts for the squads that it knew of. A pool of this name that another squad has made here, and of which central has not
 * heard, would be given up with its machines.
 *
 * @param squad undefined when nobody knows: then none that was made or changed here
 * @throws AppError ALREADY_EXISTS
 */
function assertNotOwn(there: Pool | undefined, squad: string | undefined): void {
  if (!there || there.who.startsWith('central:')) return;
  const { squad: own = '' } = there.doc;
  if (own === squad) return;
  const of = own === '' ? 'of no squad' : `of ${own}`;
  throw new AppError('ALREADY_EXISTS', { detail: `This site has a pool ${there.name} ${of}.` });
}

/** What is not there needs no removal. @throws AppError ALREADY_EXISTS for a pool that is not the fleet's */
function dropRecord(
  { inventory: { serverdb, images }, pools }: RecordKeepers,
  { record, name, squad }: Omit<RecordChange, 'doc'>,
  cause: { readonly who: string; readonly why: string },
): Record<string, unknown> {
  if (record === 'pool') assertNotOwn(pools.store.pool(name), squad);
  try {
    if (record === 'pool') pools.remove(name, cause);
    else if (record === 'user') serverdb.access.removeUser(name, cause.who);
    else if (record === 'image' || record === 'channel') {
      const ref = parseImageRef(name);
      if (ref && 'version' in ref) images.remove(ref, cause);
      else if (ref) images.removeChannel(ref, cause);
    } else serverdb.records.remove(record, name, cause);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'NOT_FOUND') throw error;
  }
  return {};
}

interface Parsed<Value> {
  readonly success: boolean;
  readonly data?: Value;
  readonly error?: {
    readonly issues: readonly { readonly path: PropertyKey[]; readonly message: string }[];
  };
}

/** @throws AppError REQUEST_INVALID naming the place */
export function parsed<Value>({ data, error }: Parsed<Value>): Value {
  if (data !== undefined) return data;
  const [issue] = error?.issues ?? [];
  const path = `/${(issue?.path ?? []).map(String).join('/')}`;
  throw new AppError('REQUEST_INVALID', { detail: `${path}: ${issue?.message ?? ''}`, path });
}
