/**
 * A machine is at one site. One that another site has already is a claim: it is kept as the site tells it, shown beside the other and
 * noticed, but it counts for nothing: not as free, not as a squad's, and nobody is given it. When the site that has it gives it
 * up, because it was retired or is gone there, the claim holds.
 *
 * Who was first has it, by when central heard of it. Two that come in one instant may both count until either changes.
 */
import type { Sql, SqlValue } from './sql.ts';

interface Names {
  readonly site: string;
  readonly names: readonly string[];
}

const list = (names: readonly string[]): string => `(${names.map(() => '?').join(', ')})`;

/**
 * Of machines that a site has just told of.
 *
 * @returns those that are a claim since now, with who has them
 */
export async function markClaims(
  sql: Sql,
  { site, names }: Names,
): Promise<readonly { readonly hardwarename: string; readonly holder: string }[]> {
  const held = await sql.all<{ hardwarename: string; holder: string }>(
    `SELECT m.hardwarename AS hardwarename, min(o.site) AS holder FROM machines m
     JOIN machines o ON o.hardwarename = m.hardwarename AND o.site <> m.site
     WHERE m.site = ? AND m.claimed = 0 AND o.claimed = 0 AND o.state <> 'retired'
       AND m.hardwarename IN ${list(names)}
     GROUP BY m.hardwarename ORDER BY m.hardwarename`,
    [site, ...names],
  );
  const claimed = held.map(({ hardwarename }) => hardwarename);
  if (claimed.length > 0)
    await sql.run(
      `UPDATE machines SET claimed = 1 WHERE site = ? AND hardwarename IN ${list(claimed)}`,
      [site, ...claimed],
    );
  return held;
}

/** These machines are this site's no more: where no other has it, the first by name of those that claim it does. */
export const releaseClaims = (sql: Sql, { site, names }: Names): Promise<number> =>
  release(sql, site, list(names), names);

/** As `releaseClaims`, of those among them that were retired: hardly ever any, and PostgreSQL may look through all machines for claims. */
export async function releaseRetired(sql: Sql, { site, names }: Names): Promise<void> {
  const retired = await sql.all<{ hardwarename: string }>(
    `SELECT hardwarename FROM machines WHERE site = ? AND state = 'retired' AND hardwarename IN ${list(names)}`,
    [site, ...names],
  );
  if (retired.length > 0)
    await releaseClaims(sql, { site, names: retired.map(({ hardwarename }) => hardwarename) });
}

/** As `releaseClaims`, of all that a whole snapshot of the site did not mention. */
export const releaseUnmentioned = (sql: Sql, site: string, snapshot: string): Promise<number> =>
  release(sql, site, '(SELECT hardwarename FROM machines WHERE site = ? AND snapshot <> ?)', [
    ...[site, snapshot],
  ]);

const release = (sql: Sql, site: string, which: string, values: readonly SqlValue[]) =>
  sql.run(
    `UPDATE machines SET claimed = 0 WHERE claimed = 1 AND site <> ? AND hardwarename IN ${which}
     AND site = (SELECT min(other.site) FROM machines other
       WHERE other.hardwarename = machines.hardwarename AND other.claimed = 1 AND other.site <> ?)
     AND NOT EXISTS (SELECT 1 FROM machines holder WHERE holder.hardwarename = machines.hardwarename
       AND holder.claimed = 0 AND holder.state <> 'retired' AND holder.site <> ?)`,
    [site, ...values, site, site],
  );
