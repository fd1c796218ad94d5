/**
 * What sites are asked for by people who wait for the answer: first it is kept, for good, as an intent of each site; then
 * central looks for a moment whether the site has answered. A site that is heard of answers within some milliseconds, so that a change at
 * central looks like one at an appliance; one that is away hears of it when it comes back, and the answer says so.
 *
 * With an `Idempotency-Key` the ids of the intents follow from who asks and the key, and of many at once from the site and the machine of
 * each: the same call is the same intents, at whichever instance, and a site carries each of them out once.
 *
 * What is newly asked of a site that is shut out is refused: it would wait for good, or install a machine on the day on which the site joins
 * again. What was asked before stays what it was.
 */
import { createHash, randomUUID } from 'node:crypto';
import { AppError, ERRORS, type ErrorCode } from '../errors.ts';
import type { IntentBody } from '../federation/protocol.ts';
import { limit } from '../limits.ts';
import type { Clock } from '../wire/time.ts';
import { SHUT_OUT, shutOutOf, siteViews } from './fleet-view.ts';
import { putIntent } from './intents.ts';
import type { FleetDatabase, Sql, SqlRow } from './sql.ts';

export interface Asked {
  readonly site: string;
  readonly body: IntentBody;
}

export interface Asker {
  readonly who: string;
  readonly key?: string | undefined;
}

export interface Told {
  /** Of the intent. */
  readonly id: string;
  readonly site: string;
  readonly status: 'waiting' | 'done' | 'refused';
  /** What has become of it; of a refused one, `code` and `detail`. */
  readonly result: Readonly<Record<string, unknown>>;
  /** It was refused here, and its site was never asked. */
  readonly unasked?: true;
}

export interface Asking {
  /** In the same order; `unasked` where a site is shut out. @throws AppError IDEMPOTENCY_MISMATCH, and then nothing is asked */
  ask(orders: readonly Asked[], by: Asker): Promise<Told[]>;
  /** @throws AppError SITE_SHUT_OUT, IDEMPOTENCY_MISMATCH */
  askOne(order: Asked, by: Asker): Promise<Told>;
  /** What was asked for as one with this key before. */
  again(by: Asker): Promise<(Told & Pick<Asked, 'body'>) | undefined>;
  /** One, and until it is answered. @throws AppError what its site says, IDEMPOTENCY_MISMATCH */
  one(order: Asked, by: Asker): Promise<Told>;
  /** Until each is answered, or a moment has passed. Those whose site is away are not waited for. */
  settled(asked: readonly Told[]): Promise<Told[]>;
}

interface IntentRow extends SqlRow {
  id: string;
  site: string;
  body: string;
  status: string;
  result: string;
}

