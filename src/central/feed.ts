/**
 * The feeds of all sites as one, for who reads on from where he was: a page of events behind a cursor, as an appliance gives them.
 *
 * Numbers are those of a site, and a site that was away tells of what is long past. So the cursor says how far one is in each site,
 * as in `lon.17_sto.9`, and nothing is passed over, whenever it comes. Among sites a page goes by time, as far as clocks agree.
 */
import { AppError } from '../errors.ts';
import { siteName } from '../federation/protocol.ts';
import type { FleetEvent } from './fleet-view.ts';
import type { FleetDatabase, SqlValue } from './sql.ts';

/** Some hundred sites. */
export const FEED_CURSOR_CHARS_MAX = 8192;

export interface FeedWish {
  /** '0' is the beginning. */
  readonly after: string;
  readonly site?: string | undefined;
  readonly hardwarename?: string | undefined;
  /** These alone; with a dot at the end, all that begin so. None: all. */
  readonly names: readonly string[];
}

export interface FeedPage {
  readonly events: FleetEvent[];
  readonly cursor: string;
  readonly more: boolean;
}

export interface FleetFeed {
  /** Oldest first. @throws AppError REQUEST_INVALID for what is no cursor */
  page(wish: FeedWish, count: number): Promise<FeedPage>;
  /** Behind everything that has come. */
  end(): Promise<string>;
}

type Cursor = ReadonlyMap<string, number>;

export function openFleetFeed(db: FleetDatabase): FleetFeed {
  const behind = async (site: string, id: number, { wish, count }: Reading) => {
    const { where, values } = conditionOf(wish);
    const rows = await db.all<Omit<FleetEvent, 'data'> & { data: string }>(
      `SELECT site, id, at, name, hardwarename, data FROM events WHERE site = ? AND id > ? ${where}
       ORDER BY id LIMIT ?`,
      [site, id, ...values, count],
    );
    return rows.map((row): FleetEvent => ({ ...row, data: JSON.parse(row.data) }));
  };
  return {
    async page(wish, count) {
      const cursor = new Map(readCursor(wish.after));
      const rows = await db.all<{ name: string }>('SELECT name FROM sites ORDER BY name');
      const feeds: FleetEvent[][] = [];
      for (const { name } of rows)
        if (wish.site === undefined || wish.site === name)
          feeds.push(await behind(name, cursor.get(name) ?? 0, { wish, count: count + 1 }));
      const events = merged(feeds, count);
      for (const { site, id } of events) cursor.set(site, id);
      const found = feeds.reduce((sum, feed) => sum + feed.length, 0);
      return { events, cursor: cursorText(cursor), more: found > events.length };
    },
    async end() {
      const rows = await db.all<{ name: string; feed_cursor: number | null }>(
        'SELECT name, feed_cursor FROM sites ORDER BY name',
      );
      return cursorText(new Map(rows.map(({ name, feed_cursor }) => [name, feed_cursor ?? 0])));
    },
  };
}

interface Reading {
  readonly wish: FeedWish;
  readonly count: number;
}

function conditionOf({ hardwarename, names }: FeedWish): { where: string; values: SqlValue[] } {
  const whole = names.filter((name) => !name.endsWith('.'));
  const begun = names.filter((name) => name.endsWith('.'));
  const either = [
    ...(whole.length > 0 ? [`name IN (${whole.map(() => '?').join(', ')})`] : []),
    ...begun.map(() => 'name LIKE ?'),
  ];
  const of = hardwarename === undefined ? '' : 'AND hardwarename = ?';
  const named = either.length > 0 ? `AND (${either.join(' OR ')})` : '';
  const values = [...whole, ...begun.map((name) => `${name}%`)];
  return {
    where: `${of} ${named}`,
    values: hardwarename === undefined ? values : [hardwarename, ...values],
  };
}

/** By time, with each site's own order kept whatever its clock did. */
function merged(feeds: readonly FleetEvent[][], count: number): FleetEvent[] {
  const heads = feeds.map((feed) => ({ feed, at: 0 }));
  const events: FleetEvent[] = [];
  while (events.length < count) {
    let first: (typeof heads)[number] | undefined;
    for (const head of heads) {
      const [mine, best] = [head.feed[head.at], first?.feed[first.at]];
      if (mine && (!best || mine.at < best.at)) first = head;
    }
    const event = first?.feed[first.at];
    if (!first || !event) break;
    first.at += 1;
    events.push(event);
  }
  return events;
}

const cursorText = (cursor: Cursor): string =>
  [...cursor].map(([site, id]) => `${site}.${id}`).join('_') || '0';

function readCursor(text: string): Cursor {
  if (text === '0') return new Map();
  const parts = text.split('_').map((part) => part.split('.'));
  for (const [site, id = '', ...rest] of parts)
    if (!siteName.safeParse(site).success || !/^\d{1,15}$/.test(id) || rest.length > 0)
      throw new AppError('REQUEST_INVALID', { detail: 'This is no cursor.', path: '/after' });
  return new Map(parts.map(([site = '', id]) => [site, Number(id)]));
}
