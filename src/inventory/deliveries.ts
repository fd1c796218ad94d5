/**
 * Expected machines: packing lists, and how what has come compares with them.
 *
 * A line is compared each time it is asked for, against the machines on record: it is missing until a machine of its serial
 * has reported, then it has arrived, or stands in another slot than the list says, or its serial is there twice. A machine
 * that came since the list, stands in one of its racks or bears its order number, and is in no list at all is unexpected.
 * Nothing here changes a machine.
 */
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Clock, Millis } from '../wire/time.ts';
import type { EventStore } from './event-store.ts';
import { serialKey } from './identity.ts';
import type { Cause } from './records.ts';

export interface DeliveryLine {
  readonly serial: string;
  readonly product: string;
  /** '': anywhere. */
  readonly rack: string;
  /** Lowest unit; 0: any. */
  readonly unit: number;
}

export interface DeliveryDoc {
  readonly supplier: string;
  /** A day, as in 2026-11-30; '' when not known. */
  readonly expectedOn: string;
  readonly notes: string;
  readonly lines: readonly DeliveryLine[];
}

export interface Delivery extends Omit<DeliveryDoc, 'lines'> {
  readonly name: string;
  readonly version: number;
  readonly createdAt: Millis;
  readonly updatedAt: Millis;
}

export const LINE_STATUSES = [
  'missing',
  'duplicate',
  'wrong slot',
  'unexpected',
  'arrived',
] as const;
export type LineStatus = (typeof LINE_STATUSES)[number];

export interface ComparedLine extends DeliveryLine {
  /** From 1; 0 for a machine that is in no list. */
  readonly line: number;
  readonly status: LineStatus;
  /** The machine, where there is one. */
  readonly hardwarename: Hardwarename | '';
  /** Where that machine is. */
  readonly foundRack: string;
  readonly foundUnit: number;
  /** What is wrong, in words; '' when nothing is. */
  readonly why: string;
}

export interface Deliveries {
  list(): Delivery[];
  get(name: string): Delivery | undefined;
  /** Makes or replaces it with all of its lines. @throws AppError VERSION_CONFLICT */
  put(name: string, doc: DeliveryDoc, cause: Cause): Delivery;
  /** @throws AppError NOT_FOUND, VERSION_CONFLICT */
  remove(name: string, cause: Cause): void;
  /** What needs somebody first, then by line. */
  compare(delivery: Delivery): ComparedLine[];
  /** The delivery that lists this serial; '' for none. */
  ofSerial(serial: string): string;
}

interface Row {
  name: string;
  version: number;
  supplier: string;
  expected_on: string;
  notes: string;
  created_at: number;
  updated_at: number;
}

interface LineRow extends DeliveryLine {
  line: number;
  serial_key: string;
  hardwarename: string | null;
  reported: number | null;
  found_rack: string | null;
  found_unit: number | null;
  listed: number;
  machines: number;
}

const COMPARED = `
  SELECT l.line, l.serial, l.serial_key, l.product, l.rack, l.unit,
    m.hardwarename, m.reported, m.rack AS found_rack, m.unit AS found_unit,
    (SELECT count(*) FROM delivery_lines AS other WHERE other.serial_key = l.serial_key) AS listed,
    (SELECT count(*) FROM machines AS other WHERE other.serial_key = l.serial_key) AS machines
  FROM delivery_lines AS l LEFT JOIN machines AS m ON m.serial_key = l.serial_key
  WHERE l.delivery = ? GROUP BY l.line ORDER BY l.line`;

/** In a rack of the list or under its number, come since the list, and in no list at all. */
const UNEXPECTED = `
  SELECT m.hardwarename, m.serial, m.product, m.rack, m.unit FROM machines AS m
  WHERE m.reported = 1
    AND (m.order_number = $name OR (m.created_at > $since AND m.rack <> ''
      AND m.rack IN (SELECT rack FROM delivery_lines WHERE delivery = $name)))
    AND NOT EXISTS (SELECT 1 FROM delivery_lines AS l WHERE l.serial_key = m.serial_key)
  ORDER BY m.hardwarename LIMIT 1000`;

