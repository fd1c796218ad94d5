/**
 * The active daemon's promises, tied to the other appliance: a log of changes, the feeder that tells them, and the rules for
 * addresses. Made with each start of an active daemon, and of one that serves while it is apart.
 */
import { randomUUID } from 'node:crypto';
import type { LeaseChange } from '../dhcp/ports.ts';
import { type ChangeLog, openChangeLog } from '../standby/change-log.ts';
import { createFeeder, type Feeder, type FeederPorts } from '../standby/feeder.ts';
import type { Standing } from '../standby/gate.ts';
import { createPromises, type Promises } from '../standby/promises.ts';
import type { StandbySettings } from '../standby/settings.ts';
import type { Mac } from '../wire/mac.ts';
import { type openCore, systemClock } from './core.ts';

export interface Telling {
  readonly log: ChangeLog;
  readonly feeder: Feeder;
  readonly promises: Promises;
  applyLease(change: LeaseChange): Mac | undefined;
  whenDurable(done: (error?: Error) => void): void;
}

export interface TellingParts {
  readonly settings: StandbySettings;
  readonly ports: Omit<FeederPorts, 'log' | 'run'>;
  readonly unsure: readonly string[];
  standing(): Standing;
  aheadMs(): number;
  keepUnsure(unsure: string[]): void;
}

export function openTelling(core: ReturnType<typeof openCore>, parts: TellingParts): Telling {
  const { settings, standing } = parts;
  const log = openChangeLog(core.db);
  const feeder = createFeeder({ ...parts.ports, log, run: randomUUID() });
  const promises = createPromises(
    {
      ...{ member: settings.member, mcltSeconds: settings.mcltSeconds, standing },
      leases: core.inventory.leases,
      aheadMs: parts.aheadMs,
      keep: parts.keepUnsure,
      waits: feeder.waits,
      head: log.head,
    },
    parts.unsure,
  );
  core.pairing.rules = promises;
  return {
    ...{ log, feeder, promises },
    applyLease: (change) => promises.entering(change, systemClock(), core.inventory.leases.apply),
    whenDurable: (done) =>
      core.groupCommit.whenDurable((error) => (error ? done(error) : feeder.confirm(done))),
  };
}
