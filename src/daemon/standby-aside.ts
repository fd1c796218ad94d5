/**
 * Databases of which a copy of the other one's takes the place: the newest few are kept beside it, each under the time when that
 * was, for people who look for what was done on this appliance while the two were apart.
 */
import { linkSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { limit } from '../limits.ts';
import { discard } from '../platform/private-files.ts';

/** A second name for the file, which goes on to be there until another one takes its place. */
export function setAside(file: string, now: Date): void {
  const folder = dirname(file);
  const prefix = `${basename(file)}.set-aside-`;
  linkSync(file, join(folder, `${prefix}${now.toISOString().replace(/[-:.]/g, '')}`));
  const names = readdirSync(folder).filter((name) => name.startsWith(prefix));
  const kept = names.sort().slice(-limit('standbySetAsideMax'));
  for (const name of names) if (!kept.includes(name)) discard(join(folder, name));
}
