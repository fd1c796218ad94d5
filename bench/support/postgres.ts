/** A PostgreSQL of one's own: a fresh cluster in a folder, on a socket in it, with the package's defaults (fsync on). */
import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Program, runToEnd, start } from './process.ts';
import type { Scope } from './scope.ts';

export interface PostgresPrograms {
  readonly initdb: string;
  readonly postgres: string;
}

/** Makes the cluster when the folder has none, and waits until it takes connections as `postgres` without a password. */
export async function startPostgres(
  scope: Scope,
  { initdb, postgres }: PostgresPrograms,
  dir: string,
): Promise<Program> {
  const data = join(dir, 'data');
  const [uid = 0, gid = 0] = ['-u', '-g'].map((flag) =>
    Number(execFileSync('id', [flag, 'postgres'])),
  );
  const asPostgres = ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'] as const;
  if (!existsSync(data)) {
    mkdirSync(data);
    for (const path of [dir, data]) chownSync(path, uid, gid);
    await runToEnd({
      scope,
      command: [...asPostgres, initdb, '-D', data, '-A', 'trust', '-E', 'UTF8', '--no-locale'],
    });
  }
  const server = start({
    scope,
    command: [...asPostgres, postgres, '-D', data, '-k', dir, '-c', 'listen_addresses='],
  });
  await server.line(/ready to accept connections/);
  return server;
}
