/**
 * When a change of many machines asks again: above a fixed number, or when it takes in more than a fifth of a rack, of a
 * role's pool or of a site that is not tiny. The confirmation names the count, so that a script that was written for
 * three machines does not pass when its filter suddenly finds three hundred.
 */
import { AppError } from '../../errors.ts';
import type { MachineRecord } from '../../inventory/machine-fields.ts';
import { limit } from '../../limits.ts';

export interface GroupSizes {
  /** Machines in this rack, role or site; counting may stop at `most`. */
  sizeOf(group: 'rack' | 'role' | 'site', name: string, most: number): number;
}

const SHARE = 0.2;
/** A fifth of four machines is less than one: such groups ask for nothing. */
const SMALLEST_GROUP = 5;

/** @throws AppError CONFIRMATION_NEEDED that names the count, and the reason */
export function assertConfirmed(
  records: readonly MachineRecord[],
  confirm: number | undefined,
  sizes: GroupSizes,
): void {
  if (confirm === records.length) return;
  const reason = reasonToAsk(records, sizes);
  if (reason === undefined && confirm === undefined) return;
  throw new AppError('CONFIRMATION_NEEDED', {
    detail: `It would change ${records.length} machines${reason ? `: ${reason}` : ''}.`,
    path: '/confirm',
    more: { count: records.length },
  });
}

function reasonToAsk(records: readonly MachineRecord[], sizes: GroupSizes): string | undefined {
  if (records.length > limit('bulkUnconfirmedMax'))
    return `more than ${limit('bulkUnconfirmedMax')} at once`;
  for (const group of ['rack', 'role', 'site'] as const) {
    const counts = new Map<string, number>();
    for (const { [group]: name } of records)
      if (name !== '') counts.set(name, (counts.get(name) ?? 0) + 1);
    for (const [name, count] of counts) {
      const size = sizes.sizeOf(group, name, Math.ceil(count / SHARE) + 1);
      if (size >= SMALLEST_GROUP && count / size > SHARE)
        return `${count} of the ${size} in ${group} ${name}`;
    }
  }
  return undefined;
}
