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
 * What the disk forbids is no answer: it is thrown, and central asks again. What is wrong in this program would be wrong every time, and
 * everything behind it would wait: it is refused, and the log says why.
 *
 * Images and channels take a while, and so does a pool of an image that is to come: such an intent is kept as `working` at first
 * (deferred.ts), and answered when it has ended. Of two for the same record only the newer one counts.
 */
import type { Database } from 'better-sqlite3';
import { AppError, ERRORS, type ErrorCode } from '../errors.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { JobDesk } from '../jobs/desk.ts';
import type { RequestDesk } from '../provisioning/desk.ts';
import type { PoolDesk } from '../provisioning/pool-desk.ts';
import type { Clock, Millis } from '../wire/time.ts';
import { effectOf, isLong } from './effects.ts';
import {
  type FromAppliance,
  type Intent,
  type IntentBody,
  intentSchema,
  type RecordDocument,
  type SentIntent,
} from './protocol.ts';
import { isLacking } from './records.ts';

export type IntentResult = Extract<FromAppliance, { kind: 'result' }>;

export interface Intents {
  /** In the caller's transaction. @returns undefined for one that takes a while @throws what the disk says */
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
  /** As the fleet calls it. */
  readonly site: string;
  readonly inventory: Inventory;
  readonly jobs: JobDesk;
  readonly provisioning: RequestDesk;
  readonly pools: PoolDesk;
  /** Without it what concerns images is refused. */
  readonly keepsImages: boolean;
  readonly log: { error(bindings: object, message: string): void };
}

type Effect = Pick<IntentResult, 'status' | 'result'>;

export function openIntents(parts: IntentParts): Intents {
  const { db, clock, inventory, log } = parts;
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
  const attempt = (id: string, run: () => Effect['result']): Effect => {
    try {
      const result = inventory.serverdb.savepoint(run);
      return { status: 'done', result };
    } catch (error) {
      if (isForNow(error)) throw error;
      if (!(error instanceof AppError))
        log.error({ err: error, intent: id }, ERRORS.INTERNAL.message);
      const { code, message } = error instanceof AppError ? error : new AppError('INTERNAL');
      return { status: 'refused', result: { code, detail: message } };
    }
  };
  /** Two messages may overtake each other on the way through two instances of central. */
  const refuseBeforehand = ({ who, body }: Intent): void => {
    const off = calledOff(body);
    if (!off || find.get(off.id) || parts.provisioning.store.byId(off.id)) return;
    const result = { code: off.code, detail: `It was called off before it came: ${off.why}` };
    keep({ id: off.id, who, body }, { status: 'refused', result });
  };
  const jobOf = (id: string): string | undefined => {
    const { result = '{}' } = find.get(id) ?? {};
    const { job } = JSON.parse(result) as { job?: unknown };
    return typeof job === 'string' ? job : undefined;
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
        const takesLong = isLong(body) || (body.kind === 'record' && isLacking(inventory, body));
        if (takesLong && parts.keepsImages) {
          keep(sent, { status: 'working', result: {} });
          return undefined;
        }
      }
      const effect: Effect = success
        ? attempt(id, () => effectOf({ ...parts, jobOf }, { ...sent, body }))
        : { status: 'refused', result: UNKNOWN };
      keep(sent, effect);
      return { kind: 'result', intent: id, ...effect };
    },
    working: read,
    end(id, run) {
      const { status, result } = attempt(id, run);
      change.run(status, JSON.stringify(result), id);
      return { kind: 'result', intent: id, status, result };
    },
    forget: (before) => forget.run(before).changes,
  };
}

/** It may go well when the disk has room or is whole again, or after what is too much just now. */
const isForNow = (error: unknown): boolean =>
  error instanceof AppError
    ? error.httpStatus >= 500
    : STORAGE.test(String((error as { code?: unknown } | null)?.code ?? ''));
const STORAGE = /^SQLITE_(FULL|IOERR|BUSY|READONLY|CORRUPT|NOTADB|CANTOPEN|NOMEM)/;

/** Or the one that was called off before it came: what is kept then is the calling off. */
function isSame({ id, body }: Row, sent: SentIntent): boolean {
  if (body === JSON.stringify(sent.body)) return true;
  return calledOff(JSON.parse(body) as IntentBody)?.id === id;
}

/** The intent that this one ends, and what it is refused with when it comes later. */
function calledOff(body: IntentBody): { id: string; code: ErrorCode; why: string } | undefined {
  switch (body.kind) {
    case 'cancel-request':
      return { id: body.request, code: 'REQUEST_ENDED', why: body.why };
    case 'cancel-job':
      return { id: body.job, code: 'JOB_ENDED', why: body.why };
    default:
      return undefined;
  }
}

const UNKNOWN = { code: 'INTENT_UNKNOWN', detail: 'This program does not know what that is.' };
