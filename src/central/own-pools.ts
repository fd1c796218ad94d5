/**
 * Pools that sites have made themselves, changed from central: their size alone, each by an order to its site. What is answered is how
 * they are then; a site that has not answered is named beside them.
 */
import type { FastifyRequest } from 'fastify';
import { AppError } from '../errors.ts';
import { versionRead } from '../http/people/commit.ts';
import { limit } from '../limits.ts';
import { needSquad, principalOf } from './access.ts';
import type { FleetAppParts } from './app.ts';
import { type Asked, assertTaken, refusalOf, type Told } from './asking.ts';
import { askedOf, askerOf } from './orders.ts';
import type { FleetPools, FleetSize, Parts } from './pools.ts';
import type { SitePool } from './site-pools.ts';

/** Those whose place a part would take. */
export const ownOf = (own: readonly SitePool[], sites: Parts): SitePool[] =>
  own.filter(({ site }) => sites[site] !== undefined);

/** A size says nothing of whose pool it is then. @throws AppError ALREADY_EXISTS */
export function assertNotOwn([pool]: readonly SitePool[]): void {
  if (pool)
    throw new AppError('ALREADY_EXISTS', {
      detail: `${pool.site} has made its own ${pool.name}: leave it out, or put the whole pool in its place.`,
      path: '/sites',
    });
}

type SizeRequest = FastifyRequest<{
  Params: { name: string };
  Querystring: { why?: string | undefined; confirm?: number | undefined };
}> & { readonly body: FleetSize };

/**
 * Of pools that sites have made themselves: each is asked for its size, and keeps the rest as it is.
 * @returns those that are not shown with it yet
 * @throws AppError SITE_UNKNOWN where it has none, FORBIDDEN, CONFIRMATION_NEEDED, and what the site says
 */
export async function sizeOwn(
  { pools, asking }: FleetAppParts,
  request: SizeRequest,
  own: readonly SitePool[],
): Promise<ReturnType<typeof askedOf>[]> {
  const { name } = request.params;
  const { site = '', count = 0, sites = { [site]: count } } = request.body;
  const { confirm, why: reason = 'changed' } = request.query;
  const foreign = Object.keys(sites).find((one) => !own.some((pool) => pool.site === one));
  if (foreign !== undefined)
    throw new AppError('SITE_UNKNOWN', { detail: `${foreign} has no pool ${name}.` });
  const asked = ownOf(own, sites);
  for (const { doc } of asked) needSquad(principalOf(request), doc.squad);
  const leaving = await pools.confirmed(name, sites, confirm);
  const version = own.length === 1 ? versionRead(request, false) : undefined;
  const orders = asked.map((pool): Asked => {
    const going = leaving[pool.site] ?? 0;
    return {
      site: pool.site,
      body: {
        ...{ kind: 'size-pool', pool: name, count: sites[pool.site] ?? 0, why: reason },
        ...(going > 0 && { confirm: going }),
        ...(version !== undefined && { version }),
      },
    };
  });
  const told = await asking.settled(await asking.ask(orders, askerOf(request)));
  assertAllTaken(told);
  return (await notShown(pools, name, told)).map(askedOf);
}

/** Where others have taken it, the refusal says so. @throws AppError what the site says, SITE_REFUSED of several */
function assertAllTaken(told: readonly Told[]): void {
  const refused = told.find(({ status }) => status === 'refused');
  if (!refused) return;
  if (told.length === 1) assertTaken(refused);
  const words = told.map(({ site, status, result }) => {
    if (status !== 'refused') return `${site}: ${status}`;
    const { code, detail } = refusalOf(result);
    return `${site}: ${code} ${detail}`.trim();
  });
  throw new AppError('SITE_REFUSED', { detail: words.join('; ') });
}

/** Those that are not answered, or not seen here after a moment: a site's answer comes before its record. */
async function notShown(pools: FleetPools, name: string, told: readonly Told[]): Promise<Told[]> {
  const end = performance.now() + limit('fleetAnswerMs');
  for (;;) {
    const own = new Map((await pools.own(name)).map((pool) => [pool.site, pool.version]));
    const open = told.filter(
      ({ site, status, result }) =>
        status === 'waiting' || (own.get(site) ?? 0) < Number(result.version ?? 0),
    );
    if (open.every(({ status }) => status === 'waiting') || performance.now() > end) return open;
    await new Promise((resolve) => setTimeout(resolve, limit('fleetAnswerLookMs')));
  }
}
