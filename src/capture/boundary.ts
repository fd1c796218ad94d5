/**
 * Where one boot of a machine ends and the next begins, from the packets alone. The daemon knows more (it has handed out
 * the script, src/inventory/boots.ts); a capture shows who asks, and when.
 */

import { MESSAGE } from '../dhcp/options.ts';
import type { ClientStage } from '../events.ts';
import { limit } from '../limits.ts';
import type { Entry } from './model.ts';

/** What is known of the boot that a machine is in: enough to judge the next entry without going through all of them. */
export interface BootSoFar {
  readonly stages: Set<ClientStage>;
  lastUs: number;
}

export function bootFrom(entry: Entry): BootSoFar {
  const boot: BootSoFar = { stages: new Set(), lastUs: entry.atUs };
  continueBoot(boot, entry);
  return boot;
}

export function continueBoot(boot: BootSoFar, entry: Entry): void {
  boot.lastUs = entry.atUs;
  if (entry.kind === 'dhcp' && !entry.fromServer) boot.stages.add(entry.client.stage);
}

/** Whether this entry is the first of a new boot, `boot` being the one that the machine is in. */
export function beginsBoot({ stages, lastUs }: BootSoFar, entry: Entry): boolean {
  const idleMs = (entry.atUs - lastUs) / 1000;
  if (idleMs > limit('bootIdleMs')) return true;
  if (entry.kind !== 'dhcp' || entry.fromServer || entry.type !== MESSAGE.discover) return false;
  switch (entry.client.stage) {
    case 'firmware':
    case 'http-boot':
      return stages.has('ipxe') || stages.has('os');
    case 'ipxe':
      return stages.has('os') || (stages.has('ipxe') && idleMs > limit('firmwareRepeatMs'));
    case 'os':
    case 'bmc':
      return false;
  }
}
