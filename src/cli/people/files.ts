/** Files and texts that a command is given: what is wrong with one is said with its name. */
import { readFileSync } from 'node:fs';
import { AppError, unreadable } from '../../errors.ts';

/** @throws AppError CONFIG_UNREADABLE */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

/** @param name whose text it is. @throws AppError REQUEST_INVALID */
export function jsonIn(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AppError('REQUEST_INVALID', { detail: `${name} is no JSON.`, cause });
  }
}
