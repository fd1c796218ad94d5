/** The fleet's tables for one test: in the PostgreSQL of the run where it has one, else in SQLite's memory. */
import pino from 'pino';
import { onTestFinished } from 'vitest';
import { migrateFleet } from '../../src/central/schema.ts';
import { type FleetDatabase, openFleetDatabase } from '../../src/central/sql.ts';
import { openUpkeep } from '../../src/central/upkeep.ts';
import { freshDatabase } from './postgres.ts';

/** Of which nobody hears. */
export const quietUpkeep = openUpkeep(pino({ level: 'silent' }));

export async function fleetDatabase(): Promise<FleetDatabase> {
  const db = openFleetDatabase((await freshDatabase()) ?? 'sqlite::memory:');
  onTestFinished(() => db.close());
  await migrateFleet(db);
  return db;
}
