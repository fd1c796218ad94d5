/**
 * How a BMC is to be spoken to, as a site has written it down: a record of the kind `bmc` for a machine, a hardware type, a
 * vendor, or all. The most precise one counts, alone; two that are as precise count by name.
 */
import { bmcProfileSchema, type RecordDoc } from '../inventory/record-kinds.ts';
import type { StoredRecord } from '../inventory/records.ts';

export type BmcProfile = RecordDoc<'bmc'>;

/** What profiles are chosen by. */
export interface ProfileSubject {
  readonly hardwarename: string;
  readonly hardwareType: string;
  /** Of the BMC, or of the machine where the BMC's is not known. */
  readonly vendor: string;
}

const USUAL_PROFILE: BmcProfile = bmcProfileSchema.parse({});

export function profileFor(
  subject: ProfileSubject,
  profiles: readonly StoredRecord<'bmc'>[],
): BmcProfile {
  let best: { doc: BmcProfile; precision: number } | undefined;
  for (const { doc } of profiles) {
    const precision = precisionOf(doc, subject);
    if (precision >= 0 && precision > (best?.precision ?? -1)) best = { doc, precision };
  }
  return best?.doc ?? USUAL_PROFILE;
}

/** -1: it is not for this one. */
function precisionOf(
  { machines, hardwareType, vendor }: BmcProfile,
  subject: ProfileSubject,
): number {
  if (machines.length > 0) return machines.includes(subject.hardwarename) ? 4 : -1;
  if (hardwareType !== '' && hardwareType !== subject.hardwareType) return -1;
  if (vendor !== '' && !subject.vendor.toLowerCase().includes(vendor.toLowerCase())) return -1;
  return (hardwareType === '' ? 0 : 2) + (vendor === '' ? 0 : 1);
}
