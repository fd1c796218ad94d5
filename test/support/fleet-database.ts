/** The fleet's tables for one test: in the PostgreSQL of the run where it has one, else in SQLite's memory. */
import { onTestFinished } from 'vitest';
import { migrateFleet } from '../../src/central/schema.ts';
import { type FleetDatabase, openFleetDatabase } from '../../src/central/sql.ts';
import { freshDatabase } from './postgres.ts';

export async function fleetDatabase(): Promise<FleetDatabase> {
  const db = openFleetDatabase((await freshDatabase()) ?? 'sqlite::memory:');
  onTestFinished(() => db.close());
  await migrateFleet(db);
  return db;
}
