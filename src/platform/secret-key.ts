/**
 * The key under which secrets are sealed: 64 hex digits in a file that only we can read, beside the database and never in
 * its backups. It is made at the first start; without it, what was sealed is lost, and nothing else is.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { AppError } from '../errors.ts';
import { makeFolder, PRIVATE_FILE, sync } from './private-files.ts';

const KEY_BYTES = 32;

/** @throws AppError SECRET_KEY_INVALID when the file is no key, or others can read it */
export function readOrMakeKey(file: string): Uint8Array {
  const invalid = invalidIn(file);
  try {
    makeFolder(dirname(file));
    const text = `${randomBytes(KEY_BYTES).toString('hex')}\n`;
    writeFileSync(file, text, { mode: PRIVATE_FILE, flag: 'wx', flush: true });
    chmodSync(file, PRIVATE_FILE);
    sync(dirname(file));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw invalid('cannot be made', cause);
  }
  const text = readSecret(file);
  if (!/^[0-9a-f]{64}$/i.test(text)) throw invalid('is not 64 hex digits');
  return Buffer.from(text, 'hex');
}

/**
 * One secret in a file of its own, without the line end.
 *
 * @throws AppError SECRET_KEY_INVALID when the file cannot be read, is empty, or others can read it
 */
export function readSecret(file: string): string {
  const invalid = invalidIn(file);
  let text: string;
  try {
    if ((statSync(file).mode & 0o077) !== 0) throw invalid('others can read it; chmod 600');
    text = readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw cause instanceof AppError ? cause : invalid('cannot be read', cause);
  }
  if (text === '') throw invalid('is empty');
  return text;
}

const invalidIn = (file: string) => (why: string, cause?: unknown) =>
  new AppError('SECRET_KEY_INVALID', { detail: `(${file}: ${why})`, cause });
