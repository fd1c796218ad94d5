/** Recycling put together: the key that certificates are signed with lies beside the database, and never in a backup. */
import { readOrMakeKey } from '../platform/secret-key.ts';
import { signingKey } from '../recycle/certificate.ts';
import { openRecycleDesk, type RecycleDesk } from '../recycle/desk.ts';
import type { Parts } from './core.ts';

/** @throws AppError SECRET_KEY_INVALID */
export function openRecycling({ config, inventory, clock }: Parts): RecycleDesk {
  const seed = readOrMakeKey(`${config.database.file}.certificate-key`);
  return openRecycleDesk({ inventory, clock, key: signingKey(seed), site: config.site });
}
