/**
 * When a change of many machines asks again: above a fixed number, or when it takes in more than a fifth of a rack, of a
 * role's pool or of a site that is not tiny. The confirmation names the count, so that a script that was written for
 * three machines does not pass when its filter suddenly finds three hundred.
 */
import { AppError } from '../../errors.ts';
import type { MachineRecord } from '../../inventory/machine-fields.ts';
import type { MachineGroup } from '../../inventory/machine-query.ts';
import { limit } from '../../limits.ts';

export interface GroupSizes {
  /** How many machines are in it; counting may stop at `most`. */
  sizeOf(group: MachineGroup, most: number): number;
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
  for (const by of ['rack', 'role', 'site'] as const) {
    const named = records.filter((record) => record[by] !== '');
    const groups = Map.groupBy(named, (record) => JSON.stringify(groupOf(record, by)));
    for (const [key, { length: count }] of groups) {
      const group = JSON.parse(key) as MachineGroup;
      const size = sizes.sizeOf(group, Math.ceil(count / SHARE) + 1);
      if (size >= SMALLEST_GROUP && count / size > SHARE)
        return `${count} of the ${size} in ${by} ${group.name}`;
    }
  }
  return undefined;
}

function groupOf(record: MachineRecord, by: MachineGroup['by']): MachineGroup {
  const name = record[by];
  return by === 'rack' ? { by, name, site: record.site } : { by, name };
}
