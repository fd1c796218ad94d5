/**
 * Channels of images: a name such as `stable` that points to one version, and the list of where it has pointed.
 *
 * Going back is a move like any other, to the version before the last move; so two of them in a row end where they began,
 * and the history tells both.
 */
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { Clock, Millis } from '../wire/time.ts';
import type { EventStore } from './event-store.ts';
import type { ImageCause, ImageUses } from './images.ts';

export interface Channel {
  readonly name: string;
  readonly channel: string;
  readonly version: string;
  readonly movedAt: Millis;
}

export interface ChannelMove {
  readonly at: Millis;
  /** '' for the first. */
  readonly from: string;
  /** '' when the channel was removed. */
  readonly to: string;
  readonly who: string;
  readonly why: string;
}

export interface Channels {
  at(name: string, channel: string): Channel | undefined;
  /** Of one image, or of all. */
  channels(name?: string): Channel[];
  /** Names of the channels that point to a version. */
  holding(name: string, version: string): string[];
  /** Newest first. */
  moves(name: string, channel: string, count: number): ChannelMove[];
  /** Makes or moves it. @throws AppError NOT_FOUND for a version that is not there */
  move(to: { name: string; channel: string; version: string }, cause: ImageCause): Channel;
  /** To where it pointed before its last move. @throws AppError NOT_FOUND when there is no such version any more */
  moveBack(of: { name: string; channel: string }, cause: ImageCause): Channel;
  /** @throws AppError NOT_FOUND, STILL_REFERENCED while something is to be installed with what it points to */
  removeChannel(of: { name: string; channel: string }, cause: ImageCause): void;
}

interface ChannelRow {
  name: string;
  channel: string;
  version: string;
  moved_at: number;
}

interface MoveRow {
  at: number;
  from_version: string;
  to_version: string;
  who: string;
  why: string;
}

const fromRow = ({ moved_at: movedAt, ...row }: ChannelRow): Channel => ({
  ...row,
  movedAt: movedAt as Millis,
});

export function openChannels(
  db: Database,
  { clock, events, usesOf }: { clock: Clock; events: EventStore; usesOf: ImageUses },
): Channels {
  const find = db.prepare<[string, string], ChannelRow>(
    'SELECT * FROM image_channels WHERE name = ? AND channel = ?',
  );
  const list = db.prepare<[string, string], ChannelRow>(
    "SELECT * FROM image_channels WHERE ? IN ('', name) AND name >= ? ORDER BY name, channel",
  );
  const holding = db.prepare<[string, string], { channel: string }>(
    'SELECT channel FROM image_channels WHERE name = ? AND version = ? ORDER BY channel',
  );
  const moves = db.prepare<[string, string, number], MoveRow>(
    'SELECT * FROM image_moves WHERE name = ? AND channel = ? ORDER BY number DESC LIMIT ?',
  );
  const exists = db.prepare('SELECT 1 FROM images WHERE name = ? AND version = ?');
  const put = db.prepare(
    `INSERT INTO image_channels VALUES (?, ?, ?, ?)
     ON CONFLICT (name, channel) DO UPDATE SET version = excluded.version, moved_at = excluded.moved_at`,
  );
  const drop = db.prepare('DELETE FROM image_channels WHERE name = ? AND channel = ?');
  const keep = db.prepare(
    `INSERT INTO image_moves (name, channel, from_version, to_version, at, who, why)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
  );

  const at = (name: string, channel: string): Channel | undefined => {
    const row = find.get(name, channel);
    return row && fromRow(row);
  };
  const tell = (
    { name, channel }: { name: string; channel: string },
    { from, to }: { from: string; to: string },
    { who, why }: ImageCause,
  ): void => {
    keep.run(name, channel, from, to, clock(), who, why);
    const data = { image: name, channel, from, to, who, why };
    events.append({ name: 'image.channel', data });
  };
  const move: Channels['move'] = ({ name, channel, version }, cause) => {
    if (!exists.get(name, version))
      throw new AppError('NOT_FOUND', { detail: `There is no image ${name}@${version}.` });
    const before = at(name, channel);
    const moved = { name, channel, version, movedAt: clock() };
    if (before?.version === version) return before;
    put.run(name, channel, version, moved.movedAt);
    tell(moved, { from: before?.version ?? '', to: version }, cause);
    return moved;
  };
  return {
    at,
    move,
    channels: (name = '') => list.all(name, name).map(fromRow),
    holding: (name, version) => holding.all(name, version).map(({ channel }) => channel),
    moves: (name, channel, count) =>
      moves.all(name, channel, count).map((row) => ({
        at: row.at as Millis,
        from: row.from_version,
        to: row.to_version,
        who: row.who,
        why: row.why,
      })),
    moveBack(of, cause) {
      const [last] = moves.all(of.name, of.channel, 1);
      if (!find.get(of.name, of.channel) || !last || last.from_version === '') {
        const detail = `The channel ${of.name}/${of.channel} has pointed to nothing else.`;
        throw new AppError('NOT_FOUND', { detail });
      }
      return move({ ...of, version: last.from_version }, cause);
    },
    removeChannel(of, cause) {
      const before = at(of.name, of.channel);
      const ref = `${of.name}/${of.channel}`;
      if (!before) throw new AppError('NOT_FOUND', { detail: `(${ref})` });
      refuseUsed(ref, usesOf({ name: of.name, version: undefined, refs: [ref] }));
      drop.run(of.name, of.channel);
      tell(of, { from: before.version, to: '' }, cause);
    },
  };
}

const USES_TOLD_MAX = 5;

/** @throws AppError STILL_REFERENCED, which names what uses it */
export function refuseUsed(ref: string, uses: readonly string[]): void {
  if (uses.length === 0) return;
  const more = uses.length - USES_TOLD_MAX;
  const told = uses.slice(0, USES_TOLD_MAX).join('; ');
  const detail = `${ref}: ${told}${more > 0 ? `; and ${more} more` : ''}.`;
  throw new AppError('STILL_REFERENCED', { detail });
}
