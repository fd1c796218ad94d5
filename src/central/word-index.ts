/** What a database may offer beyond the schema: it is tried at each start, and done without where it is not to be had. */
import { type FleetDatabase, LONG } from './sql.ts';
import type { Upkeep } from './upkeep.ts';

export interface WordIndexes {
  /** By parts of words: PostgreSQL with pg_trgm, which an owner may create. */
  readonly parts: boolean;
  /** In an order that has nothing to do with names. */
  readonly turns: boolean;
}

/** Of a row of `machine_words`: its place in that order. PostgreSQL alone. */
export const TURN = 'left(md5(hardwarename), 8)';

/** What searches need so that they do not read the words of every machine, as far as the database has it. */
export async function indexWords(db: FleetDatabase): Promise<WordIndexes> {
  if (db.engine !== 'postgresql') return { parts: false, turns: false };
  const make = (...statements: string[]): Promise<boolean> => {
    const made = db.transaction(async (sql) => {
      await sql.run('LOCK TABLE fleet_schema IN EXCLUSIVE MODE');
      for (const statement of statements) await sql.run(statement);
    }, LONG);
    return made.then(
      () => true,
      () => false,
    );
  };
  return {
    parts: await make(
      'CREATE EXTENSION IF NOT EXISTS pg_trgm',
      'CREATE INDEX IF NOT EXISTS machine_words_parts ON machine_words USING gin (words gin_trgm_ops)',
    ),
    turns: await make(
      `CREATE INDEX IF NOT EXISTS machine_words_turns ON machine_words ((${TURN}), hardwarename, site)`,
    ),
  };
}

/**
 * What has been put in lately lies beside the index until there is enough of it, and as long as much does, each search reads all words. So it
 * is entered when a site's copy is whole; the database does it by itself, within a minute or so.
 */
export async function enterWords(db: FleetDatabase, upkeep: Upkeep): Promise<void> {
  if (db.engine !== 'postgresql') return;
  await upkeep.run('words', NEXT, () =>
    db.transaction(
      (sql) =>
        sql.all(
          `SELECT gin_clean_pending_list(oid) FROM pg_class
           WHERE relname = 'machine_words_parts' AND relnamespace = current_schema()::regnamespace`,
        ),
      LONG,
    ),
  );
}

const NEXT =
  'It is tried again with the next whole copy of a site, and the database enters them by itself within some minutes. Until then searches are slow.';
