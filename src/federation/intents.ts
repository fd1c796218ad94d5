/**
 * What central asks this site to do, carried out once: the intent, its effect and its result are one transaction, and hearing
 * the same id again gives the kept result. What the site's own rules refuse is a result too.
 *
 * Whether central may ask for it was decided there; what a machine's state, protection or owner forbids is decided here,
 * by the same code that answers the site's own API. A request for machines has the id of its intent, so it is there once even
 * when the intent has been forgotten; one that is called off before it has come is refused when it comes.
 */
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { squadSchema } from '../inventory/record-kinds.ts';
import type { JobDesk } from '../jobs/desk.ts';
import type { RequestDesk } from '../provisioning/desk.ts';
import { requestSchema } from '../provisioning/request.ts';
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
  readonly provisioning: RequestDesk;
}

type Effect = Pick<IntentResult, 'status' | 'result'>;
type BodyOf<Kind extends IntentBody['kind']> = Extract<IntentBody, { kind: Kind }>;

export function openIntents(parts: IntentParts): Intents {
  const { db, clock, inventory } = parts;
  const find = db.prepare<[string], Row>('SELECT id, status, result FROM intents WHERE id = ?');
  const insert = db.prepare(
    'INSERT INTO intents (id, who, body, status, result, at) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const forget = db.prepare('DELETE FROM intents WHERE at < ?');
  const keep = ({ id, who, body }: Intent, { status, result }: Effect): void => {
    insert.run(id, who, JSON.stringify(body), status, JSON.stringify(result), clock());
  };
  const attempt = (intent: Intent): Effect => {
    try {
      const result = inventory.serverdb.savepoint(() => effectOf(parts, intent));
      return { status: 'done', result };
    } catch (error) {
      if (!(error instanceof AppError) || error.httpStatus >= 500) throw error;
      return { status: 'refused', result: { code: error.code, detail: error.message } };
    }
  };
  /** Two messages may overtake each other on the way through two instances of central. */
  const refuseBeforehand = ({ who, body }: Intent): void => {
    if (body.kind !== 'cancel-request') return;
    const { request: id, why } = body;
    if (find.get(id) || parts.provisioning.store.byId(id)) return;
    const result = { code: 'REQUEST_ENDED', detail: `It was called off before it came: ${why}` };
    keep({ id, who, body }, { status: 'refused', result });
  };
  return {
    carryOut(intent) {
      const kept = find.get(intent.id);
      if (kept) {
        const { status, result } = kept;
        return { kind: 'result', intent: intent.id, status, result: JSON.parse(result) };
      }
      refuseBeforehand(intent);
      const effect = attempt(intent);
      keep(intent, effect);
      return { kind: 'result', intent: intent.id, ...effect };
    },
    forget: (before) => forget.run(before).changes,
  };
}

/** @throws AppError what the site's own API would say */
function effectOf(parts: IntentParts, { id, who, body }: Intent): Record<string, unknown> {
  const { inventory, jobs, provisioning } = parts;
  const requester = `central:${who}`;
  switch (body.kind) {
    case 'job': {
      const { action, params, release } = body;
      const target = body.target as Hardwarename;
      return { job: jobs.create({ action, target, params, release, requester }).id };
    }
    case 'edit': {
      const cause = { who: requester, why: body.why };
      const { editor } = inventory.serverdb;
      return {
        version: editor.edit(body.target as Hardwarename, body.edit as never, cause).version,
      };
    }
    case 'request':
      return ask(provisioning, body, { id, requester });
    case 'cancel-request': {
      if (!provisioning.store.byId(body.request)) return { request: body.request, was: 'unknown' };
      const { status } = provisioning.cancel(body.request, { who: requester, why: body.why });
      return { request: body.request, was: status };
    }
    case 'squad': {
      const doc = parsed(squadSchema.safeParse(body.doc));
      const cause = { who: requester, why: 'the fleet has changed it' };
      const { records } = inventory.serverdb;
      return { version: records.put('squad', { name: body.name, doc }, cause).version };
    }
  }
}

function ask(
  provisioning: RequestDesk,
  { request }: BodyOf<'request'>,
  by: { readonly id: string; readonly requester: string },
): Record<string, unknown> {
  const made =
    provisioning.store.byId(by.id) ??
    provisioning.create(parsed(requestSchema.safeParse(request)), by);
  return { request: made.id, image: made.doc.image };
}

interface Parsed<Value> {
  readonly success: boolean;
  readonly data?: Value;
  readonly error?: {
    readonly issues: readonly { readonly path: PropertyKey[]; readonly message: string }[];
  };
}

/** @throws AppError REQUEST_INVALID naming the place */
function parsed<Value>({ data, error }: Parsed<Value>): Value {
  if (data !== undefined) return data;
  const [issue] = error?.issues ?? [];
  const path = `/${(issue?.path ?? []).map(String).join('/')}`;
  throw new AppError('REQUEST_INVALID', { detail: `${path}: ${issue?.message ?? ''}`, path });
}
