/** What the choice of a boot file asks of the inventory, each in one small statement: it is asked while a packet waits. */
import type { Database } from 'better-sqlite3';
import { limit } from '../limits.ts';
import type { BootId, Hardwarename } from '../wire/ids.ts';
import type { Mac } from '../wire/mac.ts';

export interface BootFactsStore {
  /** SMBIOS product name of a machine on record. */
  hardwareTypeOf(hardwarename: Hardwarename): string | undefined;
  /**
   * Did the boot before this one end with a boot binary fetched whole and nothing after it: no iPXE that asked for an
   * address, no script? Then that binary hangs on this machine (as reported of iPXE at "initialising devices").
   */
  stuckBefore(mac: Mac, boot: BootId): boolean;
}

interface BootRow {
  client: string;
  binaries_served: number;
  script_at: number | null;
}

export function openBootFacts(db: Database): BootFactsStore {
  const product = db.prepare<[string], { product: string }>(
    'SELECT product FROM machines WHERE hardwarename = ?',
  );
  const before = db.prepare<[string, string], BootRow>(
    `SELECT client, binaries_served, script_at FROM boots WHERE mac = ? AND id <> ?
     ORDER BY started_at DESC LIMIT 1`,
  );
  /** What came before a boot does not change while it runs, and is asked with each of its packets. */
  const known = new Map<BootId, boolean>();
  return {
    hardwareTypeOf: (hardwarename) => product.get(hardwarename)?.product,
    stuckBefore(mac, boot) {
      const answer = known.get(boot);
      if (answer !== undefined) return answer;
      const row = before.get(mac, boot);
      const stuck =
        row !== undefined &&
        row.binaries_served > 0 &&
        row.script_at === null &&
        (row.client === 'firmware' || row.client === 'http-boot');
      if (known.size >= limit('recalledAnswersMax')) known.clear();
      known.set(boot, stuck);
      return stuck;
    },
  };
}
