/**
 * What a daemon of a pair is while it is not the active one: names, boot files, scripts, and DHCP for who has an address already, as
 * far as the rules of the two allow. While it follows it reads the copy and writes nothing; what it writes while it is apart is
 * not kept.
 */
import type { Daemon } from '../daemon.ts';
import type { LeaseChange } from '../dhcp/ports.ts';
import type { PairDesk } from '../http/people/context.ts';
import type { Mac } from '../wire/mac.ts';
import type { Clock } from '../wire/time.ts';
import type { CoreRun, openCore, Parts } from './core.ts';
import { startDhcp } from './dhcp.ts';
import { startDns } from './dns.ts';
import { startMachineHttp } from './http.ts';
import { startReadOnlyPeople } from './standby-people.ts';
import { startTftp } from './tftp.ts';

export interface PairSide {
  readonly mode: 'active' | 'apart' | 'following';
  readonly desk: PairDesk;
  /** It is not active any more: nothing is written at the end either. */
  isOver(): boolean;
  /** The time of day that leases go by: when it was set, they were moved before it is said. */
  readonly clock: Clock;
  /** What `openCore` has to know of it. */
  run(): CoreRun;
  /** Before anything else is done with it. */
  opened(core: ReturnType<typeof openCore>): {
    applyLease(change: LeaseChange): Mac | undefined;
    whenDurable(done: (error?: Error) => void): void;
    leaseDurable(done: (error?: Error) => void): void;
  };
  /** As a follower: what has changed in the copy. */
  onRows(reread: (tables: ReadonlySet<string>) => void): void;
  /** As a follower: shows the zones that have come since. */
  onZones(show: () => void): void;
}

/** @param close closes everything that was opened, the database last */
export async function startQuietly(
  parts: Parts,
  side: PairSide,
  close: () => Promise<void>,
): Promise<Daemon> {
  const { mode, onZones } = side;
  try {
    const desk = await startDns(parts, mode === 'following' ? { frozen: true, onZones } : {});
    await startDhcp(parts);
    await startTftp(parts);
    await startMachineHttp({ ...parts, readOnly: true }, {});
    await startReadOnlyPeople(parts, side, desk);
  } catch (error) {
    await close();
    throw error;
  }
  return { stop: close };
}
