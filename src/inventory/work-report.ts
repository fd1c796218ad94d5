/**
 * What the agent tells of its work: progress and the last word, parsed strictly at the door. Both come from a machine that
 * nobody has vetted: every list and string has a limit, unknown fields are refused.
 */
import { z } from 'zod';
import type { ErrorCode } from '../errors.ts';
import { limit } from '../limits.ts';

const word = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/);
const count = z.number().min(0).max(Number.MAX_SAFE_INTEGER);

export const progressSchema = z.strictObject({
  step: word,
  percent: z.number().min(0).max(100).optional(),
  bytes: count.optional(),
  etaSeconds: count.optional(),
  note: z.string().max(limit('reportTextCharsMax')).optional(),
  /** Changes while the work does anything, if only a disk or the processor. */
  activity: count.optional(),
});

export const resultSchema = z.strictObject({
  ok: z.boolean(),
  step: word,
  /** Of errors.ts where it is one of ours. */
  code: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]{0,39}$/)
    .optional(),
  detail: z
    .string()
    .max(limit('reportTextCharsMax') * 4)
    .optional(),
  /** Whether doing it again may help; the agent's own opinion. */
  retry: z.boolean().optional(),
  /** The tail of what it wrote while it worked. */
  log: z.string().max(limit('workLogCharsMax')).optional(),
  measurements: z
    .record(word, z.union([z.number(), z.string().max(limit('reportTextCharsMax'))]))
    .refine((value) => Object.keys(value).length <= 64, 'too many')
    .optional(),
});

export type AgentProgress = z.output<typeof progressSchema>;
export type AgentResult = z.output<typeof resultSchema>;

/** What an agent may say of its failure; anything else is AGENT_FAILED. */
const AGENT_CODES: readonly ErrorCode[] = [
  'DISK_NONE',
  'DISK_AMBIGUOUS',
  'DISK_FAILED',
  'CPU_FAILED',
  'MEMORY_FAILED',
  'IMAGE_CORRUPT',
  'IMAGE_UNREACHABLE',
  'INSTALL_UNVERIFIED',
  'TEMPLATE_INVALID',
  'WORK_LOOP',
];

export function codeOfAgent(code: string | undefined): ErrorCode {
  return AGENT_CODES.find((known) => known === code) ?? 'AGENT_FAILED';
}
