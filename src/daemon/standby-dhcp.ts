/**
 * The active daemon's promises, tied to the other appliance: a log of changes, the feeder that tells them, and the rules for
 * addresses. Made with each start of an active daemon, and of one that serves while it is apart.
 */
import { randomUUID } from 'node:crypto';
import type { LeaseChange } from '../dhcp/ports.ts';
import { lastingMs } from '../platform/lasting-clock.ts';
import { type ChangeLog, openChangeLog } from '../standby/change-log.ts';
import { createFeeder, type Feeder, type FeederPorts } from '../standby/feeder.ts';
import {
  apartHoldSeconds,
  isSilent,
  isTogether,
  reservedHoldSeconds,
  type Standing,
} from '../standby/gate.ts';
import { type MoveLog, openMoveLog } from '../standby/move-log.ts';
import { createPromises, type Promises } from '../standby/promises.ts';
import type { StandbySettings } from '../standby/settings.ts';
import type { Told } from '../standby/told.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import { type openCore, systemClock } from './core.ts';

export interface Telling {
  readonly log: ChangeLog;
  readonly feeder: Feeder;
  readonly promises: Promises;
  readonly moves: MoveLog;
  applyLease(change: LeaseChange): Mac | undefined;
  whenDurable(done: (error?: Error) => void): void;
  /** For acknowledgements: whoever takes over must know of them, or they are not to be told. */
  leaseDurable(done: (error?: Error) => void): void;
  /** An active one has begun, and that is noted; with an error, it has not: nothing that waits for it is told. */
  begun(error?: Error): void;
}

export interface TellingParts {
  readonly settings: StandbySettings;
  readonly ports: Omit<FeederPorts, 'log' | 'run'>;
  readonly unsure: readonly string[];
  readonly told: Told;
  /** Of one that serves while it is apart nobody takes over anything. */
  readonly active: boolean;
  /** No lease is longer. */
  readonly longestMs: number;
  standing(): Standing;
  aheadMs(): number;
}

export function openTelling(core: ReturnType<typeof openCore>, parts: TellingParts): Telling {
  const { settings, standing } = parts;
  const log = openChangeLog(core.db);
  const feeder = createFeeder({ ...parts.ports, log, run: randomUUID() });
  const moves = openMoveLog(core.db, {
    ...{ head: log.head, mono: lastingMs, wall: systemClock },
    longestMs: parts.longestMs,
    isTogether: () => isTogether(standing()),
    isSilent: () => isSilent(standing()),
    holdMs: reservedHoldSeconds(settings.mcltSeconds) * 1000,
    apartMs: apartHoldSeconds(settings.mcltSeconds) * 1000,
    isAlone() {
      const now = standing();
      return now.mode === 'whole' && now.alone;
    },
  });
  const promises = createPromises(
    {
      ...{ member: settings.member, mcltSeconds: settings.mcltSeconds, standing },
      leases: core.inventory.leases,
      aheadMs: parts.aheadMs,
      waits: feeder.waits,
      ...{ head: log.head, moves, told: parts.told },
    },
    parts.unsure,
  );
  core.pairing.rules = promises;
  if (parts.active) core.inventory.transaction(() => noteWords(moves, parts.told));
  // Who could not begin leaves its place as one that has said nothing. Its first parts serve before the last one is begun.
  let unsaid: ((error?: Error) => void)[] | undefined = parts.active ? [] : undefined;
  const durable =
    (wait: Feeder['confirm']) =>
    (done: (error?: Error) => void): void => {
      const said = (error?: Error) => (error ? done(error) : wait(done));
      const confirmed = (error?: Error) => (unsaid && !error ? unsaid.push(said) : said(error));
      parts.told.whenKept((error) =>
        error ? done(error) : core.groupCommit.whenDurable(confirmed),
      );
    };
  return {
    ...{ log, feeder, promises, moves },
    applyLease: (change) => promises.entering(change, systemClock(), core.inventory.leases.apply),
    whenDurable: durable(feeder.confirm),
    leaseDurable: durable(feeder.promise),
    begun(error) {
      const waiting = unsaid ?? [];
      unsaid = undefined;
      for (const said of waiting) said(error);
    },
  };
}

/** What was told while this one was not active, for the one that serves from this database next. */
function noteWords(moves: MoveLog, told: Told): void {
  for (const { address, mac, leftMs } of told.running()) {
    const end = address.lastIndexOf(' ');
    moves.told(address.slice(0, end), Number(address.slice(end + 1)) as Ipv4, { mac, leftMs });
  }
}
