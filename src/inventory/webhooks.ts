/**
 * Webhooks on record: where events are pushed to, from which cursor, and what was given up (the dead letters).
 *
 * Each webhook is a reader of the event feed like any other; delivery (http/people/deliver-webhooks.ts) asks for its next
 * batch and says how it went. A webhook of a squad sees only events of machines that are that squad's at that moment.
 */
import { randomBytes } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { StoredEvent } from '../events.ts';
import { limit } from '../limits.ts';
import type { Clock } from '../wire/time.ts';
import { type EventHistory, matches } from './event-history.ts';
import type { EventStore } from './event-store.ts';
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
  readonly lastError: string;
  readonly lastSentAt: number | null;
  readonly createdBy: string;
  readonly createdAt: number;
}

export interface DeadLetter {
  readonly id: number;
  readonly webhook: string;
  readonly firstEvent: number;
  readonly lastEvent: number;
  readonly attempts: number;
  readonly error: string;
  readonly at: number;
}

export interface Batch {
  readonly events: readonly StoredEvent[];
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
  /** The next events for it; an empty list moves the cursor over what is not for it. */
  batch(webhook: Webhook): Batch;
  delivered(id: string, through: number): void;
  /** Pauses double from 1 s; after the last attempt the batch is a dead letter and the next one has its turn. */
  failed(id: string, batch: Batch, error: string): void;
  deadLetters(webhook: string): DeadLetter[];
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
  const visible = ({ squad, names }: Webhook, event: StoredEvent): boolean => {
    if (!matches(event, { names })) return false;
    if (squad === '') return true;
    return event.hardwarename !== undefined && sql.squadOf.get(event.hardwarename)?.squad === squad;
  };

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
      const values = [id, url, squad, JSON.stringify(names), sealed, events.lastId(), who, clock()];
      sql.put.run(...values);
      tell(id, `created for ${new URL(url).host}`, who);
      return { webhook: fromRow(found(id)), secret };
    },
    remove(id, who) {
      found(id);
      sql.drop.run(id);
      sql.dropLetters.run(id);
      tell(id, 'removed', who);
    },
    setEnabled(id, enabled, who) {
      found(id);
      sql.enable.run(enabled ? 1 : 0, id);
      tell(id, enabled ? 'enabled' : 'disabled', who);
      return fromRow(found(id));
    },
    secretOf: (id) => secrets.open(found(id).sealed, bound(id)),
    due: () => sql.due.all(clock(), events.lastId()).map(fromRow),
    batch(webhook) {
      // Behind a compaction nothing can be made up for: it goes on from what there is.
      const from = Math.max(webhook.cursor, history.floor());
      const page = events.after(from, limit('webhookBatchMax'));
      const through = page.at(-1)?.id ?? from;
      return { events: page.filter((event) => visible(webhook, event)), through };
    },
    delivered: (id, through) => void sql.delivered.run(through, clock(), id),
    failed(id, batch, error) {
      const { attempts } = found(id);
      const text = error.slice(0, 300);
      if (attempts + 1 < limit('webhookAttemptsMax')) {
        sql.failed.run(attempts + 1, clock() + 1000 * 2 ** attempts, text, id);
        return;
      }
      const [first, last] = [batch.events[0]?.id ?? batch.through, batch.through];
      sql.bury.run(id, first, last, attempts + 1, text, clock());
      sql.gaveUp.run(last, text, id);
      events.append({
        name: 'webhook.dead',
        data: { webhook: id, firstEvent: first, lastEvent: last, error: text },
      });
    },
    deadLetters: (webhook) => sql.letters.all(webhook),
  };
}

function prepare(db: Database) {
  return {
    list: db.prepare<[], Row>('SELECT * FROM webhooks ORDER BY created_at, id'),
    get: db.prepare<[string], Row>('SELECT * FROM webhooks WHERE id = ?'),
    put: db.prepare(
      `INSERT INTO webhooks (id, url, squad, names, sealed, cursor, created_by, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    drop: db.prepare('DELETE FROM webhooks WHERE id = ?'),
    dropLetters: db.prepare('DELETE FROM dead_letters WHERE webhook = ?'),
    enable: db.prepare('UPDATE webhooks SET enabled = ?, attempts = 0, next_at = 0 WHERE id = ?'),
    due: db.prepare<[number, number], Row>(
      'SELECT * FROM webhooks WHERE enabled = 1 AND next_at <= ? AND cursor < ?',
    ),
    delivered: db.prepare(
      `UPDATE webhooks SET cursor = ?, attempts = 0, next_at = 0, last_error = '', last_sent_at = ? WHERE id = ?`,
    ),
    failed: db.prepare(
      'UPDATE webhooks SET attempts = ?, next_at = ?, last_error = ? WHERE id = ?',
    ),
    gaveUp: db.prepare(
      'UPDATE webhooks SET cursor = ?, attempts = 0, next_at = 0, last_error = ? WHERE id = ?',
    ),
    bury: db.prepare(
      'INSERT INTO dead_letters (webhook, first_event, last_event, attempts, error, at) VALUES (?, ?, ?, ?, ?, ?)',
    ),
    letters: db.prepare<[string], DeadLetter>(
      `SELECT id, webhook, first_event AS firstEvent, last_event AS lastEvent, attempts, error, at
       FROM dead_letters WHERE webhook = ? ORDER BY id DESC LIMIT 100`,
    ),
    squadOf: db.prepare<[string], { squad: string }>(
      'SELECT squad FROM machines WHERE hardwarename = ?',
    ),
  };
}
