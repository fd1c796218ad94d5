/**
 * BMCs on record: what was seen of each, which machine it belongs to, and what was learnt about speaking to it.
 *
 * A BMC is known by its MAC, or by its address where nobody has told its MAC yet. What is in here is never a condition for
 * reaching a machine's BMC (its record names the address), only what makes that quicker and safer: the protocol that it
 * answered, the credential that opened it, the certificate that it showed. Logins are names; no secret is in this table.
 */
import type { Database } from 'better-sqlite3';
import type { Hardwarename } from '../wire/ids.ts';
import type { Clock } from '../wire/time.ts';

export type BmcSource = 'dhcp' | 'report' | 'record';
export type BmcProtocol = 'ipmi' | 'redfish';

/** What a BMC says of itself. */
export interface BmcFacts {
  readonly manufacturer?: string;
  readonly product?: string;
  readonly serial?: string;
  readonly uuids?: readonly string[];
  readonly macs?: readonly string[];
  readonly firmware?: string;
}

export interface BmcRecord {
  /** Its MAC, else its address. */
  readonly id: string;
  readonly mac: string;
  readonly address: string;
  readonly source: BmcSource;
  readonly vendorClass: string;
  readonly hostname: string;
  readonly firstAt: number;
  readonly lastAt: number;
  /** '' until it is matched. */
  readonly hardwarename: Hardwarename | '';
  /** `mac`, `address`, `uuid`, `serial`, `nic`, or who said so. */
  readonly matchedBy: string;
  readonly matchedAt: number;
  readonly protocol: BmcProtocol | '';
  readonly credential: string;
  /** SHA-256, hex; '' where none is pinned. */
  readonly certificate: string;
  readonly openedAt: number;
  /** Of the first failure since it was last opened; 0: none. */
  readonly failedAt: number;
  readonly code: string;
  readonly detail: string;
  readonly facts: BmcFacts;
  readonly power: 'on' | 'off' | '';
  readonly lookedAt: number;
  readonly lookNext: number;
  readonly looks: number;
  /** `wanted`: a person is asked. `asked`: it is to be done. `done`: it was switched on `wakes` times, last at `wakeAt`. */
  readonly wake: '' | 'wanted' | 'asked' | 'done';
  readonly wakeAt: number;
  readonly wakes: number;
  /** Why it is not matched. */
  readonly why: string;
  /** By name of a credential: that it was refused, and as what. */
  readonly refused: Readonly<Record<string, BmcRefusal>>;
  /** When logins were refused, of the last hour. */
  readonly refusedAt: readonly number[];
  /** A login of the site may be shown to whoever has the pinned certificate. */
  readonly trusted: boolean;
}

export interface BmcRefusal {
  /** Of the credential: a changed one is another. */
  readonly version: number;
  readonly code: string;
  /** The rights that were asked for. */
  readonly privilege: string;
  readonly at: number;
}

/** Everything that follows from what was seen and done, and may be written by itself. */
export type BmcChanges = Partial<Omit<BmcRecord, 'id' | 'firstAt' | 'source'>>;

export interface BmcSighting {
  readonly mac: string;
  readonly address: string;
  readonly source: BmcSource;
  readonly vendorClass?: string;
  readonly hostname?: string;
}

export interface BmcStore {
  get(id: string): BmcRecord | undefined;
  ofMachine(hardwarename: Hardwarename): BmcRecord[];
  /** By id, from above `after` on. */
  list(page: {
    readonly after: string;
    readonly count: number;
    readonly unmatched: boolean;
  }): BmcRecord[];
  /** Makes the row, or notes that it was seen again, perhaps at another address; one known by that alone gets its MAC. */
  sighted(sighting: BmcSighting): BmcRecord;
  /** Others that were last seen at this address, which is somebody else's now. */
  othersAt(address: string, id: string): BmcRecord[];
  /** Writes what differs. One that is not there is made, with the address of the changes. */
  write(id: string, changes: BmcChanges): void;
  /** Whose turn it is to be looked at, the longest due first. */
  due(now: number, count: number): BmcRecord[];
  /** When the next one is due; `undefined` when none is. */
  nextDue(): number | undefined;
  /** Switched on by themselves since then. */
  wakesSince(at: number): number;
  wanting(wake: BmcRecord['wake']): BmcRecord[];
  remove(id: string): boolean;
  counts(): { readonly matched: number; readonly unmatched: number };
  /** Events that discovery has not read yet, oldest first, of those that tell of BMCs, machines and credentials. */
  news(count: number): BmcNews[];
  /** In the transaction of what follows from them. */
  readUpTo(event: number): void;
}

export interface BmcNews {
  readonly id: number;
  readonly name: string;
  readonly hardwarename: Hardwarename | undefined;
  readonly data: Readonly<Record<string, unknown>>;
}

const COLUMNS = {
  id: 'id',
  mac: 'mac',
  address: 'address',
  source: 'source',
  vendorClass: 'vendor_class',
  hostname: 'hostname',
  firstAt: 'first_at',
  lastAt: 'last_at',
  hardwarename: 'hardwarename',
  matchedBy: 'matched_by',
  matchedAt: 'matched_at',
  protocol: 'protocol',
  credential: 'credential',
  certificate: 'certificate',
  openedAt: 'opened_at',
  failedAt: 'failed_at',
  code: 'code',
  detail: 'detail',
  facts: 'facts',
  power: 'power',
  lookedAt: 'looked_at',
  lookNext: 'look_next',
  looks: 'looks',
  wake: 'wake',
  wakeAt: 'wake_at',
  wakes: 'wakes',
  why: 'why',
  refused: 'refused',
  refusedAt: 'refused_at',
  trusted: 'trusted',
} as const satisfies Record<keyof BmcRecord, string>;

