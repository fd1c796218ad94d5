/** A database that nothing fits into any more. */
import type { Database } from 'better-sqlite3';
import { expect } from 'vitest';

/** No page is left in it. @returns gives it room again */
export function fillDatabase(db: Database): () => void {
  db.exec('CREATE TABLE ballast (bytes BLOB)');
  db.pragma(`max_page_count = ${db.pragma('page_count', { simple: true })}`);
  for (let bytes = 4096; bytes > 0; ) {
    try {
      db.prepare('INSERT INTO ballast VALUES (zeroblob(?))').run(bytes);
    } catch (error) {
      expect((error as { code?: string }).code).toBe('SQLITE_FULL');
      bytes = Math.floor(bytes / 2);
    }
  }
  return () => db.pragma('max_page_count = 1000000');
}
