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
