/** Searches for secrets that must not be somewhere: as they stand, in UTF-16, in base64 or in hex. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface LeakSearch {
  /** The name of the place, once for each spelling that is in it. */
  in(where: string, content: string | Uint8Array): string[];
  /** Every file below a folder. */
  below(folder: string): string[];
}

/** @param secrets words that nothing else contains, so that finding one means that it leaked */
export function searchFor(secrets: readonly string[]): LeakSearch {
  const spellings = secrets.flatMap((secret) => [
    ...['utf8', 'utf16le'].map((encoding) => Buffer.from(secret, encoding as 'utf8')),
    ...['base64', 'hex'].map((as) => Buffer.from(Buffer.from(secret).toString(as as 'hex'))),
  ]);
  const search: LeakSearch = {
    in(where, content) {
      const bytes = Buffer.from(content as Uint8Array);
      return spellings.filter((secret) => bytes.includes(secret)).map(() => where);
    },
    below: (folder) =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' }).flatMap((name) => {
        const path = join(folder, name);
        return statSync(path).isFile() ? search.in(name, readFileSync(path)) : [];
      }),
  };
  return search;
}
