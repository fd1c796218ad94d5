/**
 * PostgreSQL plans by what it has counted of a table. Of one that is filled for the first time it counts nothing for a minute, takes
 * names for words that repeat, and reads the whole table for each hundred machines: of eight sites' first copies a machine cost 0.2 ms at
 * first and 0.95 ms with 80,000 there, and 0.17 ms throughout once it is counted. So whoever has put the first machines in has them counted.
 */
import { type FleetDatabase, LONG } from './sql.ts';
import type { Upkeep } from './upkeep.ts';

const FILLED = ['machines', 'machine_words'];

/** @returns to be called when machines have been put in: it counts once, where nothing has been counted yet */
export function openCounting(db: FleetDatabase, upkeep: Upkeep): () => Promise<void> {
  let counted: Promise<void> | undefined;
  const count = async (): Promise<void> => {
    if (db.engine !== 'postgresql') return;
    const never = await db.all<{ relname: string }>(
      `SELECT relname FROM pg_class WHERE reltuples < 0 AND relkind = 'r'
       AND relnamespace = current_schema()::regnamespace AND relname IN (?, ?)`,
      FILLED,
    );
    for (const { relname } of never)
      await db.transaction((sql) => sql.run(`ANALYZE ${relname}`), LONG);
  };
  return () => {
    counted ??= upkeep.run('counting', NEXT, count).then((worked) => {
      if (!worked) counted = undefined;
    });
    return counted;
  };
}

const NEXT =
  'It is tried again with the next page of a first copy, and the database counts by itself within some minutes. Until then first copies are slow.';
