/** The `bmc` section of the configuration: what becomes of BMCs that are found. */
import { z } from 'zod';
import { cidrSchema } from '../wire/schema.ts';

export const bmcSchema = z.strictObject({
  /** Log in to BMCs that are seen and match no machine by their MAC, to find out whose they are. */
  discovery: z.boolean().default(true),
  /**
   * Networks in which BMCs are, beside the out-of-band segments of DHCP. An address that a machine reports is looked at only
   * in one of them: nobody sends the appliance to log in elsewhere.
   */
  networks: z.array(cidrSchema).default([]),
  /** Ask for the job `bmc-setup` when a BMC is matched whose machine has another credential than the site's. */
  setUp: z.boolean().default(false),
  /** Switching on a machine that was never seen, so that it is ingested. */
  wake: z.enum(['off', 'ask', 'auto']).default('ask'),
  wakesPerHour: z.number().int().min(1).max(1000).default(12),
  /** The boot flag for UEFI; `false` for BIOS. */
  wakeUefi: z.boolean().default(true),
});

export type BmcSettings = z.output<typeof bmcSchema>;
