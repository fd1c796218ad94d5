/**
 * Rows of one table, written many by one statement: what a row costs by a statement of its own is mostly the statement. A batch
 * of DHCP writes a hundred.
 */
import type { Database } from 'better-sqlite3';

export type ManyRows = (
  /** The values of all rows, one row behind the other. */
  values: readonly unknown[],
  /** What is the same in each row. */
  shared: Readonly<Record<string, unknown>>,
) => number;

/** How many rows a statement has: as many as are left, by as few statements as there are. */
const COUNTS = [32, 8, 2, 1] as const;

/**
 * @param insert up to the word VALUES, of this program's own words
 * @param row as in `(@at, ?, ?)`, whose `?` are the values of a row
 * @returns writes rows in their order, inside the caller's transaction, and gives the number of the last one
 */
export function openManyRows(db: Database, insert: string, row: string): ManyRows {
  const width = row.split('?').length - 1;
  const statements = COUNTS.map((count) => ({
    size: count * width,
    statement: db.prepare(`${insert} VALUES ${Array(count).fill(row).join(', ')}`),
  }));
  return (values, shared) => {
    let last = 0;
    for (let at = 0; at < values.length; ) {
      const left = values.length - at;
      const fits = statements.find(({ size }) => size <= left);
      if (!fits) throw new Error(`${left} values are no row of ${width}`);
      const { lastInsertRowid } = fits.statement.run(values.slice(at, at + fits.size), shared);
      last = Number(lastInsertRowid);
      at += fits.size;
    }
    return last;
  };
}
