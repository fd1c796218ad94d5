/**
 * Credentials of BMCs and the like, by name. The API takes a password in and never gives one out; only the code that
 * talks to a BMC opens it (`open`). A squad's credential is seen and changed by that squad alone.
 */
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { Clock } from '../wire/time.ts';
import type { EventStore } from './event-store.ts';
import { assertVersion } from './records.ts';
import type { SecretBox } from './secrets.ts';

export interface Credential {
  readonly name: string;
  readonly squad: string;
  readonly username: string;
  readonly notes: string;
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface Credentials {
  list(): Credential[];
  get(name: string): Credential | undefined;
  /** A password that is absent stays as it is. @throws AppError VERSION_CONFLICT, REQUEST_INVALID for a new one without */
  put(
    entry: Pick<Credential, 'name' | 'squad' | 'username' | 'notes'> & {
      password?: string | undefined;
    },
    cause: { who: string; version?: number | undefined },
  ): Credential;
  /** @throws AppError NOT_FOUND, STILL_REFERENCED */
  remove(name: string, who: string): void;
  /** For the IPMI code. @throws AppError NOT_FOUND, SECRET_KEY_INVALID */
  open(name: string): { username: string; password: string };
}

interface Row {
  name: string;
  squad: string;
  username: string;
  sealed: Buffer;
  notes: string;
  version: number;
  created_at: number;
  updated_at: number;
}

const bound = (name: string): string => `credential ${name}`;

const fromRow = (row: Row): Credential => ({
  name: row.name,
  squad: row.squad,
  username: row.username,
  notes: row.notes,
  version: row.version,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

export function openCredentials(
  db: Database,
  { clock, events, secrets }: { clock: Clock; events: EventStore; secrets: SecretBox },
): Credentials {
  const list = db.prepare<[], Row>('SELECT * FROM credentials ORDER BY name');
  const get = db.prepare<[string], Row>('SELECT * FROM credentials WHERE name = ?');
  const put = db.prepare(
    `INSERT INTO credentials (name, squad, username, sealed, notes, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET squad = excluded.squad, username = excluded.username, sealed = excluded.sealed,
       notes = excluded.notes, version = version + 1, updated_at = excluded.updated_at`,
  );
  const drop = db.prepare('DELETE FROM credentials WHERE name = ?');
  const usedBy = db.prepare<[{ name: string }], { user: string }>(
    `SELECT hardwarename AS user FROM machines WHERE bmc_credential = @name
     UNION ALL SELECT 'BMC profile ' || name FROM records
       WHERE kind = 'bmc' AND doc ->> 'keyCredential' = @name LIMIT 1`,
  );
  const tell = (id: string, change: string, who: string) =>
    events.append({ name: 'access.changed', data: { kind: 'credential', id, change, who } });
  const found = (name: string): Row => {
    const row = get.get(name);
    if (!row) throw new AppError('NOT_FOUND', { detail: `No credential ${name}.` });
    return row;
  };

  return {
    list: () => list.all().map(fromRow),
    get(name) {
      const row = get.get(name);
      return row && fromRow(row);
    },
    put({ name, squad, username, notes, password }, { who, version }) {
      const before = get.get(name);
      assertVersion(before?.version ?? 0, version);
      if (!before && password === undefined)
        throw new AppError('REQUEST_INVALID', {
          detail: 'is needed for a new one',
          path: '/password',
        });
      const sealed = password === undefined ? before?.sealed : secrets.seal(password, bound(name));
      const now = clock();
      put.run(name, squad, username, sealed, notes, now, now);
      tell(
        name,
        `${before ? 'changed' : 'created'}${password === undefined ? '' : ', password set'}`,
        who,
      );
      return fromRow(found(name));
    },
    remove(name, who) {
      found(name);
      const user = usedBy.get({ name });
      if (user) throw new AppError('STILL_REFERENCED', { detail: `By ${user.user}.` });
      drop.run(name);
      tell(name, 'removed', who);
    },
    open(name) {
      const { username, sealed } = found(name);
      return { username, password: secrets.open(sealed, bound(name)) };
    },
  };
}
