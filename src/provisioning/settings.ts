/** The `provisioning` section of the configuration. */
import { z } from 'zod';

export const provisioningSchema = z.strictObject({
  enabled: z.boolean().default(true),
  /** Installs at once, of all requests together. */
  installsMax: z.number().int().min(1).max(10_000).default(100),
  /** Requests that have ended, with their logs, and how installs have ended. */
  keepDays: z.number().int().min(1).max(36_500).default(365),
  /** Ended requests at most, however young: a few kilobytes each for each machine. */
  keepMax: z.number().int().min(1000).max(1_000_000).default(50_000),
  /** A machine with a failed job is not chosen for so long. */
  recentFailureHours: z.number().min(0).max(8760).default(24),
  /** Free machines that wait in pxeimage; without rules all of them do, for ever. */
  warm: z
    .strictObject({
      keep: z
        .array(
          z.strictObject({
            type: z.string().min(1).max(63).optional(),
            site: z.string().min(1).max(63).optional(),
            count: z.number().int().min(0).max(5000),
          }),
        )
        .max(100)
        .default([]),
      idleMinutes: z.number().min(1).max(10_080).default(60),
    })
    .prefault({}),
  breaker: z
    .strictObject({
      /** How far back failures are compared. */
      windowHours: z.number().min(0.1).max(720).default(6),
      /** Share of installs that fails on a healthy site. */
      assumedFailureRate: z.number().min(0.001).max(0.5).default(0.1),
    })
    .prefault({}),
});

export type ProvisioningSettings = z.output<typeof provisioningSchema>;
