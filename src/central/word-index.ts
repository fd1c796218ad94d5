/** What a database may offer beyond the schema: it is tried at each start, and done without where it is not to be had. */
import type { FleetDatabase } from './sql.ts';

/**
 * An index for searches by parts of words, where the database has one: PostgreSQL with pg_trgm, which an owner may create.
 *
 * @returns false when a search reads the words of every machine
 */
export async function indexWords(db: FleetDatabase): Promise<boolean> {
  if (db.engine !== 'postgresql') return false;
  const make = db.transaction(async (sql) => {
    await sql.run('LOCK TABLE fleet_schema IN EXCLUSIVE MODE');
    await sql.run('CREATE EXTENSION IF NOT EXISTS pg_trgm');
    await sql.run(
      'CREATE INDEX IF NOT EXISTS machine_words_parts ON machine_words USING gin (words gin_trgm_ops)',
    );
  });
  return make.then(
    () => true,
    () => false,
  );
}

/**
 * What has been put in lately lies beside the index until there is enough of it, and as long as much does, each search reads all words. So it
 * is entered when a site's copy is whole; the database does it by itself, within a minute or so.
 */
export async function enterWords(db: FleetDatabase): Promise<void> {
  if (db.engine !== 'postgresql') return;
  const enter = db.all(
    `SELECT gin_clean_pending_list(oid) FROM pg_class
     WHERE relname = 'machine_words_parts' AND relnamespace = current_schema()::regnamespace`,
  );
  await enter.catch(() => undefined);
}
