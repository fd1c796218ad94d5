/** The part `standby` of the configuration: one of two appliances of a site that stand in for each other. Absent: it is alone. */
import { z } from 'zod';
import { ipv4Schema } from '../wire/schema.ts';

const port = z.number().int().min(1).max(65_535);

export const standbySchema = z.strictObject({
  /** One of the two is `a`, the other `b`: it decides whose half of a pool an address is in. */
  member: z.enum(['a', 'b']),
  /** The other one: `b` dials `a`. */
  partner: ipv4Schema,
  address: ipv4Schema.prefault('0.0.0.0'),
  port: port.default(8447),
  /** 64 hex digits, the same on both: `openssl rand -hex 32`. */
  keyFile: z.string().min(1),
  /** Whether central decides who is active, so that the other one may take over by itself. */
  witness: z.boolean().default(false),
  /** How long a right to be active lasts that is not renewed. */
  leaseSeconds: z.number().int().min(2).max(120).default(10),
  /** While it follows, it answers DHCP for reserved addresses when a client says that it has been asking for so long. */
  answerAfterSeconds: z.number().int().min(1).max(60).default(4),
  /** What files of images may take of the way between the two; 0 sets no bound. */
  imagesMbps: z.number().int().min(0).max(1_000_000).default(200),
  /** How far beyond what the other one knows a lease of DHCP may run: the maximum client lead time. */
  mcltSeconds: z.number().int().min(30).max(86_400).default(1800),
});
export type StandbySettings = z.output<typeof standbySchema>;
