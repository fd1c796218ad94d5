/** What a recycle is asked for with, and what the site says where a job does not. */
import { z } from 'zod';
import { LEVELS, type Level } from '../../recycle/methods.ts';
import { BMC_USERS, type BmcUsers } from '../settings.ts';

export interface RecyclePolicy {
  /** What every disk must reach, unless a job says otherwise. */
  readonly level: Level;
  /** Burn it in before it is capacity again. */
  readonly burnIn?: boolean;
  /** What becomes of accounts on the BMC that are not ours, unless a job says otherwise; `keep` when absent. */
  readonly bmcUsers?: BmcUsers;
  /** Names of accounts that are left alone, such as those of a site's own monitoring. */
  readonly keepBmcUsers?: readonly string[];
  /** The credential that every BMC of the site has; '' for none. */
  readonly site?: string;
}

export const paramsFor = ({ level, bmcUsers = 'keep' }: RecyclePolicy) =>
  z.strictObject({
    level: z.enum(LEVELS).default(level).describe('NIST SP 800-88: what every disk must reach'),
    samples: z.number().int().min(16).max(2000).default(200).describe('Blocks of each disk'),
    verify: z
      .enum(['sample', 'full'])
      .default('sample')
      .describe('full: after an overwrite, every block is read back'),
    clearTpm: z.boolean().default(true),
    clearBootEntries: z.boolean().default(true).describe('Of UEFI, those that lead to disks'),
    bmcUsers: z.enum(BMC_USERS).default(bmcUsers).describe('close: accounts that are not ours'),
  });

export type RecycleParams = z.output<ReturnType<typeof paramsFor>>;
