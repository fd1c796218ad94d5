/** The `jobs` section of the configuration. */
import { z } from 'zod';
import { limit } from '../limits.ts';
import { LEVELS } from '../recycle/methods.ts';

/** What a recycle does with accounts on the BMC that are not ours. */
export const BMC_USERS = ['keep', 'close'] as const;
export type BmcUsers = (typeof BMC_USERS)[number];

const credential = z.string().max(63);

export const jobsSchema = z.strictObject({
  enabled: z.boolean().default(true),
  /** Steps at once: of the whole site, and of one rack, which is not to be switched on in one instant. */
  siteMax: z.number().int().min(1).max(10_000).default(200),
  rackMax: z.number().int().min(1).max(1000).default(8),
  keepDays: z.number().int().min(1).max(36_500).default(365),
  /** Ended jobs at most, however young: about 15 kB each with its log. */
  keepMax: z.number().int().min(1000).max(10_000_000).default(200_000),
  recycle: z
    .strictObject({
      /** NIST SP 800-88: what every disk must reach, unless a job says otherwise. */
      level: z.enum(LEVELS).default('clear'),
      /** Before a machine is capacity again, it is burnt in. */
      burnIn: z.boolean().default(false),
      /** Accounts on its BMC that are not ours. */
      bmcUsers: z.enum(BMC_USERS).default('keep'),
      keepBmcUsers: z
        .array(z.string().min(1).max(limit('ipmiUserBytesMax')))
        .max(64)
        .default([]),
    })
    .prefault({}),
  install: z
    .strictObject({
      /** A silent BMC, before anything was done to its machine: a request takes another one then. */
      bmcPatienceMinutes: z.number().min(0.1).max(1440).default(5),
    })
    .prefault({}),
  bmcSetup: z
    .strictObject({
      credential: credential.default(''),
      factory: z.array(credential.min(1)).max(limit('jobBmcsMax')).default([]),
      disableFactory: z.boolean().default(true),
      /** What a machine does when mains power comes back. */
      restorePolicy: z.enum(['keep', 'always-off', 'previous', 'always-on']).default('keep'),
      /** Set the clock of the event log to ours, in UTC. */
      setClock: z.boolean().default(true),
      /** Have the BMC take its own address by DHCP. */
      useDhcp: z.boolean().default(false),
    })
    .prefault({}),
});
