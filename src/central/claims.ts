/**
 * A machine is at one site. One that another site has already is a claim: it is kept as the site tells it, shown beside the other and
 * noticed, but it counts for nothing: not as free, not as a squad's, and nobody is given it. When the site that has it gives it
 * up, because it was retired or is gone there, the claim holds.
 *
 * Who was first has it, by when central heard of it. Two that come in one instant may both count until either changes.
 */
import type { Sql, SqlRow, SqlValue } from './sql.ts';

interface Names {
  readonly site: string;
  readonly names: readonly string[];
}

/** A machine as one site tells it. */
export interface Told extends SqlRow {
  hardwarename: string;
  site: string;
  claimed: number;
  retired: number;
}

const list = (names: readonly string[]): string => `(${names.map(() => '?').join(', ')})`;

/**
 * Beside names of machines, in place of `site = ?`: by the name alone is each found. PostgreSQL takes a site that was counted when few of its
 * machines were there for one of hardly any, and reads all of it for each batch.
 */
export const OF_SITE = "site || '' = ?";

/** Of a row of `machines`: 1 where another site tells of it, too. Asked for by name alone, as above. */
export const IS_SHARED = `CASE WHEN EXISTS (SELECT 1 FROM machines other
  WHERE other.hardwarename = machines.hardwarename AND other.site <> machines.site) THEN 1 ELSE 0 END`;

/** These machines as all sites tell them, by name and site: asked for by name alone, as above. */
export const toldOf = (sql: Sql, names: readonly string[]): Promise<Told[]> =>
  sql.all<Told>(
    `SELECT hardwarename, site, claimed, CASE WHEN state = 'retired' THEN 1 ELSE 0 END AS retired
     FROM machines WHERE hardwarename IN ${list(names)} ORDER BY hardwarename, site`,
    names,
  );

interface Claim {
  readonly hardwarename: string;
  readonly holder: string;
}

/**
 * Of machines that a site has just told of: those that another site has are claims, and those that were retired are given up.
 *
 * @param rows as all sites tell them, read behind the statement that put this site's: who has held one of them until then is seen
 * @returns those that are a claim since now, with who has them
 */
export async function judgeClaims(
  sql: Sql,
  site: string,
  rows: readonly Told[],
): Promise<readonly Claim[]> {
  const claims = await holdClaimed(sql, site, rows);
  const names = claims.map(({ hardwarename }) => hardwarename);
  if (names.length > 0)
    await sql.run(
      `UPDATE machines SET claimed = 1 WHERE ${OF_SITE} AND hardwarename IN ${list(names)}`,
      [site, ...names],
    );
  const own = rows.filter((row) => row.site === site && row.retired === 1);
  const others = rows.filter((row) => row.site !== site);
  const retired = own.map(({ hardwarename }) => hardwarename);
  await pass(sql, site, claimedOf(others, retired));
  // It was retired when the last one gave it up.
  await pass(sql, '', claimsOfNobody(site, rows));
  return claims;
}

/** Those that this site claims though nobody has them. */
function claimsOfNobody(site: string, rows: readonly Told[]): string[] {
  const held = new Set(
    rows
      .filter(({ claimed, retired }) => claimed === 0 && retired === 0)
      .map(({ hardwarename }) => hardwarename),
  );
  return rows
    .filter((row) => row.site === site && row.claimed === 1 && row.retired === 0)
    .map(({ hardwarename }) => hardwarename)
    .filter((name) => !held.has(name));
}

/**
 * Which of them another site has, whose row stays as it is until this transaction ends: who gives the machine up in this moment finds the claim
 * afterwards, or was first and is waited for. Else the claim would be of a machine that nobody has, and stay one.
 */
async function holdClaimed(
  sql: Sql,
  site: string,
  told: readonly Told[],
): Promise<readonly Claim[]> {
  for (let rows = told; ; ) {
    const claims = claimsOf(site, rows);
    if (claims.length === 0) return [];
    const names = claims.map(({ hardwarename }) => hardwarename);
    const held = await sql.all<{ hardwarename: string }>(
      `UPDATE machines SET claimed = 0 WHERE claimed = 0 AND state <> 'retired' AND site <> ?
       AND hardwarename IN ${list(names)} RETURNING hardwarename`,
      [site, ...names],
    );
    const isHeld = new Set(held.map(({ hardwarename }) => hardwarename));
    if (names.every((name) => isHeld.has(name))) return claims;
    // Given up meanwhile: a third one has it by now, or this site.
    rows = await toldOf(sql, names);
  }
}

function claimsOf(site: string, rows: readonly Told[]): Claim[] {
  const holders = new Map(
    rows
      .filter((row) => row.site !== site && row.claimed === 0 && row.retired === 0)
      .map((row) => [row.hardwarename, row.site]),
  );
  return rows.flatMap(({ hardwarename, claimed, site: teller }) => {
    const holder = holders.get(hardwarename);
    const isNew = teller === site && claimed === 0;
    return isNew && holder !== undefined ? [{ hardwarename, holder }] : [];
  });
}

/**
 * These machines are this site's no more: where no other has it, the first by name of those that claim it and have not
 * retired it does. Asked for when the site's rows have
 * gone: a claim that was judged by one of them is seen by then.
 */
export async function releaseClaims(sql: Sql, { site, names }: Names): Promise<void> {
  const rows = await toldOf(sql, names);
  const others = rows.filter((row) => row.site !== site);
  await pass(sql, site, claimedOf(others, names));
}

/** Hardly ever any. */
const claimedOf = (others: readonly Told[], names: readonly string[]): string[] =>
  names.filter((name) =>
    others.some(({ hardwarename, claimed }) => claimed === 1 && hardwarename === name),
  );

const pass = async (sql: Sql, site: string, names: readonly string[]): Promise<void> => {
  // PostgreSQL may look through all machines for who has them.
  if (names.length > 0) await release(sql, site, list(names), names);
};

/**
 * As `releaseClaims`, of all that is claimed from nobody: of a site that is no more, and what several that gave up or claimed one machine in the
 * same instant have left. Of claims there are hardly any.
 */
export const releaseUnheld = (sql: Sql, gone = ''): Promise<number> =>
  release(sql, gone, '(SELECT hardwarename FROM machines WHERE claimed = 1)', []);

const release = (sql: Sql, site: string, which: string, values: readonly SqlValue[]) =>
  sql.run(
    `UPDATE machines SET claimed = 0 WHERE claimed = 1 AND site <> ? AND hardwarename IN ${which}
     AND site = (SELECT other.site FROM machines other
       WHERE other.hardwarename = machines.hardwarename AND other.claimed = 1 AND other.site <> ?
       ORDER BY CASE WHEN other.state = 'retired' THEN 1 ELSE 0 END, other.site LIMIT 1)
     AND NOT EXISTS (SELECT 1 FROM machines holder WHERE holder.hardwarename = machines.hardwarename
       AND holder.claimed = 0 AND holder.state <> 'retired' AND holder.site <> ?)`,
    [site, ...values, site, site],
  );
