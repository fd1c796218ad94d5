/**
 * What one that follows notes while it serves machines: boots, their tokens, events. The copy is not its own to write to, so
 * these tables are in memory, in front of those of the file: SQLite looks for a table among the temporary ones first. Whatever
 * else would be written fails, because the connection cannot (`NOT_ACTIVE`). Nothing of it outlives the daemon.
 */
import type { Database } from 'better-sqlite3';

const EVENTS_KEPT = 1000;
const KEPT_MS = 86_400_000;

/** Of each kind, how what is old goes: there is nobody to tidy up. */
const NOTES: Readonly<Record<string, string>> = {
  events: `DELETE FROM events WHERE id <= NEW.id - ${EVENTS_KEPT}`,
  boots: `DELETE FROM boots WHERE started_at < NEW.started_at - ${KEPT_MS}`,
  tokens: `DELETE FROM tokens WHERE expires_at < NEW.expires_at - ${KEPT_MS}`,
};

/** To be called before anything is prepared over this connection. */
export function keepOwnNotes(db: Database): void {
  db.pragma('temp_store = MEMORY');
  // What a note refers to may be in the file.
  db.pragma('foreign_keys = OFF');
  const schema = db
    .prepare<[string], string>(
      `SELECT sql FROM main.sqlite_schema WHERE tbl_name = ? AND type IN ('table', 'index')
         AND sql IS NOT NULL ORDER BY type = 'index'`,
    )
    .pluck();
  for (const [table, tidy] of Object.entries(NOTES)) {
    for (const sql of schema.all(table))
      db.exec(
        sql
          .replace(/^CREATE TABLE /i, 'CREATE TEMP TABLE ')
          .replace(/^(CREATE (?:UNIQUE )?INDEX) /i, '$1 temp.'),
      );
    db.exec(`CREATE TEMP TRIGGER note_${table} AFTER INSERT ON temp.${table} BEGIN ${tidy}; END`);
  }
}
