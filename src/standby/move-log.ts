/**
 * Notes each address that leaves a machine in the database, in the transaction by which it does, for as long as the other appliance
 * may know it as that machine's (`moves.ts`): after a restart it is still known. Whoever takes over with a copy of this database is no
 * party to these notes, so they bear the name of their member.
 */
import type { Database } from 'better-sqlite3';
import type { Ipv4 } from '../wire/ipv4.ts';
import { createMoves, type MoveNote, type MovePorts, type Moves, type Owner } from './moves.ts';
import type { Member } from './witness.ts';

export interface MoveLog extends Moves {
  /** Forgets what is over. Within a transaction; does nothing, and costs nothing, when there is nothing. */
  tidy(transaction: (run: () => void) => void): void;
}

export interface MoveLogPorts extends Omit<MovePorts, 'before'> {
  readonly member: Member;
  /** The time of day. */
  wall(): number;
  /** There is no other one that could know anything. */
  isAlone(): boolean;
}

/** Notes from here on. To be called once for a connection. */
export function openMoveLog(db: Database, ports: MoveLogPorts): MoveLog {
  const { member, wall, isAlone } = ports;
  const prefix = `standby_moved ${member} `;
  const kept = db
    .prepare<[string], { key: string; value: string }>(
      "SELECT key, value FROM meta WHERE key LIKE ? || '%'",
    )
    .all(prefix);
  const before = kept.map(({ key, value }): MoveNote => {
    const leftMs = value === '' ? 0 : Math.max(1, Number(value) - wall());
    return { text: key.slice(prefix.length), leftMs };
  });
  const moves = createMoves({ ...ports, before });
  const drop = db.prepare('DELETE FROM meta WHERE key = ?');
  const put = db.prepare(
    `INSERT INTO meta (key, value) VALUES (?, ?)
     ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)`,
  );
  const keep = ({ text, leftMs }: MoveNote): void =>
    void put.run(`${prefix}${text}`, leftMs === 0 ? '' : String(Math.round(wall() + leftMs)));
  db.function('standby_moved', (subnet, address, was) =>
    isAlone() ? null : moves.changed(String(subnet), Number(address) as Ipv4, was as Owner).text,
  );
  for (const [what, row, was] of [
    ['INSERT', 'NEW', "''"],
    ['DELETE', 'OLD', 'OLD.mac'],
  ] as const)
    db.exec(
      `CREATE TEMP TRIGGER standby_moved_${what} AFTER ${what} ON main.addresses BEGIN
         INSERT INTO meta (key, value)
           SELECT '${prefix}' || note, ''
             FROM (SELECT standby_moved(${row}.subnet, ${row}.address, ${was}) AS note)
             WHERE note IS NOT NULL
           ON CONFLICT (key) DO NOTHING;
       END`,
    );
  return {
    ...moves,
    left(segment, address, lease) {
      const note = moves.left(segment, address, lease);
      if (!isAlone()) keep(note);
      return note;
    },
    tidy(transaction) {
      const over = moves.over();
      if (over.length > 0)
        transaction(() => {
          for (const text of over) drop.run(`${prefix}${text}`);
        });
    },
  };
}
