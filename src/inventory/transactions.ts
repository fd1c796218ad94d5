/**
 * Transactions of the inventory, and steps of one that may fail alone.
 *
 * Stores keep in memory some of what they write, and rows that are to be written many by one statement (leases, events of guests).
 * Both go the way of the database: with a transaction or a step that fails, what it has changed in memory is taken back and what it
 * left to be written is forgotten, and nothing else. So what waits from before is written before a step begins.
 *
 * When the disk is full, or fails, SQLite may take back the whole transaction by itself and go on without one (SQLITE_FULL, SQLITE_IOERR,
 * SQLITE_NOMEM, SQLITE_BUSY: sqlite.org/lang_transaction.html, section 3.1). Then whoever goes on after a step that has failed would keep
 * each statement by itself: nothing of such a transaction is kept, and it fails with what that step has failed with.
 *
 * Nobody else may open a transaction or a savepoint over these stores, which could tell neither: a test looks for it.
 */
import type { Database } from 'better-sqlite3';

/** A store that keeps in memory some of what it writes. */
export interface Kept {
  /** A transaction begins: from here on what changes can be taken back. */
  begin(): void;
  /** Writes the rows that wait. */
  settle(): void;
  commit(): void;
  rollback(): void;
  /** A step begins. @returns what takes back all since then, rows that wait included */
  mark(): () => void;
}

export interface Transactions {
  /** All or nothing. Not within another one. */
  run<T>(inside: () => T): T;
  /** Within a transaction: what `inside` changes is undone when it throws, and nothing else. */
  step<T>(inside: () => T): T;
}

export function openTransactions(db: Database, stores: readonly Kept[]): Transactions {
  /** Why the one that runs cannot be committed, whoever goes on after the failure of a step. */
  let lost: { readonly why: unknown } | undefined;
  const settle = (): void => {
    for (const store of stores) store.settle();
  };
  const settled = db.transaction((inside: () => unknown) => {
    const result = inside();
    settle();
    return result;
  });
  const settleBefore = (): void => {
    try {
      settle();
    } catch (why) {
      lost = { why };
      throw why;
    }
  };
  /** What follows is within a transaction again, which cannot be committed either. */
  const takenBack = (why: unknown): void => {
    lost ??= { why };
    db.exec('BEGIN');
  };
  return {
    run<T>(inside: () => T): T {
      if (db.inTransaction) throw new Error('a transaction is begun within another one');
      lost = undefined;
      for (const store of stores) store.begin();
      try {
        const result = settled.immediate(() => {
          const value = inside();
          if (lost) throw lost.why;
          return value;
        }) as T;
        for (const store of stores) store.commit();
        return result;
      } catch (error) {
        for (const store of stores) store.rollback();
        throw error;
      }
    },
    step<T>(inside: () => T): T {
      if (!db.inTransaction) throw new Error('a step is of a transaction, and none runs');
      settleBefore();
      const marks = stores.map((store) => store.mark());
      try {
        return settled(inside) as T;
      } catch (error) {
        for (const back of marks) back();
        if (!db.inTransaction) takenBack(error);
        // Nor is there a step any more that this one was within: what that fails with is not what it was.
        throw lost ? lost.why : error;
      }
    },
  };
}
