/** The `consoles` section of the configuration. */
import { z } from 'zod';

export const consolesSchema = z.strictObject({
  /** Whether machines are recorded while they boot: it takes a session of each BMC for that time. */
  record: z.boolean().default(true),
  keepDays: z.number().int().min(1).max(3650).default(30),
});
