/**
 * What a daemon of a pair is while it is not the active one: its DNS from the copy while it follows; while it is apart, also
 * what machines need to boot, and DHCP for those who have an address. Nothing that it writes then is kept.
 */
import type { Daemon } from '../daemon.ts';
import type { LeaseChange } from '../dhcp/ports.ts';
import type { PairDesk } from '../http/people/context.ts';
import type { Mac } from '../wire/mac.ts';
import type { openCore, Parts } from './core.ts';
import { startDhcp } from './dhcp.ts';
import { startDns } from './dns.ts';
import { startMachineHttp } from './http.ts';
import { startTftp } from './tftp.ts';

export interface PairSide {
  readonly mode: 'active' | 'apart' | 'following';
  readonly desk: PairDesk;
  /** It is not active any more: nothing is written at the end either. */
  isOver(): boolean;
  /** What `openCore` has to know of it. */
  run(): { readonly osBoot?: string | undefined; mayWrite?(): void };
  /** Before anything else is done with it. */
  opened(core: ReturnType<typeof openCore>): {
    applyLease(change: LeaseChange): Mac | undefined;
    whenDurable(done: (error?: Error) => void): void;
  };
  /** As a follower: shows the zones that have come since. */
  onZones(show: () => void): void;
}

/** @param close closes everything that was opened, the database last */
export async function startQuietly(
  parts: Parts,
  { mode, onZones }: PairSide,
  close: () => Promise<void>,
): Promise<Daemon> {
  try {
    if (mode === 'following') await startDns(parts, { frozen: true, onZones });
    else {
      await startDns(parts);
      await startDhcp(parts);
      await startTftp(parts);
      await startMachineHttp({ ...parts, readOnly: true }, {});
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { stop: close };
}
