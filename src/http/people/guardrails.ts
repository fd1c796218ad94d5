/**
 * When a change of many machines asks again: above a fixed number, or when it takes in more than a fifth of a rack, of a
 * role's pool or of a site that is not tiny. The confirmation names the count, so that a script that was written for
 * three machines does not pass when its filter suddenly finds three hundred.
 */
import { AppError } from '../../errors.ts';
import type { MachineRecord } from '../../inventory/machine-fields.ts';
import type { MachineGroup } from '../../inventory/machine-query.ts';
import { limit } from '../../limits.ts';

/** What of a machine says to which groups it belongs. */
export type Grouped = Pick<MachineRecord, 'rack' | 'role' | 'site'>;

export interface GroupSizes {
  /** How many machines are in it; counting may stop at `most`. */
  sizeOf(group: MachineGroup, most: number): number;
}

const SHARE = 0.2;
/** A fifth of four machines is less than one: such groups ask for nothing. */
const SMALLEST_GROUP = 5;

/** @throws AppError CONFIRMATION_NEEDED that names the count, and the reason */
export function assertConfirmed(
  records: readonly Grouped[],
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

function reasonToAsk(records: readonly Grouped[], sizes: GroupSizes): string | undefined {
  if (records.length > limit('bulkUnconfirmedMax'))
    return `more than ${limit('bulkUnconfirmedMax')} at once`;
  for (const { group, count } of groupsOf(records)) {
    const size = sizes.sizeOf(group, Math.ceil(count / SHARE) + 1);
    if (size >= SMALLEST_GROUP && count / size > SHARE)
      return `${count} of the ${size} in ${group.by} ${group.name}`;
  }
  return undefined;
}

/** Racks, roles and sites that these machines are in, and how many of them. */
export function groupsOf(
  records: readonly Grouped[],
): { readonly group: MachineGroup; readonly count: number }[] {
  return (['rack', 'role', 'site'] as const).flatMap((by) => {
    const named = records.filter((record) => record[by] !== '');
    const groups = Map.groupBy(named, (record) => JSON.stringify(groupOf(record, by)));
    return [...groups].map(([key, { length: count }]) => ({
      ...{ group: JSON.parse(key) as MachineGroup, count },
    }));
  });
}

function groupOf(record: Grouped, by: MachineGroup['by']): MachineGroup {
  const name = record[by];
  return by === 'rack' ? { by, name, site: record.site } : { by, name };
}
