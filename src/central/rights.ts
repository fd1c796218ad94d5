/**
 * Central as the witness of pairs: a row for each site, changed by the rules of standby/witness.ts and by nothing else.
 *
 * The row is changed only as it was read, so that of two instances of central one is right and the other looks again. What this
 * instance has granted itself it also times by a clock that never jumps: when the time of day leaps ahead, no right ends early.
 */
import type { Answer, Member, Question, WitnessRow } from '../standby/witness.ts';
import { heldMs, judge } from '../standby/witness.ts';
import type { Clock } from '../wire/time.ts';
import type { FleetDatabase, SqlRow } from './sql.ts';

export interface Rights {
  judge(site: string, asked: Question): Promise<Answer>;
}

interface RightRow extends SqlRow {
  epoch: number;
  holder: string;
  until_ms: number;
  may_take: number;
  n: number;
}

const TRIES = 5;

/** @param steady milliseconds that only ever go up */
export function openRights(db: FleetDatabase, clock: Clock, steady: () => number): Rights {
  const granted = new Map<string, { readonly n: number; readonly until: number }>();
  const read = async (site: string): Promise<WitnessRow | undefined> => {
    const [row] = await db.all<RightRow>('SELECT * FROM site_rights WHERE site = ?', [site]);
    if (!row) return undefined;
    const { epoch, n } = row;
    const own = granted.get(site);
    const isOwn = own?.n === n;
    // By our own clock, where it was us: neither before its time nor long after it.
    const untilMs = isOwn ? clock() + (own.until - steady()) : row.until_ms;
    return { epoch, n, holder: row.holder as Member, untilMs, mayTake: row.may_take === 1 };
  };
  const write = (site: string, was: WitnessRow | undefined, to: WitnessRow): Promise<number> => {
    const values = [to.epoch, to.holder, Math.round(to.untilMs), to.mayTake ? 1 : 0, to.n];
    if (!was)
      return db.run(
        `INSERT INTO site_rights (epoch, holder, until_ms, may_take, n, site) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT DO NOTHING`,
        [...values, site],
      );
    return db.run(
      `UPDATE site_rights SET epoch = ?, holder = ?, until_ms = ?, may_take = ?, n = ?
       WHERE site = ? AND epoch = ? AND n = ?`,
      [...values, site, was.epoch, was.n],
    );
  };
  return {
    async judge(site, asked) {
      for (let left = TRIES; left > 0; left -= 1) {
        const was = await read(site);
        const { answer, row } = judge(was, asked, clock());
        if (!row) return answer;
        if ((await write(site, was, row)) === 0) continue;
        const until = asked.kind === 'release' ? 0 : steady() + heldMs(asked.leaseMs);
        granted.set(site, { n: row.n, until });
        return answer;
      }
      throw new Error('too many ask for the right of one site at once');
    },
  };
}
