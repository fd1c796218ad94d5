/** Files and texts that a command is given or writes: what is wrong with one is said with its name. */
import { readFileSync, writeFileSync } from 'node:fs';
import { AppError, unreadable } from '../../errors.ts';

/** @throws AppError CONFIG_UNREADABLE */
export const readText = (file: string): string => readBytes(file).toString('utf8');

/** @throws AppError CONFIG_UNREADABLE */
export function readBytes(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

/** @throws AppError REQUEST_INVALID */
export function writeTo(file: string, content: string | Uint8Array): void {
  try {
    writeFileSync(file, content);
  } catch (cause) {
    const [why = ''] = (cause as Error).message.split(',');
    throw new AppError('REQUEST_INVALID', { detail: `${file} cannot be written: ${why}.`, cause });
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
