/** Which BMCs make most trouble, and what jobs fail of: from the newest jobs that failed or had to try again. */
import type { Database } from 'better-sqlite3';
import { limit } from '../limits.ts';

export interface BmcTrouble {
  readonly bmc: string;
  /** The machine of its newest trouble. */
  readonly target: string;
  /** All that ended within the window. */
  readonly jobs: number;
  /** Those that failed for a reason of the BMC's. */
  readonly failed: number;
  readonly retries: number;
  /** Of its newest failure; '' when none has failed. */
  readonly code: string;
}

export interface Trouble {
  readonly failures: readonly { readonly code: string; readonly jobs: number }[];
  readonly worstBmcs: readonly BmcTrouble[];
}

export interface TroubleStats {
  /** @param cutoff jobs that ended before are left out */
  read(cutoff: number): Trouble;
  /** A job has ended. */
  touched(): void;
}

const WORST_BMCS = 10;
/** The window moves, even when nothing happens. */
const OLD_MS = 600_000;

interface Row {
  bmc: string;
  target: string;
  status: string;
  code: string;
  retries: number;
}

export function openTrouble(db: Database): TroubleStats {
  const newest = db.prepare<[number, number], Row>(
    `SELECT bmc, target, status, code, retries FROM jobs INDEXED BY jobs_troubled
     WHERE ended_at > 0 AND (retries > 0 OR status = 'failed') AND ended_at > ?
     ORDER BY ended_at DESC LIMIT ?`,
  );
  const jobsOf = db.prepare<[string, number], { jobs: number }>(
    'SELECT count(*) AS jobs FROM jobs INDEXED BY jobs_by_bmc WHERE bmc = ? AND ended_at > ?',
  );
  let known: { readonly trouble: Trouble; readonly cutoff: number } | undefined;
  const read = (cutoff: number): Trouble => {
    const codes = new Map<string, number>();
    const bmcs = new Map<string, Omit<BmcTrouble, 'jobs'>>();
    for (const { bmc, target, status, code, retries } of newest.all(
      cutoff,
      limit('jobTroubleMax'),
    )) {
      const failed = status === 'failed';
      if (failed) codes.set(code, (codes.get(code) ?? 0) + 1);
      if (bmc === '') continue;
      const before = bmcs.get(bmc) ?? { bmc, target, failed: 0, retries: 0, code: '' };
      bmcs.set(bmc, {
        ...before,
        failed: before.failed + (failed && code.startsWith('BMC_') ? 1 : 0),
        retries: before.retries + retries,
        code: before.code || (failed ? code : ''),
      });
    }
    const worst = [...bmcs.values()]
      .filter(({ failed, retries }) => failed + retries > 0)
      .sort((a, b) => b.failed - a.failed || b.retries - a.retries || (a.bmc < b.bmc ? -1 : 1))
      .slice(0, WORST_BMCS);
    return {
      failures: [...codes]
        .map(([code, jobs]) => ({ code, jobs }))
        .sort((a, b) => b.jobs - a.jobs || (a.code < b.code ? -1 : 1)),
      worstBmcs: worst.map((each) => ({ ...each, jobs: jobsOf.get(each.bmc, cutoff)?.jobs ?? 0 })),
    };
  };
  return {
    read(cutoff) {
      if (!known || cutoff - known.cutoff >= OLD_MS) known = { trouble: read(cutoff), cutoff };
      return known.trouble;
    },
    touched() {
      known = undefined;
    },
  };
}
