/**
 * What machines say of their own BMCs, in the reports that they send from inside: an address, a MAC. It is a claim, kept
 * beside the record and not in it: whoever controls a machine can report another one's BMC. One for each machine, the last.
 */
import type { Database } from 'better-sqlite3';
import type { Hardwarename } from '../wire/ids.ts';

export interface BmcClaim {
  readonly hardwarename: Hardwarename;
  /** As the report has it. */
  readonly address: string;
  readonly mac: string;
  readonly at: number;
  /** `open`: to be proven. `proven`: by the BMC itself. `unproven`: why not. `confirmed`: by a person. */
  readonly state: 'open' | 'proven' | 'unproven' | 'confirmed';
  readonly why: string;
  /** 0: not by itself. */
  readonly lookNext: number;
  /** Tries in a row that proved nothing. */
  readonly looks: number;
}

export interface BmcClaims {
  of(hardwarename: Hardwarename): BmcClaim | undefined;
  put(claim: BmcClaim): void;
  /** Whose turn it is, the longest due first. */
  due(now: number, count: number): BmcClaim[];
  nextDue(): number | undefined;
  /** What is not proven is tried again at this time. */
  retryAll(at: number): void;
  /** What the machine's last report says, as it came; absent when it says nothing or there is none. */
  reported(
    hardwarename: Hardwarename,
  ): { readonly address: string; readonly mac: string } | undefined;
}

const COLUMNS = `hardwarename, address, mac, at, state, why, look_next AS lookNext, looks`;

export function openBmcClaims(db: Database): BmcClaims {
  const of = db.prepare<[string], BmcClaim>(
    `SELECT ${COLUMNS} FROM bmc_claims WHERE hardwarename = ?`,
  );
  const put = db.prepare(
    `INSERT OR REPLACE INTO bmc_claims (hardwarename, address, mac, at, state, why, look_next, looks)
     VALUES (@hardwarename, @address, @mac, @at, @state, @why, @lookNext, @looks)`,
  );
  const due = db.prepare<[number, number], BmcClaim>(
    `SELECT ${COLUMNS} FROM bmc_claims WHERE look_next > 0 AND look_next <= ? ORDER BY look_next LIMIT ?`,
  );
  const nextDue = db.prepare<[], { at: number | null }>(
    'SELECT min(look_next) AS at FROM bmc_claims WHERE look_next > 0',
  );
  const retryAll = db.prepare(
    `UPDATE bmc_claims SET look_next = ?, looks = 0 WHERE state = 'unproven' AND look_next > 0`,
  );
  const reported = db.prepare<[string], { address: string | null; mac: string | null }>(
    `SELECT hardware ->> '$.bmc.address' AS address, hardware ->> '$.bmc.mac' AS mac
     FROM machine_hardware JOIN machines ON machines.id = machine_hardware.machine WHERE hardwarename = ?`,
  );
  return {
    of: (hardwarename) => of.get(hardwarename),
    put: (claim) => void put.run(claim),
    due: (now, count) => due.all(now, count),
    nextDue: () => nextDue.get()?.at ?? undefined,
    retryAll: (at) => void retryAll.run(at),
    reported(hardwarename) {
      const { address, mac } = reported.get(hardwarename) ?? {};
      return address ? { address, mac: mac ?? '' } : undefined;
    },
  };
}
