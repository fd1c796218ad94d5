/**
 * Network namespaces for a test, with the daemon in one of them and foreign programs in the others. Needs root. All that is
 * started there, the namespaces and the folder are gone after `destroy`.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { endNamespace } from '../../qemu-lab/network.ts';
import { temporaryFolder } from './temporary-folder.ts';

export const ip = (...words: string[]): string => execFileSync('ip', words, { encoding: 'utf8' });

/** Asks again until there is an answer; the deadline is the test's failure, not a retry. */
export async function until<T>(what: string, look: () => T | undefined): Promise<T> {
  const deadline = Date.now() + 20_000;
  while (Date.now() < deadline) {
    const found = look();
    if (found !== undefined) return found;
    await new Promise((next) => setTimeout(next, 50));
  }
  throw new Error(`${what} did not happen`);
}

/** The process that wrote this file: `dhclient` returns before its child has written it. */
export const pidIn = (file: string): Promise<number> =>
  until(`a process in ${file}`, () => {
    const pid = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
    return pid > 0 ? pid : undefined;
  });

/** Namespaces without links, each with `lo`; `names` are what they end with. */
export function createNamespaces<Name extends string>(...names: Name[]) {
  const id = `rd${randomBytes(2).toString('hex')}`;
  const dir = temporaryFolder('namespaces');
  const children: ChildProcess[] = [];
  const ns = Object.fromEntries(names.map((name) => [name, `${id}-${name}`])) as Record<
    Name,
    string
  >;
  for (const name of Object.values<string>(ns)) {
    ip('netns', 'add', name);
    ip('-n', name, 'link', 'set', 'lo', 'up');
  }
  const inside = (name: string, ...words: string[]): string =>
    execFileSync('ip', ['netns', 'exec', name, ...words], {
      encoding: 'utf8',
      cwd: dir,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 60_000,
    });
  const start = (name: string, ...words: string[]): ChildProcess => {
    const child = spawn('ip', ['netns', 'exec', name, ...words], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    children.push(child);
    return child;
  };
  return {
    dir,
    ns,
    inside,
    start,
    /**
     * The daemon, ready, with this text as its configuration; its database and log are in the folder.
     * @param through the program that starts it, where that is not `ip` itself
     */
    async startDaemon(name: string, config: string, through: string[] = []): Promise<void> {
      const file = join(dir, 'config.yaml');
      writeFileSync(file, `database: { file: ${dir}/db }\nlog: { file: ${dir}/log }\n${config}`);
      start(name, ...through, 'bin/reveille', 'serve', '--config', file);
      await until('the daemon became ready', () => {
        try {
          return inside(name, 'curl', '-sf', 'http://127.0.0.1:8081/readyz') || undefined;
        } catch {
          return undefined;
        }
      });
    },
    /** What the daemon has written of one kind. */
    events(name: string): { mac: string | null; data: Record<string, unknown> }[] {
      const db = new Sqlite(join(dir, 'db'), { readonly: true });
      try {
        const rows = db
          .prepare<[string], { mac: string | null; data: string }>(
            'SELECT mac, data FROM events WHERE name = ? ORDER BY id',
          )
          .all(name);
        return rows.map(({ mac, data }) => ({ mac, data: JSON.parse(data) }));
      } finally {
        db.close();
      }
    },
    /** What udhcpc hands to its script once it is bound: our options as busybox reads them. */
    udhcpc(name: string, iface: string, ...extra: string[]): Record<string, string> {
      const [script, out] = [join(dir, 'udhcpc.sh'), join(dir, 'udhcpc.out')];
      writeFileSync(script, '#!/bin/sh\n[ "$1" = bound ] && env >"$OUT"\nexit 0\n', {
        mode: 0o755,
      });
      rmSync(out, { force: true });
      const words = ['-i', iface, '-n', '-q', '-t', '5', '-T', '1', '-s', script];
      inside(name, 'env', `OUT=${out}`, 'busybox', 'udhcpc', ...words, ...extra);
      const pairs = readFileSync(out, 'utf8')
        .split('\n')
        .map((line): [string, string] => [
          line.slice(0, line.indexOf('=')),
          line.slice(line.indexOf('=') + 1),
        ]);
      return Object.fromEntries(pairs);
    },
    destroy(): void {
      for (const child of children) child.kill('SIGKILL');
      for (const name of Object.values<string>(ns)) endNamespace(name);
    },
  };
}
