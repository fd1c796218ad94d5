/** Our own daemon, started as people start it: bin/reveille with a configuration file, in its own process. */
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { removeFolder, temporaryFolder } from '../../test/support/temporary-folder.ts';
import { type Program, start } from './process.ts';
import type { Scope } from './scope.ts';

const ROOT = resolve(import.meta.dirname, '../..');

export interface OurDaemon extends Program {
  /** The SQLite file. */
  readonly database: string;
}

export interface DaemonOptions {
  readonly scope: Scope;
  readonly namespace: string;
  /** Configuration beside what is always set: the database and the log level. Keys are those of docs/configuration.md. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Keeps database and configuration here; without it, in a folder that goes away with the scope. */
  readonly dir?: string;
  readonly cpus?: string;
  /** Words for Node itself, as in `--cpu-prof`; the daemon is then started without its launcher. */
  readonly nodeOptions?: readonly string[];
}

/** A folder that goes away with the scope. */
export function temporaryDir(scope: Scope): string {
  const dir = temporaryFolder('bench');
  scope.defer(() => removeFolder(dir));
  return dir;
}

/** Resolves when every listener is open. @throws Error with the daemon's log when it does not come up in 20 s */
export async function startDaemon(options: DaemonOptions): Promise<OurDaemon> {
  const dir = options.dir ?? temporaryDir(options.scope);
  const file = join(dir, 'reveille.yaml');
  const database = join(dir, 'reveille.db');
  const config = { log: { level: 'info' }, database: { file: database }, ...options.config };
  writeFileSync(file, stringify(config));
  const launcher: [string, ...string[]] = options.nodeOptions
    ? [process.execPath, ...options.nodeOptions, join(ROOT, 'src/main.ts')]
    : [join(ROOT, 'bin/reveille')];
  const program = start({
    scope: options.scope,
    namespace: options.namespace,
    command: [...launcher, 'serve', '--config', file],
    cwd: ROOT,
    ...(options.cpus === undefined ? {} : { cpus: options.cpus }),
  });
  await program.line(/"msg":"ready"/);
  return { ...program, database };
}
