/**
 * Answers to requests that carried an Idempotency-Key: a client that repeats a request after a lost answer or a killed daemon
 * gets the first answer, and the change is made once.
 *
 * A change in one transaction keeps its answer in that transaction. A call that takes several (bulk, import) takes its key
 * first, as a row that says it is running: an equal request meanwhile is refused, not run beside it. A row that still says so
 * when its daemon is gone tells that the call was cut off in the middle; what it had changed by then stays, so the key says
 * that instead of running it again.
 *
 * Bodies hold passwords: what is kept of a request is its digest under the key of secrets. Under another key, as after a
 * restore without the old one, a repeated request counts as another.
 */
import { randomUUID } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import type { Clock } from '../wire/time.ts';
import type { SecretBox } from './secrets.ts';

export interface KeptAnswer {
  readonly status: number;
  readonly body: string;
  readonly etag: string;
}

export interface IdempotencyKey {
  /** Whose key it is: two principals may choose the same one. */
  readonly who: string;
  readonly key: string;
  /** Of method, path and body, as `digestOf` makes it. */
  readonly digest: string;
}

export interface Idempotency {
  /** @throws AppError SECRET_KEY_INVALID */
  digestOf(request: string): string;
  /**
   * @throws AppError IDEMPOTENCY_MISMATCH when the key was used for another request, IDEMPOTENCY_RUNNING while that request
   * is being carried out, IDEMPOTENCY_CUT_OFF when it was cut off
   */
  find(key: IdempotencyKey): KeptAnswer | undefined;
  /** Takes the key for a call that takes more than one transaction; gives the answer where there is one. @throws as `find` */
  take(key: IdempotencyKey): KeptAnswer | undefined;
  keep(key: IdempotencyKey, answer: KeptAnswer): void;
  /** The call that took it has changed nothing: the key is free again. */
  release(key: IdempotencyKey): void;
  /** The call that took it broke off, and may have changed something. */
  cutOff(key: IdempotencyKey): void;
  sweep(): number;
}

/** Stands where the status of the answer will. `body` then names the process that runs it. */
const RUNNING = 0;
const CUT_OFF = -1;

export function openIdempotency(
  db: Database,
  { clock, secrets }: { clock: Clock; secrets: SecretBox },
): Idempotency {
  /** Of this process: what another one began is not running any more. */
  const run: string = randomUUID();
  const get = db.prepare<[string, string], KeptAnswer & { digest: string }>(
    'SELECT digest, status, body, etag FROM idempotency WHERE who = ? AND key = ?',
  );
  const put = db.prepare(
    `INSERT INTO idempotency (who, key, digest, status, body, etag, at) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (who, key) DO UPDATE SET status = excluded.status, body = excluded.body, etag = excluded.etag
       WHERE status = ${RUNNING} AND digest = excluded.digest`,
  );
  const drop = db.prepare(
    `DELETE FROM idempotency WHERE who = ? AND key = ? AND status = ${RUNNING}`,
  );
  const sweep = db.prepare('DELETE FROM idempotency WHERE at < ?');
  const find: Idempotency['find'] = ({ who, key, digest }) => {
    const kept = get.get(who, key);
    if (!kept) return undefined;
    if (kept.digest !== digest) throw new AppError('IDEMPOTENCY_MISMATCH');
    if (kept.status === RUNNING && kept.body === run) throw new AppError('IDEMPOTENCY_RUNNING');
    if (kept.status <= RUNNING) throw new AppError('IDEMPOTENCY_CUT_OFF');
    return kept;
  };
  const keep: Idempotency['keep'] = ({ who, key, digest }, { status, body, etag }) => {
    const { changes } = put.run(who, key, digest, status, body, etag, clock());
    // Whoever keeps an answer has looked in the same transaction, or has taken the key.
    if (changes === 0) throw new Error(`the Idempotency-Key ${key} has an answer already`);
  };
  return {
    digestOf: (request) => secrets.digest(request, 'idempotency'),
    find,
    keep,
    take(key) {
      const kept = find(key);
      if (!kept) keep(key, { status: RUNNING, body: run, etag: '' });
      return kept;
    },
    release: ({ who, key }) => void drop.run(who, key),
    cutOff: (key) => keep(key, { status: CUT_OFF, body: '', etag: '' }),
    sweep: () => sweep.run(clock() - limit('idempotencyMs')).changes,
  };
}
