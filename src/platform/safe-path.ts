/**
 * The one way from a name that a client sent to a file. Links are resolved first, and what comes out must lie inside the
 * root: a link that leads outside is refused like `..` is.
 */
import { realpathSync } from 'node:fs';
import { isAbsolute, join, relative, sep } from 'node:path';

/** @returns the real path of `name` below `root`, or `undefined` when it does not exist or lies outside. */
export function resolveInside(root: string, name: string): string | undefined {
  if (name === '' || name.includes('\0') || isAbsolute(name)) return undefined;
  try {
    const realRoot = realpathSync.native(root);
    const real = realpathSync.native(join(realRoot, name));
    const path = relative(realRoot, real);
    return path === '' || path === '..' || path.startsWith(`..${sep}`) || isAbsolute(path)
      ? undefined
      : real;
  } catch {
    return undefined;
  }
}
