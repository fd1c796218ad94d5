/**
 * Which machine is in which pool of a site, from what the site tells: whole in a snapshot, by the events of pools between two of
 * them. Told twice it is as told once.
 */
import type { FeedEvent, MemberDocument } from '../federation/protocol.ts';
import type { Sql } from './sql.ts';

interface Told {
  readonly site: string;
  readonly members: readonly MemberDocument[];
  readonly snapshot: string;
}

export async function putMembers(sql: Sql, { site, members, snapshot }: Told): Promise<void> {
  for (const { machine, pool, joinedAt, unhealthyAt, held, why } of members)
    await sql.run(
      `INSERT INTO fleet_members (site, hardwarename, pool, joined_at, unhealthy_at, held, why, snapshot)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (site, hardwarename) DO UPDATE SET pool = excluded.pool, joined_at = excluded.joined_at,
         unhealthy_at = excluded.unhealthy_at, held = excluded.held, why = excluded.why,
         snapshot = excluded.snapshot`,
      [site, machine, pool, joinedAt, unhealthyAt, Number(held), why, snapshot],
    );
}

/** The last page of a snapshot: what it did not mention is not there. */
export async function endMembers(
  sql: Sql,
  { site, snapshot }: Pick<Told, 'site' | 'snapshot'>,
): Promise<void> {
  await sql.run('DELETE FROM fleet_members WHERE site = ? AND snapshot <> ?', [site, snapshot]);
}

/** What the events of a batch change, in their order. */
export async function putPoolEvents(
  sql: Sql,
  site: string,
  events: readonly FeedEvent[],
): Promise<void> {
  for (const event of events) if (event.name.startsWith('pool.')) await put(sql, site, event);
}

async function put(
  sql: Sql,
  site: string,
  { name, at, hardwarename = '', data }: FeedEvent,
): Promise<void> {
  const pool = String(data.pool ?? '');
  const why = String(data.why ?? '').slice(0, 1000);
  const mark = (set: string, values: readonly (string | number)[]) =>
    sql.run(`UPDATE fleet_members SET ${set} WHERE site = ? AND hardwarename = ?`, [
      ...[...values, site, hardwarename],
    ]);
  switch (name) {
    case 'pool.joined': {
      const member = { machine: hardwarename, pool, joinedAt: at, unhealthyAt: 0 };
      const members = [{ ...member, held: false, why: '' }];
      await putMembers(sql, { site, members, snapshot: '' });
      return;
    }
    case 'pool.left':
      await sql.run('DELETE FROM fleet_members WHERE site = ? AND hardwarename = ?', [
        ...[site, hardwarename],
      ]);
      return;
    case 'pool.unhealthy':
      await mark('unhealthy_at = ?, why = ?', [at, why]);
      return;
    case 'pool.healthy':
      await mark("unhealthy_at = 0, held = 0, why = ''", []);
      return;
    case 'pool.held':
      await mark('held = 1', []);
      return;
    case 'pool.changed':
      if (data.change !== 'removed') return;
      await sql.run('DELETE FROM fleet_members WHERE site = ? AND pool = ?', [site, pool]);
  }
}
