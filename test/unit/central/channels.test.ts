/** Where a channel of the fleet has pointed: the way back is kept with each move, or the channel does not move. */
import { afterEach, describe, expect, it } from 'vitest';
import { openFleetChannels } from '../../../src/central/channels.ts';
import { openFleetRecords } from '../../../src/central/records.ts';
import { migrateFleet } from '../../../src/central/schema.ts';
import { type FleetDatabase, openFleetDatabase } from '../../../src/central/sql.ts';
import type { Clock, Millis } from '../../../src/wire/time.ts';

const clock: Clock = () => 1_000_000 as Millis;
const NAME = 'debian-12/stable';
const ann = { who: 'ann', why: 'newer' };

let db: FleetDatabase | undefined;
afterEach(() => db?.close());

async function channelOf(...versions: string[]) {
  const sql = openFleetDatabase('sqlite::memory:');
  db = sql;
  await migrateFleet(sql);
  const records = openFleetRecords(sql, clock);
  for (const version of versions)
    await records.put({ kind: 'image', name: `debian-12@${version}`, doc: {}, who: 'ann' });
  const channels = openFleetChannels(sql, records, clock);
  const points = async () => (await records.get('channel', NAME))?.doc.version;
  const moves = async () => (await channels.moves(NAME, 9)).map(({ from, to }) => `${from}>${to}`);
  return { sql, channels, points, moves };
}

describe('a channel', () => {
  it('does not move when the move cannot be noted, and is not removed', async () => {
    const { sql, channels, points } = await channelOf('1', '2');
    await channels.point(NAME, '1', ann);
    await sql.run('ALTER TABLE fleet_channel_moves RENAME TO away');
    await expect(channels.point(NAME, '2', ann)).rejects.toThrow('fleet_channel_moves');
    await expect(channels.remove(NAME, ann)).rejects.toThrow('fleet_channel_moves');
    expect(await points()).toBe('1');
  });

  it('that two move at once goes from one to the other', async () => {
    const { channels, points, moves } = await channelOf('1', '2');
    await Promise.all(['1', '2'].map((version) => channels.point(NAME, version, ann)));
    expect([await points(), await moves()]).toEqual(['2', ['1>2', '>1']]);
  });

  it('is moved back by one of two who do so at once', async () => {
    const { channels, points, moves } = await channelOf('1', '2');
    for (const version of ['1', '2']) await channels.point(NAME, version, ann);
    const both = [channels.moveBack(NAME, ann), channels.moveBack(NAME, ann)];
    const ends = (await Promise.allSettled(both)).map(({ status }) => status);
    expect(ends.sort()).toEqual(['fulfilled', 'rejected']);
    expect([await points(), await moves()]).toEqual(['1', ['2>1', '1>2', '>1']]);
  });
});
