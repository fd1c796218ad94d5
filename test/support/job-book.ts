/** The book of jobs of a database in memory, and what it has been asked since: for tests of what leads through which index. */
import Sqlite from 'better-sqlite3';
import { openInventory } from '../../src/inventory/inventory.ts';
import { createKinds } from '../../src/jobs/definition.ts';
import { openJobDesk } from '../../src/jobs/desk.ts';
import type { JobStatus } from '../../src/jobs/store.ts';
import type { Hardwarename } from '../../src/wire/ids.ts';
import type { Millis } from '../../src/wire/time.ts';

interface BookedJob {
  readonly id: string;
  readonly kind: string;
  readonly target: string;
  readonly requester: string;
  /** Absent of one that waits. */
  readonly ended?: JobStatus | undefined;
}

export function jobBook(clock: () => Millis = () => 1_700_000_000_000 as Millis) {
  const db = new Sqlite(':memory:');
  const inventory = openInventory({ db, clock });
  /** SQL that was prepared, in its order. */
  const asked: string[] = [];
  const prepare = db.prepare.bind(db);
  db.prepare = ((sql: string) => {
    asked.push(sql);
    return prepare(sql);
  }) as typeof db.prepare;
  const { store } = openJobDesk({ ...inventory, db, clock, kinds: createKinds([]) });
  const add = ({ id, kind, target, requester, ended }: BookedJob): void => {
    inventory.transaction(() => {
      const job = store.insert({
        ...{ id, kind, version: 1, target: target as Hardwarename, params: {}, requester },
        ...{ user: 'x', priority: 0, bmc: '', hardwareType: '' },
      });
      if (ended)
        store.append(job, { is: 'ended', status: ended as 'failed', code: '', detail: '' });
    });
  };
  /** How SQLite would carry out what was asked. */
  const planOf = (sql: string): string =>
    prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .all(...Array.from({ length: sql.split('?').length - 1 }, () => 1))
      .map((row) => (row as { detail: string }).detail)
      .join('; ');
  return { db, store, asked, add, planOf };
}
