/**
 * ServerDb as one object: the stores over one database, and the one way to run a transaction.
 *
 * A transaction takes the write lock at once, nested ones join it, and followers of the event feed are woken only after
 * the outermost commit: nobody ever sees an event whose change was rolled back.
 */
import type { Database } from 'better-sqlite3';
import type { Clock } from '../wire/time.ts';
import { type Boots, openBoots } from './boots.ts';
import { type EventStore, openEventStore } from './event-store.ts';
import { createIngest, type Delivery, type Ingested } from './ingest.ts';
import { type LeaseStore, openLeases } from './leases.ts';
import { type Machines, openMachines } from './machines.ts';
import { migrate } from './schema.ts';
import { openTokens, type Tokens } from './tokens.ts';

export interface Inventory {
  readonly events: EventStore;
  readonly boots: Boots;
  readonly tokens: Tokens;
  readonly leases: LeaseStore;
  readonly machines: Machines;
  ingest(delivery: Delivery): Ingested;
  transaction<T>(run: () => T): T;
  /** Runs and always rolls back: for "what would happen". */
  rehearse<T>(run: () => T): T;
}

export function openInventory({ db, clock }: { db: Database; clock: Clock }): Inventory {
  migrate(db);
  const events = openEventStore(db, clock);
  const transaction = <T>(run: () => T): T => {
    if (db.inTransaction) return run();
    const result = db.transaction(run).immediate();
    events.committed();
    return result;
  };
  const boots = openBoots(db, clock);
  const machines = openMachines(db, clock, events);
  return {
    events,
    boots,
    machines,
    tokens: openTokens(db, clock),
    leases: openLeases(db, clock),
    ingest: createIngest({ db, clock, events, boots, machines, transaction }),
    transaction,
    rehearse<T>(run: () => T): T {
      let result: { value: T } | undefined;
      const undo = new Error('rolled back on purpose');
      try {
        db.transaction(() => {
          result = { value: run() };
          throw undo;
        }).immediate();
      } catch (error) {
        if (error !== undo) throw error;
      }
      if (!result) throw undo;
      return result.value;
    },
  };
}