export function openAsking(
  db: FleetDatabase,
  { clock, nudge }: { readonly clock: Clock; nudge(site: string): void },
): Asking {
  const settled = async (asked: readonly Told[]): Promise<Told[]> => {
    const sites = await siteViews(db, clock());
    const isHeard = (site: string) =>
      ['current', 'catching-up'].includes(sites.get(site)?.freshness ?? 'never');
    const told = new Map(asked.map((one) => [one.id, one]));
    const isOpen = ({ status, site }: Told) => status === 'waiting' && isHeard(site);
    // Not the time of day, which may jump.
    const end = performance.now() + limit('fleetAnswerMs');
    for (;;) {
      const open = [...told.values()].filter(isOpen).map(({ id }) => id);
      for (const one of await answersTo(db, open)) told.set(one.id, one);
      if (![...told.values()].some(isOpen) || performance.now() > end)
        return asked.map((one) => told.get(one.id) ?? one);
      await new Promise((resolve) => setTimeout(resolve, limit('fleetAnswerLookMs')));
    }
  };
  const keep = async (orders: readonly (Asked & { readonly id: string })[], who: string) => {
    const now = clock();
    const sites = new Set(orders.map(({ site }) => site));
    const asked = await db.transaction(async (sql) => {
      const told: Told[] = [];
      const shut = await shutOutOf(sql, [...sites], now);
      for (const { id, site, body } of orders) {
        const isShut = shut.includes(site);
        if (!isShut) await putIntent(sql, { id, site, who, body, now });
        const [kept] = await sql.all<IntentRow>('SELECT * FROM intents WHERE id = ?', [id]);
        if (!kept && isShut) {
          told.push({ id, site, status: 'refused', unasked: true, result: SHUT_OUT });
          continue;
        }
        if (!kept || kept.site !== site || wishOf(JSON.parse(kept.body)) !== wishOf(body))
          throw new AppError('IDEMPOTENCY_MISMATCH');
        told.push(toldOf(kept));
      }
      return told;
    });
    for (const site of sites) nudge(site);
    return asked;
  };
  const askOne: Asking['askOne'] = async (order, by) => {
    const told = first(await keep([{ ...order, id: idFor(by) }], by.who));
    if (told.unasked) assertTaken(told);
    return told;
  };
  return {
    ...{ settled, askOne },
    ask: (orders, by) => {
      const targetOf = ({ body }: Asked) => ('target' in body ? body.target : '');
      const ids = orders.map((one) => ({ ...one, id: idFor(by, one.site, targetOf(one)) }));
      return keep(ids, by.who);
    },
    async again(by) {
      if (by.key === undefined) return undefined;
      const [row] = await db.all<IntentRow>('SELECT * FROM intents WHERE id = ?', [idFor(by)]);
      return row && { ...toldOf(row), body: JSON.parse(row.body) };
    },
    async one(order, by) {
      const told = first(await settled([await askOne(order, by)]));
      assertTaken(told);
      return told;
    },
  };
}

/** @throws AppError as the site's own API would; SITE_REFUSED for a code that this program does not know */
export function assertTaken({ site, status, result }: Told): void {
  if (status !== 'refused') return;
  const { code, detail } = refusalOf(result);
  if (!isErrorCode(code))
    throw new AppError('SITE_REFUSED', { detail: `${site}: ${code}: ${detail}` });
  throw new AppError(code, { detail: `${detail} (${site})`.trim() });
}

/** Of a refused one. */
export function refusalOf(result: Told['result']): { code: string; detail: string } {
  const { code = '', detail = '' } = result as Partial<Record<'code' | 'detail', string>>;
  // The site says the sentence of the code, too.
  const sentence = isErrorCode(code) ? ERRORS[code].message : '';
  return { code, detail: detail.replace(sentence, '').trim() };
}

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(ERRORS, code);

async function answersTo(sql: Sql, ids: readonly string[]): Promise<Told[]> {
  const told: Told[] = [];
  const size = limit('fleetStatementRowsMax');
  for (let at = 0; at < ids.length; at += size) {
    const some = ids.slice(at, at + size);
    const rows = await sql.all<IntentRow>(
      `SELECT * FROM intents WHERE status <> 'waiting' AND id IN (${some.map(() => '?').join(', ')})`,
      some,
    );
    told.push(...rows.map(toldOf));
  }
  return told;
}

const toldOf = ({ id, site, status, result }: IntentRow): Told => ({
  ...{ id, site, status: status as Told['status'] },
  result: result === '' ? {} : JSON.parse(result),
});

/** What people have said of it: what central knew of the machine has changed when they say it again. */
const wishOf = (body: IntentBody): string => JSON.stringify({ ...body, seen: undefined });

function first([told]: readonly Told[]): Told {
  if (!told) throw new Error('an order vanished inside its own transaction');
  return told;
}

const idFor = ({ who, key }: Asker, ...part: readonly string[]): string =>
  key === undefined ? randomUUID() : idOf([who, key, ...part].join(' '));

/** RFC 9562, section 5.8: a UUID of our own making. */
function idOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  const at = (from: number, to: number) => hex.slice(from, to);
  return [at(0, 8), at(8, 12), `8${at(13, 16)}`, `a${at(17, 20)}`, at(20, 32)].join('-');
}
