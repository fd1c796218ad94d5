/** Where the channels of the fleet's images have pointed, newest move first, and the way back. The record itself is one of those that sites are told. */
import { AppError } from '../errors.ts';
import type { Clock } from '../wire/time.ts';
import type { FleetRecord, FleetRecords } from './records.ts';
import type { FleetDatabase, Sql, SqlRow } from './sql.ts';

export interface ChannelMove {
  readonly at: number;
  /** '' for a channel that was not there. */
  readonly from: string;
  /** '' for one that was removed. */
  readonly to: string;
  readonly who: string;
  readonly why: string;
}

interface Cause {
  readonly who: string;
  readonly why: string;
}

export interface FleetChannels {
  /** @param name as in `debian-12/stable` @throws AppError NOT_FOUND when there is no such version */
  point(name: string, version: string, cause: Cause): Promise<FleetRecord>;
  /** To where it pointed before its last move. @throws AppError NOT_FOUND, VERSION_CONFLICT when it moves meanwhile */
  moveBack(name: string, cause: Cause): Promise<FleetRecord>;
  /** @throws AppError NOT_FOUND */
  remove(name: string, cause: Cause): Promise<void>;
  moves(name: string, count: number): Promise<ChannelMove[]>;
}

interface MoveRow extends SqlRow {
  at: number;
  from_version: string;
  to_version: string;
  who: string;
  why: string;
}

export function openFleetChannels(
  db: FleetDatabase,
  records: FleetRecords,
  clock: Clock,
): FleetChannels {
  const note = async (sql: Sql, name: string, move: Omit<ChannelMove, 'at'>) => {
    const { from, to, who, why } = move;
    if (from === to) return;
    await sql.run(
      `INSERT INTO fleet_channel_moves (channel, n, at, from_version, to_version, who, why)
       SELECT ?, coalesce(max(n), 0) + 1, ?, ?, ?, ?, ? FROM fleet_channel_moves WHERE channel = ?`,
      [name, clock(), from, to, who, why, name],
    );
  };
  const move = async (
    name: string,
    { to, read }: { readonly to: string; readonly read?: number },
    { who, why }: Cause,
  ): Promise<FleetRecord> => {
    const [image = ''] = name.split('/');
    if (!(await records.get('image', `${image}@${to}`)))
      throw new AppError('NOT_FOUND', { detail: `No image ${image}@${to}.` });
    return records.put({
      ...{ kind: 'channel', name, doc: { version: to }, who, version: read },
      also: (sql, before) => note(sql, name, { from: versionOf(before), to, who, why }),
    });
  };
  const moves: FleetChannels['moves'] = async (name, count) => {
    const rows = await db.all<MoveRow>(
      'SELECT * FROM fleet_channel_moves WHERE channel = ? ORDER BY n DESC LIMIT ?',
      [name, count],
    );
    return rows.map(({ at, from_version: from, to_version: to, who, why }) => ({
      ...{ at, from, to, who, why },
    }));
  };
  return {
    moves,
    point: (name, version, cause) => move(name, { to: version }, cause),
    async moveBack(name, cause) {
      const there = await records.get('channel', name);
      const [last] = await moves(name, 1);
      if (!there || !last || last.from === '' || last.to !== versionOf(there))
        throw new AppError('NOT_FOUND', { detail: `${name} has pointed to nothing else.` });
      return move(name, { to: last.from, read: there.version }, cause);
    },
    remove: (name, { who, why }) =>
      records.remove({
        ...{ kind: 'channel', name, who },
        also: (sql, before) => note(sql, name, { from: versionOf(before), to: '', who, why }),
      }),
  };
}

const versionOf = (channel: FleetRecord | undefined): string => String(channel?.doc.version ?? '');