const NAMES = Object.keys(COLUMNS) as (keyof BmcRecord)[];
type Row = Readonly<Record<string, string | number>>;

export function openBmcs(db: Database, clock: Clock): BmcStore {
  const select = `SELECT ${NAMES.map((name) => `${COLUMNS[name]} AS "${name}"`).join(', ')} FROM bmcs`;
  const get = db.prepare<[string], Row>(`${select} WHERE id = ?`);
  const ofMachine = db.prepare<[string], Row>(
    `${select} WHERE hardwarename = ? AND hardwarename <> '' ORDER BY id`,
  );
  const list = db.prepare<[string, number], Row>(`${select} WHERE id > ? ORDER BY id LIMIT ?`);
  const unmatched = db.prepare<[string, number], Row>(
    `${select} WHERE id > ? AND hardwarename = '' ORDER BY id LIMIT ?`,
  );
  const due = db.prepare<[number, number], Row>(
    `${select} WHERE look_next > 0 AND look_next <= ? ORDER BY look_next LIMIT ?`,
  );
  const nextDue = db.prepare<[], { at: number | null }>(
    'SELECT min(look_next) AS at FROM bmcs WHERE look_next > 0',
  );
  const wakesSince = db.prepare<[number], { count: number }>(
    `SELECT count(*) AS count FROM bmcs WHERE wakes > 0 AND wake_at > ?`,
  );
  const wanting = db.prepare<[string], Row>(`${select} WHERE wake = ? ORDER BY id`);
  const insert = db.prepare(
    'INSERT INTO bmcs (id, mac, address, source, first_at, last_at) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const news = db.prepare<
    [number],
    { id: number; name: string; hardwarename: string | null; data: string }
  >(
    `SELECT id, name, hardwarename, data FROM events WHERE id > (SELECT cursor FROM bmc_feed)
       AND name IN ('bmc.seen', 'machine.registered', 'recon.received', 'machine.edited', 'access.changed')
     ORDER BY id LIMIT ?`,
  );
  const counts = db.prepare<[], { all: number; unmatched: number }>(
    `SELECT count(*) AS "all", count(*) FILTER (WHERE hardwarename = '') AS unmatched FROM bmcs`,
  );
  const readUpTo = db.prepare('UPDATE bmc_feed SET cursor = ? WHERE id = 1 AND cursor < ?');
  const othersAt = db.prepare<[string, string], Row>(
    `${select} WHERE address = ? AND address <> '' AND id <> ?`,
  );
  const rename = db.prepare('UPDATE bmcs SET id = ?, mac = ? WHERE id = ?');
  const remove = db.prepare('DELETE FROM bmcs WHERE id = ?');
  const find = (id: string) => {
    const row = get.get(id);
    return row && fromRow(row);
  };
  const write = (id: string, changes: BmcChanges): void => {
    if (!get.get(id)) {
      const now = clock();
      insert.run(id, id.includes(':') ? id : '', changes.address ?? '', 'record', now, now);
    }
    const before = find(id);
    const differing = (Object.keys(changes) as (keyof BmcChanges)[]).filter(
      (name) =>
        changes[name] !== undefined &&
        JSON.stringify(changes[name]) !== JSON.stringify(before?.[name]),
    );
    if (differing.length === 0) return;
    const sets = differing.map((name) => `${COLUMNS[name]} = ?`).join(', ');
    const values = differing.map((name) => toColumn(changes[name]));
    db.prepare(`UPDATE bmcs SET ${sets} WHERE id = ?`).run(...values, id);
  };

  return {
    get: find,
    write,
    ofMachine: (hardwarename) => ofMachine.all(hardwarename).map(fromRow),
    list: ({ after, count, unmatched: only }) =>
      (only ? unmatched : list).all(after, count).map(fromRow),
    sighted({ mac, address, source, vendorClass = '', hostname = '' }) {
      const id = mac || address;
      const now = clock();
      if (mac !== '' && get.get(address)) {
        if (get.get(id)) remove.run(address);
        else rename.run(id, mac, address);
      }
      if (!get.get(id)) insert.run(id, mac, address, source, now, now);
      write(id, {
        ...{ address, lastAt: now },
        ...(vendorClass === '' ? {} : { vendorClass }),
        ...(hostname === '' ? {} : { hostname }),
      });
      return find(id) as BmcRecord;
    },
    othersAt: (address, id) => othersAt.all(address, id).map(fromRow),
    due: (now, count) => due.all(now, count).map(fromRow),
    nextDue: () => nextDue.get()?.at ?? undefined,
    wakesSince: (at) => wakesSince.get(at)?.count ?? 0,
    wanting: (wake) => wanting.all(wake).map(fromRow),
    news: (count) =>
      news.all(count).map(({ hardwarename, data, ...rest }) => ({
        ...rest,
        hardwarename: (hardwarename ?? undefined) as Hardwarename | undefined,
        data: JSON.parse(data),
      })),
    counts() {
      const { all, unmatched } = counts.get() ?? { all: 0, unmatched: 0 };
      return { matched: all - unmatched, unmatched };
    },
    readUpTo: (event) => void readUpTo.run(event, event),
    remove: (id) => remove.run(id).changes > 0,
  };
}

function fromRow(row: Row): BmcRecord {
  const json = (name: string) => JSON.parse(String(row[name]));
  const parsed = { facts: json('facts'), refused: json('refused'), refusedAt: json('refusedAt') };
  return { ...row, ...parsed, trusted: row.trusted === 1 } as unknown as BmcRecord;
}

function toColumn(value: unknown): string | number {
  if (typeof value === 'boolean') return value ? 1 : 0;
  return typeof value === 'object' ? JSON.stringify(value) : (value as string | number);
}
