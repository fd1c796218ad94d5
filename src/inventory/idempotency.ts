/**
 * Answers to requests that carried an Idempotency-Key, kept in the transaction of the change that they tell of: a client
 * that repeats a request after a lost answer or a killed daemon gets the first answer, and the change is made once.
 */
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import type { Clock } from '../wire/time.ts';

export interface KeptAnswer {
  readonly status: number;
  readonly body: string;
  readonly etag: string;
}

export interface IdempotencyKey {
  /** Whose key it is: two principals may choose the same one. */
  readonly who: string;
  readonly key: string;
  /** Of method, path and body. */
  readonly digest: string;
}

export interface Idempotency {
  /** @throws AppError IDEMPOTENCY_MISMATCH when the key was used for another request */
  find(key: IdempotencyKey): KeptAnswer | undefined;
  keep(key: IdempotencyKey, answer: KeptAnswer): void;
  sweep(): number;
}

export function openIdempotency(db: Database, clock: Clock): Idempotency {
  const get = db.prepare<[string, string], KeptAnswer & { digest: string }>(
    'SELECT digest, status, body, etag FROM idempotency WHERE who = ? AND key = ?',
  );
  const put = db.prepare(
    'INSERT INTO idempotency (who, key, digest, status, body, etag, at) VALUES (?, ?, ?, ?, ?, ?, ?)',
  );
  const sweep = db.prepare('DELETE FROM idempotency WHERE at < ?');
  return {
    find({ who, key, digest }) {
      const kept = get.get(who, key);
      if (kept && kept.digest !== digest) throw new AppError('IDEMPOTENCY_MISMATCH');
      return kept;
    },
    keep: ({ who, key, digest }, { status, body, etag }) =>
      void put.run(who, key, digest, status, body, etag, clock()),
    sweep: () => sweep.run(clock() - limit('idempotencyMs')).changes,
  };
}
