/** What people ask of a pair: how it stands, and changing its places. */
import { AppError } from '../errors.ts';
import type { PairDesk, PairStatus } from '../http/people/context.ts';
import { limit } from '../limits.ts';
import { likelyMs } from '../standby/clock-difference.ts';
import { isTogether } from '../standby/gate.ts';
import type { TakeOver } from '../standby/right.ts';
import { NEVER } from '../standby/standing.ts';
import { formatIpv4 } from '../wire/ipv4.ts';
import { VERSION } from './core.ts';
import type { Pair } from './standby.ts';
import { mono } from './standby-clock.ts';

export function createPairDesk(pair: Pair): PairDesk {
  return {
    status: () => statusOf(pair),
    begin: (order) => void begin(pair, order),
    takeOver: async (order) => {
      const before = pair.right.kept().own;
      const result = begin(pair, order);
      pair.settle();
      const until = mono() + 3 * pair.leaseMs;
      while (pair.right.kept().own === before || pair.mode !== 'active' || pair.part.busy) {
        const refusal = pair.closing ?? (result === 'asked' ? pair.right.refusal() : undefined);
        const isOver = mono() > until;
        // The time of a right that nobody renews goes by, and the witness is asked again.
        if (refusal !== undefined && (refusal !== 'held' || isOver))
          throw refuse(WHY[refusal] ?? refusal);
        if (isOver) throw refuse('Nobody has given the right to it in time.');
        await new Promise((resolve) => setTimeout(resolve, limit('standbyTickMs')));
      }
    },
    handBack: async ({ why, who }) => handOver(pair, `${who}: ${why}`),
  };
}

/** @throws AppError STANDBY_REFUSED for what cannot be; whether it comes to be shows with time */
function begin(pair: Pair, { why, fenced, who }: Parameters<PairDesk['begin']>[0]): TakeOver {
  pair.closing = undefined;
  const result = pair.right.takeOver(mono(), { fenced: fenced !== '' });
  const reason = `${who}: ${why}${fenced === '' ? '' : `; fenced: ${fenced}`}`;
  if (result === 'active') throw refuse('This appliance is active already.');
  if (result === 'no-copy')
    throw refuse(
      'It has no whole copy to take over with; one that never met the other one needs --fenced.',
    );
  if (result === 'not-current') throw refuse(NOT_CURRENT);
  if (result === 'in-touch') {
    pair.meeting?.line.send({ kind: 'give' });
  } else if (result === 'done') {
    pair.oriented = true;
    pair.footing.tookOver(fenced === '' ? 'order' : 'fenced', reason);
  }
  return result;
}

const refuse = (detail: string) => new AppError('STANDBY_REFUSED', { detail });

/** Stops, and gives the right to the other one once it has everything. @throws AppError STANDBY_REFUSED */
export async function handOver(pair: Pair, why: string): Promise<void> {
  const { meeting, right, part } = pair;
  const { telling } = part;
  if (!pair.isActive()) throw refuse('This appliance is not active.');
  if (!meeting || !telling || !part.isCurrent())
    throw refuse('The other appliance is not in touch, or has not everything yet.');
  const { unwritten } = addressesOf(pair);
  if (unwritten !== '') throw refuse(`What has to be noted cannot be written: ${unwritten}.`);
  if (!isTogether(pair.standing()))
    throw refuse('Leases of before may still run that neither knows of: later.');
  await part.changing;
  part.tell({ name: 'standby.handed-over', data: { epoch: right.kept().own, why } });
  part.busy = true;
  // From here on nothing is written or promised; what was is confirmed first.
  const epoch = right.handOver();
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(refuse('It does not answer.')), pair.leaseMs / 2);
      telling.feeder.confirm((error) => {
        clearTimeout(timer);
        if (error) reject(error);
        else resolve();
      });
    });
    meeting.line.send({ kind: 'yours', epoch });
  } finally {
    part.busy = false;
    pair.settle();
  }
}

const NO_IMAGES = { files: 0, bytes: 0 };

/** How old what the follower has is: the other one's copy, or ours. */
function standbyOf(pair: Pair): PairStatus['standby'] {
  const { mode, meeting, part, right, state, heardAt } = pair;
  const { files, bytes } =
    (mode === 'active' ? meeting?.images : part.images?.missing()) ?? NO_IMAGES;
  const images = { missing: files, bytes };
  const { touchAt } = state.get();
  const sinceTouch = touchAt === 0 ? null : Math.max(0, Date.now() - touchAt);
  if (mode === 'active') {
    const current = part.isCurrent();
    return { current, images, behindMs: current ? part.behindMs() : sinceTouch };
  }
  const current = meeting?.active === true && right.follows();
  return { current, images, behindMs: current ? Math.round(mono() - heardAt) : sinceTouch };
}

/** Where the disk is full nothing may be promised until it is noted what has happened; how the two stand is told all the same. */
function addressesOf(pair: Pair): Pick<PairStatus, 'addresses' | 'unwritten'> {
  try {
    const { quiet, mode } = pair.standing();
    return { addresses: quiet ? 'read-only' : mode, unwritten: '' };
  } catch (error) {
    return { addresses: 'none', unwritten: whyUnwritten(error) };
  }
}

const FULL: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'SQLITE_FULL']);

function whyUnwritten(error: unknown): string {
  const { code, message = String(error) } = error as { code?: unknown; message?: string };
  return FULL.has(code) ? 'the disk is full' : message;
}

function statusOf(pair: Pair): PairStatus {
  const { settings } = pair.parts;
  const { wholeFrom, touchAt, why } = pair.state.get();
  const heard = mono() - pair.witnessAt < pair.leaseMs;
  return {
    member: settings.member,
    mode: pair.mode,
    epoch: pair.right.kept().epoch,
    partner: {
      address: formatIpv4(settings.partner),
      inTouch: pair.meeting !== undefined,
      current: pair.part.isCurrent(),
      behind: pair.part.telling?.feeder.behind() ?? 0,
      touchAt: pair.meeting ? Date.now() : touchAt,
      clockAheadMs: likelyMs(pair.footing.aheadNow()),
      version: pair.meeting?.version ?? '',
    },
    standby: standbyOf(pair),
    ...{ takeOvers: pair.part.takeOvers, version: VERSION },
    ...addressesOf(pair),
    wholeFrom: wholeFrom === NEVER || wholeFrom === 0 ? null : wholeFrom,
    witness: settings.witness ? (heard ? 'heard' : 'silent') : 'none',
    why,
  };
}

const NOT_CURRENT =
  'The copy here may not be current. Say why the other one is fenced to use it all the same.';

const WHY: Readonly<Record<string, string>> = {
  held: 'The other appliance has the right, by the witness. Order it to hand over, or say why it is fenced.',
  'not-current': NOT_CURRENT,
  unknown: 'The witness knows nothing of this site yet. Say why the other one is fenced.',
  superseded: 'The other appliance has a newer right.',
};
