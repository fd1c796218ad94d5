/**
 * Is a machine that comes under a new name one that is on record? Pure.
 *
 * A repair may replace the mainboard: serial, UUID and NICs are new, and what identity.ts knows a machine by is gone. What
 * stays is what hangs on it: the disks, with what is on them, the switch port, sometimes the board's own serial or the
 * BMC. So a newcomer is compared with the records that share such a part, by weights: two weak signs are as good as a
 * strong one. A hit merges nothing. The newcomer is held, both records name each other, and the mark of data on the
 * disks goes with the disks: a person says whether it is one machine, and until a recycle it is no capacity.
 *
 * One disk is enough where it comes from a machine that may hold data, because then the data came with it. Its serial
 * alone is no proof of that, since some vendors count their disks anew for every machine (QEMU's are QM00001 and so on): it
 * takes the WWN, or the model too.
 */
import type { Hardwarename } from '../wire/ids.ts';
import type { Contest } from './claims.ts';
import { isUsableSerial } from './identity.ts';
import type { Machine } from './machines.ts';
import type { ReconReport } from './report.ts';

export interface PartSwap extends Contest {
  /** Data may be on the disks that came with the parts. */
  readonly bringsData: boolean;
}

type Known = Pick<Machine, 'hardwarename' | 'bmcMac' | 'mayHoldData' | 'hardware' | 'nics'>;
type Disk = ReconReport['disks'][number];

interface Sign {
  readonly what: string;
  readonly weight: number;
  /** A disk with data, beyond doubt: however many say that they have it. */
  readonly isProven?: boolean;
}

/** A board serial that more records have is a placeholder that identity.ts does not know: no sign, or all would be held. */
const SHARERS_MAX = 2;

/** From here on it counts: one strong sign, or two weak ones. */
const ENOUGH = 20;
const STRONG = 20;
const WEAK = 10;

/** What a record that shares a part with this report can be found by: serials and WWNs. Ports only ever add to those. */
export function partIds({ dmi, disks, bmc }: ReconReport): string[] {
  const ids = [dmi.board?.serial, bmc?.mac, ...disks.flatMap(({ wwn, serial }) => [wwn, serial])];
  return [...new Set(ids.filter(isUsableSerial))];
}

/** The record that has most in common with the report, when that is enough. */
export function partSwapOf(report: ReconReport, known: readonly Known[]): PartSwap | undefined {
  const all = known.map((machine) => ({ machine, signs: signsOf(report, machine) }));
  const isCommon = ({ what }: Sign) =>
    all.filter(({ signs }) => signs.some((sign) => sign.what === what)).length > SHARERS_MAX;
  const scored = all
    .map(({ machine, signs }) => ({
      machine,
      signs: signs.filter((sign) => sign.isProven || !isCommon(sign)),
    }))
    .map((one) => ({ ...one, score: one.signs.reduce((sum, { weight }) => sum + weight, 0) }))
    .filter(({ score }) => score >= ENOUGH)
    .sort(
      (a, b) => b.score - a.score || (a.machine.hardwarename < b.machine.hardwarename ? -1 : 1),
    );
  const [best] = scored;
  if (!best) return undefined;
  const owner: Hardwarename = best.machine.hardwarename;
  const key = best.signs.map(({ what }) => what).join(', ');
  return {
    ...{ owner, key },
    why: `part swap: it has the ${key} of ${owner}`,
    bringsData: scored.some(({ machine }) => machine.mayHoldData),
  };
}

function signsOf(report: ReconReport, { hardware, bmcMac, nics, mayHoldData }: Known): Sign[] {
  const board = report.dmi.board?.serial;
  const disk = report.disks.find((one) => hardware.disks.some((other) => isAlike(one, other)));
  const isProven = hardware.disks.some((other) =>
    report.disks.some((one) => isAlike(one, other) && isSame(one, other)),
  );
  const ports = new Set(nics.map(({ switch: name, port }) => portOf(name, port)));
  const port = report.nics
    .map(({ lldp }) => portOf(lldp?.switch, lldp?.port))
    .find((one) => one !== '' && ports.has(one));
  const signs: (Sign | undefined)[] = [
    isUsableSerial(board) && board === hardware.dmi.board?.serial
      ? { what: `board ${board}`, weight: STRONG }
      : undefined,
    disk && {
      what: `disk ${disk.wwn || disk.serial}`,
      ...(isProven && mayHoldData ? { weight: STRONG, isProven } : { weight: WEAK }),
    },
    bmcMac !== '' && bmcMac === report.bmc?.mac
      ? { what: `BMC ${bmcMac}`, weight: WEAK }
      : undefined,
    port === undefined ? undefined : { what: `switch port ${port}`, weight: WEAK },
  ];
  return signs.filter((sign) => sign !== undefined);
}

function isAlike(a: Disk, b: Disk): boolean {
  if (isUsableSerial(a.wwn) && isUsableSerial(b.wwn)) return a.wwn === b.wwn;
  return isUsableSerial(a.serial) && a.serial === b.serial;
}

/** Beyond the doubt that a serial alone leaves. */
function isSame(a: Disk, b: Disk): boolean {
  if (isUsableSerial(a.wwn) && a.wwn === b.wwn) return true;
  return Boolean(a.model) && a.model === b.model && !/^QM\d{5}$/.test(a.serial ?? '');
}

const portOf = (name = '', port = ''): string => (name && port ? `${name} ${port}` : '');
