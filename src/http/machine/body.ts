/** What a machine sends, read by its schema. */
import type { z } from 'zod';
import { AppError } from '../../errors.ts';

/** @param body the bytes as received @throws AppError REQUEST_INVALID with where it is wrong */
export function parseBody<Schema extends z.ZodType>(
  schema: Schema,
  body: unknown,
): z.output<Schema> {
  let document: unknown;
  try {
    document = JSON.parse(Buffer.isBuffer(body) ? body.toString('utf8') : '');
  } catch (cause) {
    throw new AppError('REQUEST_INVALID', { detail: 'The body is not JSON.', cause });
  }
  const parsed = schema.safeParse(document);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new AppError('REQUEST_INVALID', {
    detail: issue?.message ?? 'wrong form',
    path: `/${(issue?.path ?? []).join('/')}`,
  });
}
