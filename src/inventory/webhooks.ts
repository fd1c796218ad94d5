/**
 * Webhooks on record: where events are pushed to, from which cursor, and what was given up (the dead letters).
 *
 * Each webhook is a reader of the event feed like any other; delivery (http/people/deliver-webhooks.ts) asks for its next
 * batch and says how it went. A webhook of a squad sees only events of machines that are that squad's at that moment.
 *
 * A receiver is told when it has missed something (`resync`): events behind its cursor were compacted away, or the feed is
 * another since a copy was put back. It gets what is still there all the same. One that does not answer has hours to come
 * back; only then is its batch a dead letter, which can be sent again as long as its events are there.
 */
import { randomBytes, randomInt } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { StoredEvent } from '../events.ts';
import { limit } from '../limits.ts';
import type { Clock } from '../wire/time.ts';
import { type DeadLetters, openDeadLetters } from './dead-letters.ts';
import { type EventHistory, headMatches } from './event-history.ts';
import type { EventHead, EventStore } from './event-store.ts';
import type { SecretBox } from './secrets.ts';

export interface Webhook {
  readonly id: string;
  readonly url: string;
  readonly squad: string;
  readonly names: readonly string[];
  readonly enabled: boolean;
  /** The last event that it has been told of, or that was given up. */
  readonly cursor: number;
  readonly attempts: number;
  readonly nextAt: number | null;
  /** Since when nothing has got through. */
  readonly failingSince: number | null;
  readonly lastError: string;
  readonly lastSentAt: number | null;
  readonly createdBy: string;
  readonly createdAt: number;
}

/** What a receiver has to be told before it reads on: read the state anew. */
export interface Resync {
  readonly why: 'compacted' | 'restarted';
  /** No event up to here is certain to come any more. */
  readonly oldest: number;
}

export interface Batch {
  readonly events: readonly StoredEvent[];
  readonly resync?: Resync | undefined;
  /** Where its cursor goes when this has been delivered. */
  readonly through: number;
}

export interface Webhooks {
  list(): Webhook[];
  get(id: string): Webhook | undefined;
  /** @returns the webhook and its signing secret, which is shown this once */
  create(
    entry: Pick<Webhook, 'url' | 'squad' | 'names'>,
    who: string,
  ): { webhook: Webhook; secret: string };
  remove(id: string, who: string): void;
  setEnabled(id: string, enabled: boolean, who: string): Webhook;
  secretOf(id: string): string;
  /** Those whose turn it is. */
  due(): Webhook[];
  /** The next events for it, of a bounded number that is looked at behind `cursor`. */
  batch(webhook: Webhook): Batch;
  epoch(): string;
  delivered(id: string, batch: Batch): void;
  /** Nothing up to there was for it. */
  passed(id: string, through: number): void;
  /**
   * Pauses double from 1 s to a quarter of an hour, each up to a quarter longer or shorter by chance. After hours without success
   * the batch is a dead letter and the next one has its turn.
   */
  failed(id: string, batch: Batch, error: string): void;
  readonly letters: DeadLetters;
}

interface Row {
  id: string;
  url: string;
  squad: string;
  names: string;
  sealed: Buffer;
  enabled: number;
  cursor: number;
  attempts: number;
  next_at: number;
  epoch: string;
  failing_since: number;
  last_error: string;
  last_sent_at: number;
  created_by: string;
  created_at: number;
}

const bound = (id: string): string => `webhook ${id}`;

const fromRow = (row: Row): Webhook => ({
  id: row.id,
  url: row.url,
  squad: row.squad,
  names: JSON.parse(row.names),
  enabled: row.enabled === 1,
  cursor: row.cursor,
  attempts: row.attempts,
  nextAt: row.next_at || null,
  failingSince: row.failing_since || null,
  lastError: row.last_error,
  lastSentAt: row.last_sent_at || null,
  createdBy: row.created_by,
  createdAt: row.created_at,
});

export interface WebhookParts {
  readonly clock: Clock;
  readonly events: EventStore;
  readonly history: EventHistory;
  readonly secrets: SecretBox;
}

