/** The rows behind flight records and diagnoses: packets packed, what was found, which cards got into Linux. */
import type { Database } from 'better-sqlite3';
import type { Diagnosis } from '../diagnose/diagnose.ts';
import type { Flight } from '../diagnose/flight.ts';
import { limit } from '../limits.ts';
import type { BootId, Hardwarename } from '../wire/ids.ts';
import type { Mac } from '../wire/mac.ts';
import type { Clock } from '../wire/time.ts';
import {
  joinLogs,
  type KeptPacket,
  logOf,
  type PacketLog,
  packetsIn,
  storedForm,
} from './packets.ts';

/** A diagnosis as it is kept: the words of its rule are looked up by its name. */
export interface KeptDiagnosis {
  readonly id: number;
  readonly boot: string | undefined;
  readonly mac: string;
  readonly hardwarename: string;
  readonly name: string;
  readonly confidence: string;
  readonly place: string;
  readonly evidence: readonly string[];
  readonly also: readonly string[];
  readonly at: number;
  readonly endedAt: number | undefined;
  readonly site: string;
  readonly rack: string;
  readonly switch: string;
  readonly port: string;
  readonly model: string;
}

export interface Found {
  readonly boot: BootId | undefined;
  readonly mac: Mac;
  readonly hardwarename: Hardwarename | undefined;
  readonly diagnosis: Pick<Diagnosis, 'name' | 'confidence' | 'place' | 'evidence' | 'also'>;
  readonly place: Pick<Flight['place'], 'site' | 'rack' | 'switch' | 'port'>;
  readonly model: string;
}

export interface DiagnosisQuery {
  readonly hardwarename?: string | undefined;
  readonly mac?: string | undefined;
  readonly boot?: string | undefined;
  readonly name?: string | undefined;
  /** Only those whose boot has not gone on. */
  readonly open?: boolean | undefined;
  readonly limit: number;
}

export interface DiagnosisCount {
  readonly name: string;
  readonly site: string;
  readonly rack: string;
  readonly switch: string;
  readonly model: string;
  readonly total: number;
  readonly open: number;
}

export type FlightStore = ReturnType<typeof openFlightStore>;

interface Row {
  id: number;
  boot: string | null;
  mac: string;
  hardwarename: string | null;
  name: string;
  confidence: string;
  place: string;
  evidence: string;
  also: string;
  at: number;
  ended_at: number | null;
  site: string;
  rack: string;
  switch: string;
  port: string;
  model: string;
}

function fromRow({ boot, hardwarename, evidence, also, ended_at, ...row }: Row): KeptDiagnosis {
  return {
    ...row,
    boot: boot ?? undefined,
    hardwarename: hardwarename ?? '',
    evidence: JSON.parse(evidence),
    also: JSON.parse(also),
    endedAt: ended_at ?? undefined,
  };
}

/** Writes are the caller's transactions. */
export function openFlightStore(db: Database, clock: Clock) {
  const { tidy: tidyDiagnoses, ...diagnoses } = openDiagnoses(db, clock);
  const { tidy: tidyCards, ...cards } = openCards(db);
  return {
    ...{ ...openPackets(db, clock), ...diagnoses, ...cards },
    /** @param before diagnoses made before it go, open ones too: their machines are long gone or long mended */
    tidy: (before: number): number => tidyDiagnoses(before) + tidyCards(),
  };
}

