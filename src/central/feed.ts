/**
 * The feeds of all sites as one, for who reads on from where he was: a page of events behind a cursor, as an appliance gives them.
 *
 * Numbers are those of a site, and a site that was away tells of what is long past. So the cursor says how far one is in each site,
 * as in `lon.17_sto.9`, and nothing is passed over, whenever it comes. Among sites a page goes by time, as far as clocks agree.
 *
 * A snapshot is where a site's events do not continue what was told before: its database was put back from a copy, and old numbers
 * mean other events, or some were never told. So behind each number is the snapshot that it comes after, as in
 * `lon.17.5f0c2a9be1d4`, and a cursor from before is refused, as an appliance refuses one of another epoch.
 */
import { AppError } from '../errors.ts';
import { siteName } from '../federation/protocol.ts';
import type { FleetEvent } from './fleet-view.ts';
import type { FleetDatabase, SqlRow, SqlValue } from './sql.ts';

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
  /**
   * Oldest first.
   *
   * @throws AppError REQUEST_INVALID for what is no cursor, FEED_RESTARTED with the cursor to go on from when one of the sites has
   *   told everything anew since
   */
  page(wish: FeedWish, count: number): Promise<FeedPage>;
  /** Behind everything that has come. */
  end(): Promise<string>;
}

interface Position {
  readonly id: number;
  /** '' where nothing was told yet, and in the cursors of earlier programs. */
  readonly epoch: string;
}

type Cursor = ReadonlyMap<string, Position>;

const EPOCH_CHARS = 12;

interface FeedRow extends SqlRow {
  name: string;
  snapshot: string;
}

/** Of what a site has told since its last snapshot. */
const epochOf = ({ snapshot }: FeedRow): string =>
  snapshot.replace(/[^0-9A-Za-z]/g, '').slice(0, EPOCH_CHARS);

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
  const end = async (site: FeedRow): Promise<Position> => {
    const [row] = await db.all<{ last: number | null }>(
      'SELECT max(id) AS last FROM events WHERE site = ?',
      [site.name],
    );
    return { id: row?.last ?? 0, epoch: epochOf(site) };
  };
  const sites = () => db.all<FeedRow>('SELECT name, snapshot FROM sites ORDER BY name');
  return {
    async page(wish, count) {
      const cursor = new Map(readCursor(wish.after));
      const of = (await sites()).filter(({ name }) => [name, undefined].includes(wish.site));
      const restarted = of.filter((site) => {
        const { epoch = '' } = cursor.get(site.name) ?? {};
        return epoch !== '' && epoch !== epochOf(site);
      });
      for (const site of restarted) cursor.set(site.name, await end(site));
      if (restarted.length > 0)
        throw new AppError('FEED_RESTARTED', {
          detail: `(${restarted.map(({ name }) => name).join(', ')})`,
          more: { oldest: cursorText(cursor) },
        });
      const feeds: FleetEvent[][] = [];
      for (const { name } of of)
        feeds.push(await behind(name, cursor.get(name)?.id ?? 0, { wish, count: count + 1 }));
      const events = merged(feeds, count);
      const epochs = new Map(of.map((site) => [site.name, epochOf(site)]));
      for (const { site, id } of events) cursor.set(site, { id, epoch: epochs.get(site) ?? '' });
      const found = feeds.reduce((sum, feed) => sum + feed.length, 0);
      return { events, cursor: cursorText(cursor), more: found > events.length };
    },
    async end() {
      const cursor = new Map<string, Position>();
      for (const site of await sites()) cursor.set(site.name, await end(site));
      return cursorText(cursor);
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
  [...cursor]
    .map(([site, { id, epoch }]) => [site, id, ...(epoch ? [epoch] : [])].join('.'))
    .join('_') || '0';

function readCursor(text: string): Cursor {
  if (text === '0') return new Map();
  const parts = text.split('_').map((part) => part.split('.'));
  return new Map(
    parts.map(([site = '', id = '', epoch = '', ...rest]) => {
      const isOne = /^\d{1,15}$/.test(id) && /^[0-9A-Za-z]{0,12}$/.test(epoch);
      if (!siteName.safeParse(site).success || !isOne || rest.length > 0)
        throw new AppError('REQUEST_INVALID', { detail: 'This is no cursor.', path: '/after' });
      return [site, { id: Number(id), epoch }];
    }),
  );
}

/** The newest ones, as they are read. What comes meanwhile is behind the cursor, and may be in the page as well. */
export async function newestPage(
  feed: Pick<FleetFeed, 'end'>,
  read: () => Promise<FleetEvent[]>,
): Promise<FeedPage> {
  const cursor = await feed.end();
  return { events: await read(), cursor, more: false };
}