export function openWebhooks(db: Database, parts: WebhookParts): Webhooks {
  const { clock, events, history, secrets } = parts;
  const sql = prepare(db);
  const found = (id: string): Row => {
    const row = sql.get.get(id);
    if (!row) throw new AppError('NOT_FOUND', { detail: `No webhook ${id.slice(0, 64)}.` });
    return row;
  };
  const tell = (id: string, change: string, who: string) =>
    events.append({ name: 'access.changed', data: { kind: 'webhook', id, change, who } });
  const visible =
    ({ squad, names }: Webhook) =>
    (head: EventHead): boolean => {
      if (!headMatches(head, { names })) return false;
      if (squad === '') return true;
      return head.hardwarename !== null && sql.squadOf.get(head.hardwarename)?.squad === squad;
    };
  /** Up to which compaction a receiver has been told that it has missed something; told again after a restart. */
  const told = new Map<string, number>();
  const resyncOf = (webhook: Webhook): Resync | undefined => {
    const floor = history.floor();
    if (found(webhook.id).epoch !== history.epoch())
      return { why: 'restarted', oldest: webhook.cursor };
    if (webhook.cursor >= floor || (told.get(webhook.id) ?? 0) >= floor) return undefined;
    return { why: 'compacted', oldest: floor };
  };
  const letters = openDeadLetters(db, { clock, events, history, visible });

  return {
    list: () => sql.list.all().map(fromRow),
    get(id) {
      const row = sql.get.get(id);
      return row && fromRow(row);
    },
    create({ url, squad, names }, who) {
      if (sql.list.all().length >= limit('webhooksMax'))
        throw new AppError('REQUEST_INVALID', { detail: 'There are too many webhooks.' });
      const [id, secret] = [randomBytes(6).toString('hex'), randomBytes(32).toString('base64url')];
      const sealed = secrets.seal(secret, bound(id));
      const at = [events.lastId(), history.epoch(), who, clock()];
      sql.put.run(id, url, squad, JSON.stringify(names), sealed, ...at);
      tell(id, `created for ${new URL(url).host}`, who);
      return { webhook: fromRow(found(id)), secret };
    },
    remove(id, who) {
      found(id);
      sql.drop.run(id);
      letters.removeOf(id);
      tell(id, 'removed', who);
    },
    setEnabled(id, enabled, who) {
      found(id);
      sql.enable.run(enabled ? 1 : 0, id);
      tell(id, enabled ? 'enabled' : 'disabled', who);
      return fromRow(found(id));
    },
    secretOf: (id) => secrets.open(found(id).sealed, bound(id)),
    due: () => sql.due.all(clock(), events.lastId(), history.epoch()).map(fromRow),
    epoch: history.epoch,
    batch(webhook) {
      const resync = resyncOf(webhook);
      const { events: page, through } = events.scan(webhook.cursor, limit('eventsPageMax'), {
        max: limit('webhookBatchMax'),
        head: visible(webhook),
      });
      return { events: page, through, resync };
    },
    delivered(id, { through, resync }) {
      if (resync?.why === 'compacted') told.set(id, resync.oldest);
      sql.delivered.run(through, history.epoch(), clock(), id);
    },
    passed: (id, through) => void sql.passed.run(through, id),
    failed(id, batch, error) {
      const { attempts, failing_since } = found(id);
      const now = clock();
      const text = error.slice(0, 300);
      const since = failing_since || now;
      if (now - since >= limit('webhookPatienceMs')) {
        letters.bury(id, batch, { attempts: attempts + 1, error: text });
        sql.gaveUp.run(batch.through, text, id);
        return;
      }
      const pause = Math.min(1000 * 2 ** Math.min(attempts, 20), limit('webhookPauseMs'));
      const jitter = (pause * randomInt(-250, 251)) / 1000;
      sql.failed.run(attempts + 1, Math.round(now + pause + jitter), since, text, id);
    },
    letters,
  };
}

function prepare(db: Database) {
  return {
    list: db.prepare<[], Row>('SELECT * FROM webhooks ORDER BY created_at, id'),
    get: db.prepare<[string], Row>('SELECT * FROM webhooks WHERE id = ?'),
    put: db.prepare(
      `INSERT INTO webhooks (id, url, squad, names, sealed, cursor, epoch, created_by, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    drop: db.prepare('DELETE FROM webhooks WHERE id = ?'),
    enable: db.prepare(
      'UPDATE webhooks SET enabled = ?, attempts = 0, next_at = 0, failing_since = 0 WHERE id = ?',
    ),
    due: db.prepare<[number, number, string], Row>(
      'SELECT * FROM webhooks WHERE enabled = 1 AND next_at <= ? AND (cursor < ? OR epoch <> ?)',
    ),
    delivered: db.prepare(
      `UPDATE webhooks SET cursor = ?, epoch = ?, attempts = 0, next_at = 0, failing_since = 0, last_error = '',
         last_sent_at = ? WHERE id = ?`,
    ),
    passed: db.prepare('UPDATE webhooks SET cursor = ? WHERE id = ?'),
    failed: db.prepare(
      'UPDATE webhooks SET attempts = ?, next_at = ?, failing_since = ?, last_error = ? WHERE id = ?',
    ),
    gaveUp: db.prepare(
      'UPDATE webhooks SET cursor = ?, attempts = 0, next_at = 0, failing_since = 0, last_error = ? WHERE id = ?',
    ),
    squadOf: db.prepare<[string], { squad: string }>(
      'SELECT squad FROM machines WHERE hardwarename = ?',
    ),
  };
}
