/**
 * Of which kinds of documents a site has told all: with a snapshot, or by themselves, when a site or central has learned of a kind that
 * the other knew before. From there on they come with the events that change them.
 *
 * Batches that an instance of an earlier program has taken hold more than it has kept: then all are wanted again, which is seen by how far
 * the cursor is from where one of this program left it.
 */
import {
  type FromAppliance,
  WELCOME_FIELDS,
  WHOLE_KINDS,
  type WholeKind,
} from '../federation/protocol.ts';
import type { Clock } from '../wire/time.ts';
import type { LineOf } from './fleet.ts';
import { mendJobRows } from './schema-jobs.ts';
import { endSiteJobs, putSiteJobs } from './site-jobs.ts';
import { replaceSitePools } from './site-pools.ts';
import type { FleetDatabase, Sql } from './sql.ts';

type Whole = Extract<FromAppliance, { kind: 'whole' }>;

/** By the header with which it has dialled. */
export const understandsWelcome = (header: unknown): boolean =>
  WELCOME_FIELDS.split(' ').every((field) =>
    String(header ?? '')
      .split(' ')
      .includes(field),
  );

/** For the row of a site that greets: what it has told counts as long as it goes on telling. */
export const toldAtHello = (isUnderstood: boolean): string =>
  isUnderstood ? "CASE WHEN told_to = feed_cursor THEN told ELSE '' END" : "''";

export const lackingOf = ({ told }: { readonly told: string }): WholeKind[] =>
  WHOLE_KINDS.filter((kind) => !told.split(' ').includes(kind));

/** The last page of a snapshot: pools in the form of the version before say too little. */
export const toldBy = ({ pools, jobs }: Pick<Whole, 'pools' | 'jobs'>): string =>
  [
    ...(pools?.every((pool) => 'doc' in pool || 'gone' in pool) ? ['pools'] : []),
    ...(jobs ? ['jobs'] : []),
  ].join(' ');

/** @returns false when a newer line of the site has greeted, and nothing has changed */
export function applyWhole(
  db: FleetDatabase,
  { site, line }: LineOf,
  { page, clock }: { readonly page: Whole; readonly clock: Clock },
): Promise<boolean> {
  return db.transaction(async (sql) => {
    const { whole: snapshot, jobs = [], pools = [], done } = page;
    // The site's row first, as a batch does: two lines of one site take turns.
    const now = clock();
    const isOurs = await sql.run('UPDATE sites SET heard_at = ? WHERE name = ? AND line = ?', [
      ...[now, site, line],
    ]);
    if (isOurs === 0) return false;
    await mendJobRows(sql, site);
    await putSiteJobs(sql, { site, jobs, snapshot, now });
    if (!done) return true;
    if (done.includes('jobs')) {
      const [row] = await sql.all<{ feed_cursor: number | null }>(
        'SELECT feed_cursor FROM sites WHERE name = ?',
        [site],
      );
      await endSiteJobs(sql, { site, snapshot, now, cursor: row?.feed_cursor ?? 0 });
    }
    if (done.includes('pools')) await replaceSitePools(sql, site, pools);
    await note(sql, site, done);
    return true;
  });
}

async function note(sql: Sql, site: string, kinds: readonly WholeKind[]): Promise<void> {
  const [row] = await sql.all<{ told: string }>('SELECT told FROM sites WHERE name = ?', [site]);
  const told = [...new Set([...(row?.told ?? '').split(' ').filter(Boolean), ...kinds])].join(' ');
  await sql.run('UPDATE sites SET told = ?, told_to = coalesce(feed_cursor, -1) WHERE name = ?', [
    ...[told, site],
  ]);
}
