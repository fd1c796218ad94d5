/** The `images` section of the configuration. */
import { z } from 'zod';

export const imagesSchema = z.strictObject({
  /** Where the files are; '' is a folder `images` beside the database. */
  folder: z.string().default(''),
  /** The one folder that local files may be imported from; '' allows none. */
  importFolder: z.string().default(''),
  /** Public keys, as PEM (Ed25519) or as minisign writes them. */
  keys: z.array(z.string().min(1)).max(32).default([]),
  /** Refuse a version that no key has signed. */
  requireSignature: z.boolean().default(false),
  /** How long a file stays that no version is made of. */
  keepUnusedHours: z.number().int().min(0).max(87_600).default(24),
  /** What installs may take of one provisioning network; 0 sets no bound. */
  uplinkMbps: z.number().int().min(0).max(1_000_000).default(0),
  /** Machines that are sent an image at once, over one provisioning network. */
  streamsMax: z.number().int().min(1).max(1000).default(16),
});
