/** Where the channels of the fleet's images have pointed, newest move first, and the way back. The record itself is one of those that sites are told. */
import { AppError } from '../errors.ts';
import type { Clock } from '../wire/time.ts';
import type { FleetRecord, FleetRecords } from './records.ts';
import type { FleetDatabase, SqlRow } from './sql.ts';

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
  /** To where it pointed before its last move. @throws AppError NOT_FOUND */
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
  const versionAt = async (name: string): Promise<string> =>
    String((await records.get('channel', name))?.doc.version ?? '');
  const note = (name: string, { from, to }: { from: string; to: string }, { who, why }: Cause) =>
    db.run(
      `INSERT INTO fleet_channel_moves (channel, n, at, from_version, to_version, who, why)
       SELECT ?, coalesce(max(n), 0) + 1, ?, ?, ?, ?, ? FROM fleet_channel_moves WHERE channel = ?`,
      [name, clock(), from, to, who, why, name],
    );
  const point: FleetChannels['point'] = async (name, version, cause) => {
    const [image = ''] = name.split('/');
    if (!(await records.get('image', `${image}@${version}`)))
      throw new AppError('NOT_FOUND', { detail: `No image ${image}@${version}.` });
    const from = await versionAt(name);
    const put = await records.put({ kind: 'channel', name, doc: { version }, who: cause.who });
    if (from !== version) await note(name, { from, to: version }, cause);
    return put;
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
    point,
    moves,
    async moveBack(name, cause) {
      const [last] = await moves(name, 1);
      if (!last || last.from === '' || last.to !== (await versionAt(name)))
        throw new AppError('NOT_FOUND', { detail: `${name} has pointed to nothing else.` });
      return point(name, last.from, cause);
    },
    async remove(name, cause) {
      const from = await versionAt(name);
      await records.remove({ kind: 'channel', name, who: cause.who });
      await note(name, { from, to: '' }, cause);
    },
  };
}
