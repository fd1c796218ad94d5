/** A PostgreSQL for a run of tests: started before the workers, which find it by their environment, and gone with the run. */
import { randomBytes } from 'node:crypto';
import { chmodSync } from 'node:fs';
import pg from 'pg';
import { startPostgres } from '../../bench/support/postgres.ts';
import { requirePrograms } from '../../bench/support/programs.ts';
import { openScope } from '../../bench/support/scope.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** The folder of its socket. */
const FOLDER = 'FLEET_TEST_POSTGRES';

export async function setup(): Promise<() => Promise<void>> {
  const folder = temporaryFolder('postgres');
  chmodSync(folder, 0o755);
  const scope = openScope();
  await startPostgres(scope, requirePrograms('initdb', 'postgres'), folder);
  process.env[FOLDER] = folder;
  return async () => {
    delete process.env[FOLDER];
    await scope.close();
  };
}

const urlOf = (folder: string, name: string): string =>
  `postgresql:///${name}?host=${encodeURIComponent(folder)}&user=postgres`;

/** @returns the URL of a new and empty database; undefined when the run has no PostgreSQL */
export async function freshDatabase(): Promise<string | undefined> {
  const folder = process.env[FOLDER];
  if (folder === undefined) return undefined;
  const name = `fleet_${randomBytes(6).toString('hex')}`;
  const client = new pg.Client({ connectionString: urlOf(folder, 'postgres') });
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${name}`);
  } finally {
    await client.end();
  }
  return urlOf(folder, name);
}
