/**
 * Which rack a machine stands in, as one word that no other rack has: its name is its own within its row only, and two sites,
 * halls or rows may each have an "R1". Parts that are not known are left out.
 */
import type { MachineRecord } from './machine-fields.ts';

export type Place = Readonly<Pick<MachineRecord, 'site' | 'hall' | 'row' | 'rack'>>;

/** `lon/h1/r2/R07`; '' for a machine whose rack is not known. */
export function rackPlace({ site, hall, row, rack }: Place): string {
  return rack === '' ? '' : [site, hall, row, rack].filter((part) => part !== '').join('/');
}
