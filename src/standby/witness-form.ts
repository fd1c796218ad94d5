/** How a question to the witness and its answer look on the wire, checked on both sides. */
import { z } from 'zod';
import { type Answer, DENIALS, type Question } from './witness.ts';

const count = z.number().int().min(0);

/** `order` is of the version before: its members say it, and its witnesses ask for it. It changes nothing any more. */
export const witnessQuestion = z
  .strictObject({
    kind: z.enum(['renew', 'take', 'release']),
    member: z.enum(['a', 'b']),
    epoch: count.min(1),
    leaseMs: z.number().int().min(1000).max(120_000),
    mayTake: z.boolean(),
    n: count,
    order: z.boolean().optional(),
  })
  .transform(({ order: _, ...question }): Question => question);

export const formatQuestion = (question: Question): string =>
  JSON.stringify({ ...question, order: false });

export const witnessAnswer = z
  .strictObject({
    granted: z.boolean(),
    epoch: count,
    n: count,
    why: z.enum(DENIALS).optional(),
  })
  .transform(({ why, ...rest }): Answer => ({ ...rest, ...(why !== undefined && { why }) }));
