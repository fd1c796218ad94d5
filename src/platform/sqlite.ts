/**
 * Opens the appliance's database. WAL, so that readers never wait for the writer; `synchronous=FULL`, so that what a
 * machine has been told survives a power cut as well as `kill -9`.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import Sqlite, { type Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';

/** @throws AppError DATABASE_FAILED with the file's name when it cannot be opened or is no database. */
export function openDatabase(file: string): Database {
  try {
    if (file !== ':memory:') mkdirSync(dirname(file), { recursive: true });
    const db = new Sqlite(file, { timeout: 5000 });
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.pragma('foreign_keys = ON');
    return db;
  } catch (cause) {
    throw new AppError('DATABASE_FAILED', { detail: `(${file})`, cause });
  }
}
