/**
 * Dead letters: batches of events that a webhook's receiver did not take for hours. Each names its events, which stay in the
 * feed as long as any, and can be sent again by command until then. They are bounded by count and by age.
 */
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import type { Clock } from '../wire/time.ts';
import type { EventHistory } from './event-history.ts';
import type { EventHead, EventStore } from './event-store.ts';
import type { Batch, Webhook } from './webhooks.ts';

export interface DeadLetter {
  readonly id: number;
  readonly webhook: string;
  readonly firstEvent: number;
  readonly lastEvent: number;
  readonly attempts: number;
  readonly error: string;
  readonly at: number;
  /** It is to be sent again, and will be soon. */
  readonly again: boolean;
}

export interface DeadLetters {
  /** Newest first. */
  of(webhook: string): DeadLetter[];
  bury(webhook: string, batch: Batch, cause: { attempts: number; error: string }): void;
  /**
   * Has a dead letter sent again, or all of them. @returns how many
   * @throws AppError NOT_FOUND, FEED_RESTARTED when its events are of another feed
   */
  sendAgain(webhook: string, letter?: number): number;
  /** Those that are to be sent again, oldest first; of webhooks that are enabled. */
  again(): DeadLetter[];
  /** Its events behind `after`; `resync` when some of them were compacted away meanwhile. */
  batch(webhook: Webhook, letter: DeadLetter, after: number): Batch;
  delivered(letter: DeadLetter): void;
  failed(letter: DeadLetter, error: string): void;
  removeOf(webhook: string): void;
  /** Removes those that nobody has looked after for long. */
  sweep(): void;
}

export interface DeadLetterParts {
  readonly clock: Clock;
  readonly events: EventStore;
  readonly history: EventHistory;
  /** What a webhook may see. */
  visible(webhook: Webhook): (head: EventHead) => boolean;
}

interface Row extends Omit<DeadLetter, 'again'> {
  again: number;
}

const fromRow = ({ again, ...row }: Row): DeadLetter => ({ ...row, again: again === 1 });

export function openDeadLetters(db: Database, parts: DeadLetterParts): DeadLetters {
  const { clock, events, history, visible } = parts;
  const sql = prepare(db);
  return {
    of: (webhook) => sql.list.all(webhook).map(fromRow),
    bury(webhook, batch, { attempts, error }) {
      const [firstEvent, lastEvent] = [batch.events[0]?.id ?? batch.through, batch.through];
      sql.put.run(webhook, firstEvent, lastEvent, attempts, error, clock(), history.epoch());
      sql.trim.run(webhook, webhook, limit('deadLettersMax'));
      events.append({ name: 'webhook.dead', data: { webhook, firstEvent, lastEvent, error } });
    },
    sendAgain(webhook, letter) {
      const epoch = history.epoch();
      if (letter === undefined) return sql.allAgain.run(webhook, epoch).changes;
      const row = sql.epoch.get(letter, webhook);
      if (!row) throw new AppError('NOT_FOUND', { detail: `No dead letter ${letter}.` });
      if (row.epoch !== epoch)
        throw new AppError('FEED_RESTARTED', { more: { oldest: events.lastId(), epoch } });
      return sql.setAgain.run(letter).changes;
    },
    again: () => sql.again.all(history.epoch()).map(fromRow),
    batch(webhook, { firstEvent, lastEvent }, after) {
      const isGone = firstEvent <= history.floor() && after < firstEvent;
      const from = Math.max(after, firstEvent - 1);
      const { events: page, through } = events.scan(from, limit('eventsPageMax'), {
        max: limit('webhookBatchMax'),
        head: visible(webhook),
      });
      return {
        events: page.filter(({ id }) => id <= lastEvent),
        through: Math.min(through, lastEvent),
        resync: isGone ? { why: 'compacted', oldest: history.floor() } : undefined,
      };
    },
    delivered: ({ id }) => void sql.drop.run(id),
    failed: ({ id }, error) => void sql.notAgain.run(error.slice(0, 300), id),
    removeOf: (webhook) => void sql.dropOf.run(webhook),
    sweep: () => void sql.dropOld.run(clock() - limit('deadLetterMs')),
  };
}

const COLUMNS =
  'id, webhook, first_event AS firstEvent, last_event AS lastEvent, attempts, error, at, again';

function prepare(db: Database) {
  return {
    list: db.prepare<[string], Row>(
      `SELECT ${COLUMNS} FROM dead_letters WHERE webhook = ? ORDER BY id DESC LIMIT 100`,
    ),
    put: db.prepare(
      'INSERT INTO dead_letters (webhook, first_event, last_event, attempts, error, at, epoch) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ),
    trim: db.prepare(
      `DELETE FROM dead_letters WHERE webhook = ? AND id NOT IN
         (SELECT id FROM dead_letters WHERE webhook = ? ORDER BY id DESC LIMIT ?)`,
    ),
    epoch: db.prepare<[number, string], { epoch: string }>(
      'SELECT epoch FROM dead_letters WHERE id = ? AND webhook = ?',
    ),
    setAgain: db.prepare('UPDATE dead_letters SET again = 1 WHERE id = ?'),
    allAgain: db.prepare('UPDATE dead_letters SET again = 1 WHERE webhook = ? AND epoch = ?'),
    notAgain: db.prepare('UPDATE dead_letters SET again = 0, error = ? WHERE id = ?'),
    again: db.prepare<[string], Row>(
      `SELECT ${COLUMNS} FROM dead_letters WHERE again = 1 AND epoch = ?
         AND webhook IN (SELECT id FROM webhooks WHERE enabled = 1) ORDER BY webhook, id LIMIT 100`,
    ),
    drop: db.prepare('DELETE FROM dead_letters WHERE id = ?'),
    dropOf: db.prepare('DELETE FROM dead_letters WHERE webhook = ?'),
    dropOld: db.prepare('DELETE FROM dead_letters WHERE at < ?'),
  };
}
