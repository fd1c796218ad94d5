/** Applies the hardware types that there are to the report of a machine on record. Writes: the caller's transaction. */
import type { Hardwarename } from '../wire/ids.ts';
import { typeOf } from './hardware-types.ts';
import type { Inventory } from './inventory.ts';

/** @returns whether its type, or how it differs from it, has changed */
export function retype(
  { machines, events, serverdb }: Pick<Inventory, 'machines' | 'events' | 'serverdb'>,
  name: Hardwarename,
): boolean {
  const machine = machines.byHardwarename(name);
  if (!machine?.reported) return false;
  const { type, mismatch } = typeOf(machine.hardware, serverdb.records.list('type'));
  if (type === machine.hardwareType && mismatch === machine.typeMismatch) return false;
  machines.write(name, { hardwareType: type, typeMismatch: mismatch });
  const data = { from: machine.hardwareType, to: type, mismatch };
  events.append({ name: 'machine.typed', hardwarename: name, data });
  return true;
}