function openPackets(db: Database, clock: Clock) {
  const add = db.prepare(
    'INSERT INTO flight_packets (boot, mac, at, packets) VALUES (?, ?, ?, ?) ON CONFLICT (boot) DO NOTHING',
  );
  const change = db.prepare('UPDATE flight_packets SET at = ?, packets = ? WHERE boot = ?');
  const get = db.prepare<[string], { packets: Uint8Array }>(
    'SELECT packets FROM flight_packets WHERE boot = ?',
  );
  const trimNic = db.prepare(
    `DELETE FROM flight_packets WHERE boot IN (
       SELECT id FROM boots WHERE mac = ? ORDER BY started_at DESC LIMIT -1 OFFSET ?)`,
  );
  // Rows are numbered in the order of their writing.
  const trimAll = db.prepare(
    'DELETE FROM flight_packets WHERE rowid <= (SELECT max(rowid) FROM flight_packets) - ?',
  );
  /** How often each NIC's were written since they were last trimmed, or since the start. */
  const written = new Map<Mac, number>();
  const trimOften = (mac: Mac): void => {
    const times = (written.get(mac) ?? 0) + 1;
    const max = limit('flightsPerMachineMax');
    if (times >= max) trimNic.run(mac, max);
    if (times >= max) written.delete(mac);
    else written.set(mac, times);
    if (written.size > limit('flightsMax')) written.clear();
  };
  return {
    packets: (boot: string): KeptPacket[] => {
      const row = get.get(boot);
      return row ? packetsIn(row.packets) : [];
    },
    /** Behind those that are kept of this boot. */
    keep(boot: BootId, mac: Mac, packets: PacketLog): void {
      const now = clock();
      if (add.run(boot, mac, now, storedForm(packets)).changes === 0) {
        const log = logOf(get.get(boot)?.packets ?? new Uint8Array());
        joinLogs(log, packets);
        change.run(now, storedForm(log), boot);
      }
      trimOften(mac);
    },
    trim: () => void trimAll.run(limit('flightsMax')),
  };
}

const DAY_MS = 86_400_000;