export function openDeliveries(
  db: Database,
  { clock, events }: { clock: Clock; events: EventStore },
): Deliveries {
  const sql = {
    list: db.prepare<[], Row>('SELECT * FROM deliveries ORDER BY created_at DESC, name'),
    get: db.prepare<[string], Row>('SELECT * FROM deliveries WHERE name = ?'),
    put: db.prepare(
      `INSERT INTO deliveries (name, version, supplier, expected_on, notes, created_at, updated_at)
       VALUES (?, 1, ?, ?, ?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET version = version + 1, supplier = excluded.supplier,
         expected_on = excluded.expected_on, notes = excluded.notes, updated_at = excluded.updated_at`,
    ),
    clear: db.prepare('DELETE FROM delivery_lines WHERE delivery = ?'),
    line: db.prepare('INSERT INTO delivery_lines VALUES (?, ?, ?, ?, ?, ?, ?)'),
    drop: db.prepare('DELETE FROM deliveries WHERE name = ?'),
    compared: db.prepare<[string], LineRow>(COMPARED),
    unexpected: db.prepare<
      { name: string; since: number },
      { hardwarename: string; serial: string; product: string; rack: string; unit: number }
    >(UNEXPECTED),
    ofSerial: db.prepare<[string], { delivery: string }>(
      'SELECT delivery FROM delivery_lines WHERE serial_key = ? LIMIT 1',
    ),
  };
  const get = (name: string): Delivery | undefined => {
    const row = sql.get.get(name);
    return row && shown(row);
  };
  const assertVersion = (known: Delivery | undefined, version: number | undefined) => {
    if (version === undefined || version === (known?.version ?? 0)) return;
    throw new AppError('VERSION_CONFLICT', { more: { version: known?.version ?? 0 } });
  };
  const tell = (id: string, { who, why }: Cause, change: { before?: unknown; after?: unknown }) =>
    events.append({ name: 'record.changed', data: { kind: 'delivery', id, who, why, ...change } });
  return {
    list: () => sql.list.all().map(shown),
    get,
    put(name, { lines, ...doc }, cause) {
      const before = get(name);
      assertVersion(before, cause.version);
      const now = clock();
      sql.put.run(name, doc.supplier, doc.expectedOn, doc.notes, now, now);
      sql.clear.run(name);
      for (const [index, { serial, product, rack, unit }] of lines.entries())
        sql.line.run(name, index + 1, serial, serialKey(serial), product, rack, unit);
      tell(name, cause, {
        ...(before && { before: { supplier: before.supplier, expectedOn: before.expectedOn } }),
        after: { supplier: doc.supplier, expectedOn: doc.expectedOn, lines: lines.length },
      });
      return get(name) as Delivery;
    },
    remove(name, cause) {
      const before = get(name);
      if (!before) throw new AppError('NOT_FOUND', { detail: `No delivery ${name}.` });
      assertVersion(before, cause.version);
      sql.drop.run(name);
      tell(name, cause, { before: { supplier: before.supplier } });
    },
    compare({ name, createdAt }) {
      const lines = sql.compared.all(name).map(judged);
      const strays = sql.unexpected.all({ name, since: createdAt }).map(
        (machine): ComparedLine => ({
          ...{ line: 0, serial: machine.serial, product: machine.product, status: 'unexpected' },
          ...{ rack: '', unit: 0, hardwarename: machine.hardwarename as Hardwarename },
          ...{ foundRack: machine.rack, foundUnit: machine.unit, why: 'It is in no list.' },
        }),
      );
      const rank = ({ status }: ComparedLine) => LINE_STATUSES.indexOf(status);
      return [...lines, ...strays].sort((a, b) => rank(a) - rank(b) || a.line - b.line);
    },
    ofSerial: (serial) =>
      serial === '' ? '' : (sql.ofSerial.get(serialKey(serial))?.delivery ?? ''),
  };
}

function shown({ expected_on, created_at, updated_at, ...row }: Row): Delivery {
  const { name, version, supplier, notes } = row;
  const times = { createdAt: created_at as Millis, updatedAt: updated_at as Millis };
  return { name, version, supplier, expectedOn: expected_on, notes, ...times };
}

function judged(row: LineRow): ComparedLine {
  const { line, serial, product, rack, unit } = row;
  const found = row.reported === 1;
  const [foundRack, foundUnit] = [row.found_rack ?? '', row.found_unit ?? 0];
  const hardwarename = (row.hardwarename ?? '') as Hardwarename | '';
  const base = { line, serial, product, rack, unit, hardwarename, foundRack, foundUnit };
  if (row.listed > 1)
    return { ...base, status: 'duplicate', why: `Its serial is listed ${row.listed} times.` };
  if (row.machines > 1)
    return { ...base, status: 'duplicate', why: `${row.machines} machines have its serial.` };
  if (!found) return { ...base, status: 'missing', why: 'It has not reported yet.' };
  if (isElsewhere(base)) {
    const where = foundUnit > 0 ? `${foundRack} unit ${foundUnit}` : foundRack;
    return { ...base, status: 'wrong slot', why: `It is in ${where}.` };
  }
  return { ...base, status: 'arrived', why: '' };
}

/** Where either side says nothing, nothing is wrong. */
function isElsewhere(line: Omit<ComparedLine, 'status' | 'why'>): boolean {
  if (line.rack === '' || line.foundRack === '') return false;
  if (line.rack !== line.foundRack) return true;
  return line.unit > 0 && line.foundUnit > 0 && line.unit !== line.foundUnit;
}
