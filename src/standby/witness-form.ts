/** How a question to the witness and its answer look on the wire, checked on both sides. */
import { z } from 'zod';
import { type Answer, DENIALS, type Question } from './witness.ts';

const count = z.number().int().min(0);

export const witnessQuestion = z.strictObject({
  kind: z.enum(['renew', 'take', 'release']),
  member: z.enum(['a', 'b']),
  epoch: count.min(1),
  leaseMs: z.number().int().min(1000).max(120_000),
  mayTake: z.boolean(),
  n: count,
}) satisfies z.ZodType<Question>;

export const witnessAnswer = z
  .strictObject({
    granted: z.boolean(),
    epoch: count,
    n: count,
    why: z.enum(DENIALS).optional(),
  })
  .transform(({ why, ...rest }): Answer => ({ ...rest, ...(why !== undefined && { why }) }));
