/**
 * The API and the portal of an appliance that is not the active one: reads are answered from its copy, and say so; whatever would
 * change something is refused with the address of the active one, but for the orders of the pair.
 *
 * A follower opens its copy once more for people, without what it notes of machines in front of it: a timeline is the active one's.
 */
import { Registry } from 'prom-client';
import type { DnsDesk } from '../nameserver/desk.ts';
import { openCore, type Parts, rereadCore } from './core.ts';
import { startPeopleHttp } from './http.ts';
import { openJobs } from './jobs.ts';
import { openRecorder } from './recorder.ts';
import type { PairSide } from './standby-serving.ts';

export async function startReadOnlyPeople(
  parts: Parts,
  side: PairSide,
  dns: DnsDesk | undefined,
): Promise<void> {
  const shown = side.mode === 'following' ? openShown(parts, side) : parts;
  const { partner } = side.desk.status();
  await startPeopleHttp(
    { ...parts, inventory: shown.inventory, recorder: shown.recorder },
    {
      jobs: openJobs({ ...parts, db: shown.db, inventory: shown.inventory }),
      readiness: () => ({ database: true, active: false }),
      whenDurable: parts.groupCommit.whenDurable,
      servedSegments: shown.live.served,
      // This listener ends with the part that it is of: the order is answered when it has begun.
      standby: { ...side.desk, takeOver: async (order) => side.desk.begin(order) },
      dns: () => dns,
      passive: { active: partner.address },
    },
  );
}

function openShown(parts: Parts, side: PairSide): Parts {
  const { config, log, closers } = parts;
  const onError = (err: unknown) => log.error({ err }, 'the copy could not be shown');
  const core = openCore(config, onError, { copy: { serves: false, aheadMs: () => 0 } });
  closers.push(core.close);
  side.onRows((tables) => rereadCore(core, tables));
  return { ...parts, ...core, ...openRecorder(core, config, { registry: new Registry(), log }) };
}
