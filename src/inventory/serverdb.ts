/**
 * ServerDb: what people and programs keep about machines, over the same database and in the same transactions as what
 * the protocols keep. One object, so that the listeners and the command line are handed one thing.
 */
import type { Database } from 'better-sqlite3';
import type { Clock } from '../wire/time.ts';
import { type Access, openAccess } from './access.ts';
import { type Addresses, openAddresses } from './addresses.ts';
import { type BmcClaims, openBmcClaims } from './bmc-claims.ts';
import { type BmcFinder, openBmcFinder } from './bmc-finder.ts';
import { type BmcStore, openBmcs } from './bmcs.ts';
import { type Credentials, openCredentials } from './credentials.ts';
import { type Deliveries, openDeliveries } from './deliveries.ts';
import { type EventHistory, openEventHistory } from './event-history.ts';
import type { EventStore } from './event-store.ts';
import { type Hostnames, openHostnames } from './hostnames.ts';
import { type Idempotency, openIdempotency } from './idempotency.ts';
import { type MachineEditor, openMachineEditor } from './machine-edit.ts';
import { type MachineQuery, openMachineQuery } from './machine-query.ts';
import type { Machines } from './machines.ts';
import { type Merges, openMerges } from './merge.ts';
import { type NicEditor, openNicEditor } from './nic-edit.ts';
import { type Ownership, openOwnership } from './ownership.ts';
import { openQuirks, type Quirks } from './quirks.ts';
import { openRecords, type Records, type SubnetCheck } from './records.ts';
import type { SecretBox } from './secrets.ts';
import { openWaitWatch, type WaitWatch } from './wait-watch.ts';
import { openWebhooks, type Webhooks } from './webhooks.ts';

export interface ServerDb {
  readonly editor: MachineEditor;
  readonly nics: NicEditor;
  readonly query: MachineQuery;
  readonly records: Records;
  readonly addresses: Addresses;
  readonly ownership: Ownership;
  readonly hostnames: Hostnames;
  readonly merges: Merges;
  readonly access: Access;
  readonly credentials: Credentials;
  readonly bmcs: BmcStore;
  readonly bmcClaims: BmcClaims;
  readonly bmcFinder: BmcFinder;
  readonly history: EventHistory;
  readonly webhooks: Webhooks;
  readonly idempotency: Idempotency;
  readonly waits: WaitWatch;
  readonly quirks: Quirks;
  readonly deliveries: Deliveries;
  /** Inside a transaction: what `run` changes is undone when it throws, and nothing else. */
  savepoint<T>(run: () => T): T;
}

export interface ServerDbParts {
  readonly db: Database;
  readonly clock: Clock;
  readonly events: EventStore;
  readonly machines: Machines;
  readonly secrets: SecretBox;
  readonly checkSubnet?: SubnetCheck | undefined;
  /** The site's domain in DNS. */
  readonly domain?: string | undefined;
  step<T>(run: () => T): T;
}

export function openServerDb(parts: ServerDbParts): ServerDb {
  const { db, clock, events, machines } = parts;
  const records = openRecords(db, parts);
  const ownership = openOwnership(db, records);
  const addresses = openAddresses(db, { clock, events, records, ownership });
  const history = openEventHistory(db, { events });
  const hostnames = openHostnames(db, records, parts.domain);
  return {
    records,
    addresses,
    ownership,
    history,
    editor: openMachineEditor({ db, machines, records, addresses, ownership, hostnames, events }),
    nics: openNicEditor({ machines, addresses, ownership, events }),
    query: openMachineQuery(db),
    hostnames,
    merges: openMerges(db, { ...parts, addresses, ownership }),
    access: openAccess(parts),
    credentials: openCredentials(db, parts),
    bmcs: openBmcs(db, clock),
    bmcClaims: openBmcClaims(db),
    bmcFinder: openBmcFinder(db),
    webhooks: openWebhooks(db, { ...parts, history }),
    idempotency: openIdempotency(db, parts),
    waits: openWaitWatch(db, parts),
    deliveries: openDeliveries(db, { clock, events }),
    quirks: openQuirks(db, clock, (event) => void events.append(event)),
    savepoint: parts.step,
  };
}
