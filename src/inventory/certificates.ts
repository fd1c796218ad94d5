/** The rows of recycling: disks that were erased, and certificates. What a certificate says is made in src/recycle. */
import type { Database } from 'better-sqlite3';
import type { Hardwarename } from '../wire/ids.ts';
import type { Clock, Millis } from '../wire/time.ts';

export interface ErasedRow {
  readonly name: string;
  readonly doc: unknown;
  readonly at: Millis;
}

export interface StoredCertificate {
  readonly id: string;
  readonly job: string;
  readonly hardwarename: Hardwarename;
  readonly issuedAt: Millis;
  readonly result: 'sanitized' | 'failed';
  readonly level: '' | 'clear' | 'purge';
  readonly disks: number;
  readonly text: string;
  readonly signature: string;
}

export type NewCertificate = Omit<StoredCertificate, 'issuedAt'> & { readonly round: number };

export interface Certificates {
  /** @returns false when this disk has been told of in this round before */
  addErased(of: {
    job: string;
    round: number;
    name: string;
    serial: string;
    doc: unknown;
  }): boolean;
  erased(job: string, round: number): ErasedRow[];
  add(certificate: NewCertificate): StoredCertificate;
  get(id: string): StoredCertificate | undefined;
  ofRound(job: string, round: number): StoredCertificate | undefined;
  /** Newest first; of one machine, or of all; older than `before`. */
  list(filter: {
    hardwarename?: string | undefined;
    before?: number | undefined;
    count: number;
  }): StoredCertificate[];
}

interface Row {
  id: string;
  job: string;
  hardwarename: string;
  issued_at: number;
  result: string;
  level: string;
  disks: number;
  text: string;
  signature: string;
}

export function openCertificates(db: Database, clock: Clock): Certificates {
  const addErased = db.prepare(
    'INSERT INTO erased_disks VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const erased = db.prepare<[string, number], { name: string; doc: string; at: number }>(
    'SELECT name, doc, at FROM erased_disks WHERE job = ? AND round = ? ORDER BY name',
  );
  const add = db.prepare('INSERT INTO certificates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
  const get = db.prepare<[string], Row>('SELECT * FROM certificates WHERE id = ?');
  const ofRound = db.prepare<[string, number], Row>(
    'SELECT * FROM certificates WHERE job = ? AND round = ?',
  );
  const list = db.prepare<[string, number, number], Row>(
    `SELECT * FROM certificates WHERE ? IN ('', hardwarename) AND issued_at < ?
     ORDER BY issued_at DESC, id LIMIT ?`,
  );
  const one = (row: Row | undefined) => row && fromRow(row);
  return {
    addErased: ({ job, round, name, serial, doc }) =>
      addErased.run(job, round, name, serial, JSON.stringify(doc), clock()).changes > 0,
    erased: (job, round) =>
      erased.all(job, round).map(({ name, doc, at }) => ({
        ...{ name, doc: JSON.parse(doc), at: at as Millis },
      })),
    add({ id, job, round, hardwarename, result, level, disks, text, signature }) {
      const issuedAt = clock();
      add.run(id, job, round, hardwarename, issuedAt, result, level, disks, text, signature);
      return { id, job, hardwarename, issuedAt, result, level, disks, text, signature };
    },
    get: (id) => one(get.get(id)),
    ofRound: (job, round) => one(ofRound.get(job, round)),
    list: ({ hardwarename = '', before = Number.MAX_SAFE_INTEGER, count }) =>
      list.all(hardwarename, before, count).map(fromRow),
  };
}

function fromRow(row: Row): StoredCertificate {
  return {
    ...{ id: row.id, job: row.job, hardwarename: row.hardwarename as Hardwarename },
    issuedAt: row.issued_at as Millis,
    result: row.result as StoredCertificate['result'],
    level: row.level as StoredCertificate['level'],
    ...{ disks: row.disks, text: row.text, signature: row.signature },
  };
}
