/**
 * How long boots and reports are kept: boots as long as their events, of the reports of a machine the last few.
 *
 * A boot stays longer while it is not over, while a token is for it, and while it is the newest of a NIC on record: "when did
 * this machine last boot" has an answer after a year in a rack. Reports as received are there for support; what they said
 * is on the machine. The row of a report names the last boot that delivered it, and goes with that boot at the latest.
 */
import type { Database } from 'better-sqlite3';
import { limit } from '../limits.ts';
import type { BootId, Hardwarename } from '../wire/ids.ts';
import type { Millis } from '../wire/time.ts';

export interface KeptReport {
  /** SHA-256 of the bytes, hex. */
  readonly digest: string;
  readonly hardwarename: Hardwarename;
  readonly boot: BootId;
  readonly at: Millis;
  /** Gzip of the bytes as received. */
  readonly body: Uint8Array;
}

export interface BootKeeping {
  /** In the transaction that has noted it on its boot: keeps it, and lets the machine's older ones go. */
  keepReport(report: KeptReport): void;
  /** Looks at a bounded number of boots that began before that moment; says whether there are more to look at. */
  sweep(before: Millis): { deleted: number; more: boolean };
}

interface OldBoot {
  id: string;
  started_at: number;
  report_digest: string | null;
  stays: number;
}

/** Behind the last few of a machine: one in the usual run, and some more where there was no end to them before. */
const REPORTS_DROPPED_MAX = 20;

export function openBootKeeping(db: Database): BootKeeping {
  const keep = db.prepare(
    `INSERT INTO reports (digest, hardwarename, boot, at, body) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (digest) DO UPDATE SET boot = excluded.boot, at = excluded.at`,
  );
  const trim = db.prepare(
    `DELETE FROM reports WHERE (digest, boot) IN (
       SELECT report_digest, id FROM boots WHERE hardwarename = ? AND report_digest IS NOT NULL
       ORDER BY started_at DESC, id LIMIT ? OFFSET ?)`,
  );
  const look = db.prepare<[number, number, number, string, number], OldBoot>(
    `SELECT id, started_at, report_digest, last_at >= ?
       OR EXISTS (SELECT 1 FROM tokens WHERE boot = boots.id)
       OR (EXISTS (SELECT 1 FROM nics WHERE mac = boots.mac) AND NOT EXISTS (
         SELECT 1 FROM boots AS later WHERE later.mac = boots.mac AND later.started_at > boots.started_at)) AS stays
     FROM boots WHERE started_at < ? AND (started_at, id) > (?, ?) ORDER BY started_at, id LIMIT ?`,
  );
  const drop = db.prepare('DELETE FROM boots WHERE id = ?');
  const dropReport = db.prepare('DELETE FROM reports WHERE digest = ? AND boot = ?');
  /** How far this sweep has looked: what stays is looked at once in each. */
  let swept = { at: -1, id: '' };
  return {
    keepReport({ digest, hardwarename, boot, at, body }) {
      keep.run(digest, hardwarename, boot, at, body);
      trim.run(hardwarename, REPORTS_DROPPED_MAX, limit('reportsKeptMax'));
    },
    sweep(before) {
      const most = limit('compactionRowsMax');
      const rows = look.all(before, before, swept.at, swept.id, most);
      const gone = rows.filter(({ stays }) => stays === 0);
      for (const { id, report_digest } of gone) {
        drop.run(id);
        if (report_digest !== null) dropReport.run(report_digest, id);
      }
      const last = rows.at(-1);
      const more = last !== undefined && rows.length === most;
      swept = more ? { at: last.started_at, id: last.id } : { at: -1, id: '' };
      return { deleted: gone.length, more };
    },
  };
}
