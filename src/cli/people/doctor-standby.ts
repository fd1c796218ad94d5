/** The doctor's look at a pair: what is wrong before it matters, which is when one of the two dies. */
import type { Config } from '../../config.ts';
import { askControl, controlFileOf } from '../../daemon/standby-control.ts';
import { readPairKey } from '../../platform/pair-link.ts';
import type { Finding } from './doctor-finding.ts';

type PairStatus = Awaited<ReturnType<typeof askControl>>;

/** DHCP reckons with so much (`gate.ts`). */
const CLOCKS_MS = 2000;
/** What a follower that has everything is behind at most, while nothing is wrong. */
const BEHIND_MS = 10_000;

export async function pairParts(config: Config): Promise<Finding[]> {
  if (!config.standby) return [];
  const key = keyOf(config.standby.keyFile);
  const status = await askControl(controlFileOf(config), '/status').catch(() => undefined);
  return [key, ...(status ? judgePair(status, config.standby.witness) : [])];
}

function keyOf(file: string): Finding {
  const check = 'key of the pair';
  try {
    readPairKey(file);
    return { check, ok: true, found: file };
  } catch (error) {
    const mend = `openssl rand -hex 32 > ${file}; chmod 600 ${file}; the same file on both`;
    return { check, ok: false, found: (error as Error).message, mend };
  }
}

/** Of a daemon that runs, by what it says itself. */
export function judgePair(status: PairStatus, witness: boolean): Finding[] {
  const { partner, standby, version } = status;
  const found = (check: string, fault: string | undefined, ok: string, mend: string): Finding =>
    fault === undefined ? { check, ok: true, found: ok } : { check, ok: false, found: fault, mend };
  const ago = partner.touchAt === 0 ? 'never' : `last ${new Date(partner.touchAt).toISOString()}`;
  const partners = found(
    'the other appliance',
    partner.inTouch ? undefined : `${partner.address} is not heard (${ago})`,
    `${partner.address} is in touch; this one is ${status.mode}`,
    `see whether it runs; port 8447, key and site are the same on both: its log says why it is not let in`,
  );
  const notes = found(
    'notes of the pair',
    status.unwritten === '' ? undefined : `cannot be written: ${status.unwritten}`,
    'are written',
    'free some space on the disk of the database: no address is given until it can write',
  );
  if (!partner.inTouch) return [partners, notes, ...witnessOf(status, witness)];
  const age = standby.behindMs === null ? '' : `, ${(standby.behindMs / 1000).toFixed(1)} s behind`;
  const isLate = standby.behindMs === null || standby.behindMs > BEHIND_MS;
  const apart = Math.abs(partner.clockAheadMs);
  return [
    partners,
    notes,
    found(
      'versions of the pair',
      partner.version === version ? undefined : `${version} here, ${partner.version} there`,
      version,
      'install the same version on both, the standby first',
    ),
    found(
      'standby',
      standby.current && !isLate ? undefined : `is not current${age}`,
      `current${age}`,
      'a copy is on its way, or the line or its disk is slow: `reveille standby status` again in a minute, then its log',
    ),
    found(
      'images of the standby',
      standby.images.missing > 0
        ? `${standby.images.missing} files are missing (${(standby.images.bytes / 1e6).toFixed(1)} MB)`
        : undefined,
      'it has all files',
      'they are on their way (standby.imagesMbps); if not, its log and its disk say why',
    ),
    found(
      'clocks of the pair',
      apart > CLOCKS_MS ? `${(apart / 1000).toFixed(1)} s apart` : undefined,
      `${apart} ms apart`,
      'let both follow the same time server: chronyc tracking',
    ),
    ...witnessOf(status, witness),
  ];
}

function witnessOf({ witness }: PairStatus, wanted: boolean): Finding[] {
  const check = 'witness';
  if (!wanted) return [];
  if (witness === 'heard') return [{ check, ok: true, found: 'central answers' }];
  const mend = 'reveille federation status; without it the standby takes over by order alone';
  return [{ check, ok: false, found: 'central does not answer', mend }];
}