function openDiagnoses(db: Database, clock: Clock) {
  const insert = db.prepare(
    `INSERT INTO diagnoses (boot, mac, hardwarename, name, confidence, place, evidence, also, at, site, rack, switch, port, model)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const ofBoot = db.prepare<[string], Row>(
    'SELECT * FROM diagnoses WHERE boot = ? ORDER BY id DESC LIMIT 1',
  );
  const openOf = db.prepare<[string], Row>(
    'SELECT * FROM diagnoses WHERE mac = ? AND boot IS NULL AND ended_at IS NULL ORDER BY id DESC LIMIT 1',
  );
  const endOfBoot = db.prepare(
    'UPDATE diagnoses SET ended_at = ? WHERE boot = ? AND ended_at IS NULL',
  );
  const endOfMac = db.prepare(
    'UPDATE diagnoses SET ended_at = ? WHERE mac = ? AND ended_at IS NULL',
  );
  const endOfPower = db.prepare(
    'UPDATE diagnoses SET ended_at = ? WHERE mac = ? AND boot IS NULL AND ended_at IS NULL',
  );
  const counts = db.prepare<[number], DiagnosisCount>(
    `SELECT name, site, rack, switch, model, count(*) AS total, sum(ended_at IS NULL) AS open
     FROM diagnoses GROUP BY name, site, rack, switch, model ORDER BY total DESC LIMIT ?`,
  );
  const old = db.prepare(
    'DELETE FROM diagnoses WHERE id IN (SELECT id FROM diagnoses WHERE at < ? ORDER BY id LIMIT ?)',
  );
  const surplus = db.prepare(
    `DELETE FROM diagnoses WHERE id IN (SELECT id FROM diagnoses ORDER BY id LIMIT
       min(?, max(0, (SELECT count(*) FROM diagnoses) - ?)))`,
  );
  const stalled = db.prepare<[number, number, number], { id: string }>(
    `SELECT id FROM boots WHERE started_at > ? AND stalled_at > ?
       AND NOT EXISTS (SELECT 1 FROM diagnoses WHERE diagnoses.boot = boots.id)
     ORDER BY stalled_at DESC LIMIT ?`,
  );
  return {
    /** Boots that have stalled since then, and that have no diagnosis; only those of the last day are looked through. */
    stalledUnnamed: (since: number): BootId[] =>
      stalled
        .all(since - DAY_MS, since, limit('flightBootsInMemoryMax'))
        .map(({ id }) => id as BootId),
    tidy(before: number): number {
      const max = limit('diagnosesTrimMax');
      return old.run(before, max).changes + surplus.run(max, limit('diagnosesMax')).changes;
    },
    found({ boot, mac, hardwarename, diagnosis, place, model }: Found): void {
      const { name, confidence, evidence, also } = diagnosis;
      const where = [place.site, place.rack, place.switch, place.port, model];
      const says = [name, confidence, diagnosis.place, JSON.stringify(evidence)];
      insert.run(
        boot ?? null,
        mac,
        hardwarename ?? null,
        ...says,
        JSON.stringify(also),
        clock(),
        ...where,
      );
    },
    ofBoot: (boot: string): KeptDiagnosis | undefined => {
      const row = ofBoot.get(boot);
      return row && fromRow(row);
    },
    /** Of a machine that was switched on and did not boot. */
    ofPower: (mac: string): KeptDiagnosis | undefined => {
      const row = openOf.get(mac);
      return row && fromRow(row);
    },
    /** The boot has gone on after all. */
    endBoot: (boot: string): number => endOfBoot.run(clock(), boot).changes,
    /** It has begun to boot from the network after all. */
    endPower: (mac: string): number => endOfPower.run(clock(), mac).changes,
    /** The machine has booted well: nothing of before is open any more of this NIC. */
    endMachine: (mac: string): number => endOfMac.run(clock(), mac).changes,
    list(query: DiagnosisQuery): KeptDiagnosis[] {
      const wanted = (['hardwarename', 'mac', 'boot', 'name'] as const).filter((key) => query[key]);
      const where = [
        ...wanted.map((key) => `${key} = ?`),
        ...(query.open ? ['ended_at IS NULL'] : []),
      ];
      const sql = `SELECT * FROM diagnoses ${where.length > 0 ? `WHERE ${where.join(' AND ')}` : ''} ORDER BY id DESC LIMIT ?`;
      const values = wanted.map((key) => query[key]);
      return (db.prepare(sql).all(...values, query.limit) as Row[]).map(fromRow);
    },
    /** The most frequent first; an answer is kept for a while (`diagnosisCountsMs`). */
    counts: keptFor(limit('diagnosisCountsMs'), clock, (max) => counts.all(max)),
  };
}

/** `read` by its few arguments, each anew only when its last answer is old: it goes through a whole table. */
function keptFor<T>(ms: number, clock: Clock, read: (max: number) => T): (max: number) => T {
  const kept = new Map<number, { readonly answer: T; readonly at: number }>();
  return (max) => {
    const known = kept.get(max);
    // A clock that was set back makes an answer old, too.
    if (known && Math.abs(clock() - known.at) < ms) return known.answer;
    const answer = read(max);
    kept.set(max, { answer, at: clock() });
    return answer;
  };
}

function openCards(db: Database) {
  const put = db.prepare(
    'INSERT INTO boot_cards (boot, card, reached_linux) VALUES (?, ?, 1) ON CONFLICT (boot) DO NOTHING',
  );
  const others = db.prepare<[string, string], { count: number }>(
    'SELECT count(*) AS count FROM boot_cards WHERE card = ? AND reached_linux = 1 AND boot <> ?',
  );
  const trimKind = db.prepare(
    'DELETE FROM boot_cards WHERE card = ? AND rowid NOT IN (SELECT rowid FROM boot_cards WHERE card = ? ORDER BY rowid DESC LIMIT ?)',
  );
  const trimAll = db.prepare(
    'DELETE FROM boot_cards WHERE rowid <= (SELECT rowid FROM boot_cards ORDER BY rowid DESC LIMIT 1 OFFSET ?)',
  );
  return {
    /** A boot from such a card got into Linux: the newest few of each kind are kept. */
    cardReachedLinux(boot: string, card: string): void {
      if (put.run(boot, card).changes > 0) trimKind.run(card, card, limit('bootCardsPerKindMax'));
    },
    tidy: (): number => trimAll.run(limit('bootCardsMax')).changes,
    /** How many other boots from such a card got into Linux. */
    cardsThatReachedLinux: (card: string, boot: string): number =>
      others.get(card, boot)?.count ?? 0,
  };
}
