/** A cursor over the feeds of all sites, when one of them begins anew: nobody is told less without being told so. */
import { describe, expect, it } from 'vitest';
import { newestPage, openFleetFeed } from '../../../src/central/feed.ts';
import { openFleet } from '../../../src/central/fleet.ts';
import { markOf } from '../../../src/federation/protocol.ts';
import type { Clock, Millis } from '../../../src/wire/time.ts';
import { fleetDatabase, quietUpkeep } from '../../support/fleet-database.ts';

const clock: Clock = () => 1_000_000 as Millis;

const event = (id: number) => ({ id, at: id, name: 'machine.state', data: {} });
const wish = (after: string, site?: string) => ({ after, site, names: [] });

async function openSites(...names: string[]) {
  const sql = await fleetDatabase();
  const fleet = openFleet(sql, clock, quietUpkeep);
  for (const name of names) {
    await sql.run('INSERT INTO sites (name, joined_at) VALUES (?, 0)', [name]);
    await fleet.greet(
      {
        ...{ kind: 'hello', protocol: 1, site: name, appliance: name, program: '' },
        ...{ clock: 0, floor: 0, last: 0 },
      },
      name,
    );
  }
  const of = (site: string) => ({ site, line: site });
  return {
    sql,
    feed: openFleetFeed(sql),
    /** Everything anew, up to here. */
    begins: (site: string, snapshot: string, cursor: number) =>
      fleet.applySnapshot(of(site), {
        ...{ kind: 'snapshot', snapshot, machines: [], done: { cursor } },
      }),
    tells: (site: string, from: number, to: number, epoch = 'e1') =>
      fleet.applyBatch(of(site), {
        ...{ kind: 'batch', from, to, mark: markOf(epoch, event(to)), machines: [] },
        events: Array.from({ length: to - from }, (_, n) => event(from + n + 1)),
      }),
  };
}

describe('a cursor of a site that told everything anew', () => {
  it('is refused, though its numbers have been reached again, and told from where to go on', async () => {
    const { feed, begins, tells } = await openSites('lon', 'sto');
    await begins('lon', 'one', 0);
    await begins('sto', 'two', 0);
    await tells('lon', 0, 9);
    await tells('sto', 0, 2);
    const { cursor } = await feed.page(wish('0'), 100);
    // lon's database is put back from a copy, and has other events from 5 on.
    await begins('lon', 'three', 4);
    await tells('lon', 4, 12);
    await tells('sto', 2, 3);
    const refused = await feed.page(wish(cursor), 100).catch((error) => error);
    expect(refused).toMatchObject({ code: 'FEED_RESTARTED' });
    expect((await feed.page(wish(cursor, 'sto'), 100)).events).toMatchObject([{ id: 3 }]);
    await tells('lon', 12, 13);
    const { events } = await feed.page(wish(refused.more.oldest), 100);
    expect(events.map(({ site, id }) => `${site} ${id}`)).toEqual(['sto 3', 'lon 13']);
  });

  it('goes on when nothing was told anew: after a change of places', async () => {
    const { feed, begins, tells } = await openSites('lon');
    await begins('lon', 'one', 0);
    await tells('lon', 0, 9);
    const { cursor } = await feed.page(wish('0'), 100);
    await tells('lon', 9, 10, 'e2');
    expect((await feed.page(wish(cursor), 100)).events).toMatchObject([{ id: 10 }]);
  });

  it('may be without the word of when it was, as an earlier program gave it', async () => {
    const { feed, begins, tells } = await openSites('lon');
    await begins('lon', 'one', 0);
    await tells('lon', 0, 3);
    expect((await feed.page(wish('lon.2'), 100)).events).toMatchObject([{ id: 3 }]);
  });
});

describe('the end of the feeds', () => {
  it('is behind everything that has come, also while a site is to tell all anew', async () => {
    const { sql, feed, begins, tells } = await openSites('lon');
    await begins('lon', 'one', 0);
    await tells('lon', 0, 9);
    await sql.run('UPDATE sites SET feed_cursor = NULL');
    expect((await feed.page(wish(await feed.end()), 100)).events).toEqual([]);
  });

  it('is not behind what comes while the newest are read', async () => {
    const { feed, begins, tells } = await openSites('lon');
    await begins('lon', 'one', 0);
    await tells('lon', 0, 9);
    const { events, cursor } = await newestPage(feed, async () => {
      const read = (await feed.page(wish('0'), 100)).events;
      await tells('lon', 9, 10);
      return read;
    });
    expect(events).toHaveLength(9);
    expect((await feed.page(wish(cursor), 100)).events).toMatchObject([{ id: 10 }]);
  });
});
