/**
 * What central asks this site to do, carried out once: the intent, its effect and its result are one transaction, and hearing
 * the same id again gives the kept result. What the site's own rules refuse is a result too.
 *
 * Whether central may ask for it was decided there; what a machine's state, protection or owner forbids is decided here,
 * by the same code that answers the site's own API. A request for machines has the id of its intent, so it is there once even
 * when the intent has been forgotten; one that is called off before it has come is refused when it comes.
 *
 * An id that comes again with other contents is somebody's replay: it is refused, and an event tells of it.
 *
 * Images and channels take a while: such an intent is kept as `working` at first (deferred.ts), and answered when it has ended. Of
 * two for the same record only the newer one counts.
 */
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { JobDesk } from '../jobs/desk.ts';
import type { RequestDesk } from '../provisioning/desk.ts';
import { resetSchema } from '../provisioning/pool.ts';
import type { PoolDesk } from '../provisioning/pool-desk.ts';
import { requestSchema } from '../provisioning/request.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Clock, Millis } from '../wire/time.ts';
import {
  type FromAppliance,
  type Intent,
  type IntentBody,
  intentSchema,
  type RecordDocument,
  type SentIntent,
} from './protocol.ts';
import { keepRecord, parsed } from './records.ts';

export type IntentResult = Extract<FromAppliance, { kind: 'result' }>;

export interface Intents {
  /** In the caller's transaction. @returns undefined for one that takes a while */
  carryOut(intent: SentIntent): IntentResult | undefined;
  /** Those that take a while, oldest first. */
  working(): readonly WorkingIntent[];
  /** In the caller's transaction, and once: `effect` is what it did, or why it did not. */
  end(id: string, effect: () => Record<string, unknown>): IntentResult;
  /** Those that have ended. */
  forget(before: Millis): number;
}

export interface WorkingIntent {
  readonly id: string;
  readonly who: string;
  readonly body: RecordDocument;
  readonly at: number;
}

interface Row {
  id: string;
  body: string;
  status: IntentResult['status'] | 'working';
  result: string;
}

export interface IntentParts {
  readonly db: Database;
  readonly clock: Clock;
  readonly inventory: Inventory;
  readonly jobs: JobDesk;
  readonly provisioning: RequestDesk;
  readonly pools: PoolDesk;
  /** Without it what concerns images is refused. */
  readonly keepsImages: boolean;
}

type Effect = Pick<IntentResult, 'status' | 'result'>;
type BodyOf<Kind extends IntentBody['kind']> = Extract<IntentBody, { kind: Kind }>;

export function openIntents(parts: IntentParts): Intents {
  const { db, clock, inventory } = parts;
  const find = db.prepare<[string], Row>(
    'SELECT id, body, status, result FROM intents WHERE id = ?',
  );
  const insert = db.prepare(
    'INSERT INTO intents (id, who, body, status, result, at) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const forget = db.prepare("DELETE FROM intents WHERE at < ? AND status <> 'working'");
  const working = db.prepare<[], { id: string; who: string; body: string; at: number }>(
    "SELECT id, who, body, at FROM intents WHERE status = 'working' ORDER BY at, id",
  );
  const change = db.prepare('UPDATE intents SET status = ?, result = ? WHERE id = ?');
  const keep = (
    { id, who, body }: SentIntent,
    { status, result }: { status: Row['status']; result: Effect['result'] },
  ): void => {
    insert.run(id, who, JSON.stringify(body), status, JSON.stringify(result), clock());
  };
  const attempt = (run: () => Effect['result']): Effect => {
    try {
      const result = inventory.serverdb.savepoint(run);
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
  const refuseReplay = (id: string): IntentResult => {
    const detail = `The intent ${id} comes again with other contents.`.slice(0, 200);
    const data = { code: 'INTENT_MISMATCH', detail };
    inventory.events.append({ name: 'federation.refused', data });
    return { kind: 'result', intent: id, status: 'refused', result: data };
  };
  const read = () =>
    working.all().map((row) => ({ ...row, body: JSON.parse(row.body) as RecordDocument }));
  /** Of two for one record the older one is over. */
  const supersede = ({ record, name }: RecordDocument): void => {
    const result = { code: 'SUPERSEDED', detail: 'A newer version was asked for.' };
    for (const { id, body } of read())
      if (body.record === record && body.name === name)
        change.run('refused', JSON.stringify(result), id);
  };
  return {
    carryOut(sent) {
      const { id } = sent;
      const kept = find.get(id);
      if (kept) {
        const { status, result } = kept;
        if (!isSame(kept, sent)) return refuseReplay(id);
        if (status === 'working') return undefined;
        return { kind: 'result', intent: id, status, result: JSON.parse(result) };
      }
      const { success, data: body } = intentSchema.safeParse(sent.body);
      if (success) {
        refuseBeforehand({ ...sent, body });
        if (body.kind === 'record') supersede(body);
        if (isLong(body) && parts.keepsImages) {
          keep(sent, { status: 'working', result: {} });
          return undefined;
        }
      }
      const effect: Effect = success
        ? attempt(() => effectOf(parts, { ...sent, body }))
        : { status: 'refused', result: UNKNOWN };
      keep(sent, effect);
      return { kind: 'result', intent: id, ...effect };
    },
    working: read,
    end(id, run) {
      const { status, result } = attempt(run);
      change.run(status, JSON.stringify(result), id);
      return { kind: 'result', intent: id, status, result };
    },
    forget: (before) => forget.run(before).changes,
  };
}

/** Or the one that was called off before it came: what is kept then is the calling off. */
function isSame({ id, body }: Row, sent: SentIntent): boolean {
  if (body === JSON.stringify(sent.body)) return true;
  const kept = JSON.parse(body) as { kind?: unknown; request?: unknown };
  return kept.kind === 'cancel-request' && kept.request === id;
}

const UNKNOWN = { code: 'INTENT_UNKNOWN', detail: 'This program does not know what that is.' };

const isLong = (body: IntentBody): boolean =>
  body.kind === 'record' && body.doc !== null && ['image', 'channel'].includes(body.record);

/** @throws AppError what the site's own API would say */
function effectOf(parts: IntentParts, { id, who, body }: Intent): Record<string, unknown> {
  const { inventory, jobs, provisioning, pools } = parts;
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
    case 'record':
      if (isLong(body))
        throw new AppError('NOT_FOUND', { detail: 'This appliance keeps no images.' });
      return keepRecord({ inventory, pools }, body, {
        who: requester,
        why: 'the fleet has changed it',
      });
    case 'reset': {
      const wish = parsed(resetSchema.safeParse(body.reset));
      return { reset: pools.reset({ pool: body.pool, site: '' }, wish, requester).id };
    }
    case 'turn-reset': {
      const cause = { who: requester, why: body.why };
      return { status: pools.store.turnReset(body.reset, body.turn, cause).status };
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
