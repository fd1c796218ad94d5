/**
 * What central asks this site to do, carried out once: the intent, its effect and its result are one transaction, and hearing
 * the same id again gives the kept result. What the site's own rules refuse is a result too.
 *
 * Whether central may ask for it was decided there; what a machine's state, protection or owner forbids is decided here,
 * by the same code that answers the site's own API.
 */
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { JobDesk } from '../jobs/desk.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Clock, Millis } from '../wire/time.ts';
import type { FromAppliance, Intent, IntentBody } from './protocol.ts';

export type IntentResult = Extract<FromAppliance, { kind: 'result' }>;

export interface Intents {
  /** In the caller's transaction. */
  carryOut(intent: Intent): IntentResult;
  forget(before: Millis): number;
}

interface Row {
  id: string;
  status: IntentResult['status'];
  result: string;
}

export interface IntentParts {
  readonly db: Database;
  readonly clock: Clock;
  readonly inventory: Inventory;
  readonly jobs: JobDesk;
}

export function openIntents({ db, clock, inventory, jobs }: IntentParts): Intents {
  const find = db.prepare<[string], Row>('SELECT id, status, result FROM intents WHERE id = ?');
  const keep = db.prepare(
    'INSERT INTO intents (id, who, body, status, result, at) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const forget = db.prepare('DELETE FROM intents WHERE at < ?');
  const effect = (body: IntentBody, who: string): Record<string, unknown> => {
    const target = body.target as Hardwarename;
    if (body.kind === 'job') {
      const { action, params, release } = body;
      return { job: jobs.create({ action, target, params, release, requester: who }).id };
    }
    const { editor } = inventory.serverdb;
    return { version: editor.edit(target, body.edit as never, { who, why: body.why }).version };
  };
  const attempt = ({ body, who }: Intent): Pick<IntentResult, 'status' | 'result'> => {
    try {
      const result = inventory.serverdb.savepoint(() => effect(body, `central:${who}`));
      return { status: 'done', result };
    } catch (error) {
      if (!(error instanceof AppError) || error.httpStatus >= 500) throw error;
      return { status: 'refused', result: { code: error.code, detail: error.message } };
    }
  };
  return {
    carryOut(intent) {
      const kept = find.get(intent.id);
      if (kept) {
        const { status, result } = kept;
        return { kind: 'result', intent: intent.id, status, result: JSON.parse(result) };
      }
      const { status, result } = attempt(intent);
      const { id, who, body } = intent;
      keep.run(id, who, JSON.stringify(body), status, JSON.stringify(result), clock());
      return { kind: 'result', intent: id, status, result };
    },
    forget: (before) => forget.run(before).changes,
  };
}
