/**
 * What people do with the appliance of a lab: `reveille` as an administrator, and programs of others in its network. Commands
 * are the ones that people type, over real sockets.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Lab } from './lab.ts';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '..');
const REVEILLE = join(ROOT, 'bin/reveille');
/** A job with its waits. */
const COMMAND_MS = 600_000;

export interface LabPeople {
  readonly token: string;
  /** `reveille WORDS`, with the administrator's token; its standard output. @throws Error with what it said */
  reveille(words: readonly string[], input?: string): Promise<string>;
  /** The same with `--json`, parsed. */
  // biome-ignore lint/suspicious/noExplicitAny: a scenario reads what it expects
  ask(...words: readonly string[]): Promise<any>;
  /** A program where the appliance is, which reaches BMCs. */
  program(...command: readonly string[]): Promise<string>;
  /** The same, left running, with its standard input open. */
  open(command: readonly string[], environment?: Readonly<Record<string, string>>): ChildProcess;
}

export async function openPeople(lab: Lab): Promise<LabPeople> {
  const config = join(lab.dir, 'reveille.yaml');
  const made = await run(REVEILLE, [
    ...['tokens', 'create', 'lab', '--role', 'admin', '--local', '--config', config],
  ]);
  const token = made.stdout.trim();
  const environment = { ...process.env, REVEILLE_URL: lab.api, REVEILLE_TOKEN: token };
  const reveille: LabPeople['reveille'] = async (words, input) => {
    const asked = run(REVEILLE, [...words], { env: environment, timeout: COMMAND_MS });
    asked.child.stdin?.end(input ?? '');
    try {
      return (await asked).stdout;
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      throw new Error(`reveille ${words.join(' ')}: ${stdout}${stderr}`);
    }
  };
  const inside = (command: readonly string[]) => ['netns', 'exec', lab.network.app, ...command];
  return {
    token,
    reveille,
    ask: async (...words) => JSON.parse(await reveille([...words, '--json'])),
    program: async (...command) => (await run('ip', inside(command), { timeout: 60_000 })).stdout,
    open: (command, more = {}) =>
      spawn('ip', inside(command), {
        env: { ...environment, ...more },
        stdio: ['pipe', 'pipe', 'pipe'],
      }),
  };
}

/** What a person needs who has just started a lab, and may do everything in it. */
export interface LabAccount {
  readonly user: string;
  readonly password: string;
  /** File that holds a token for the command line. */
  readonly tokenFile: string;
}

/** Without it the board can be read and nothing be done: the first token is in a log that nobody looks for. */
export async function openAccount(lab: Lab): Promise<LabAccount> {
  const { reveille, token } = await openPeople(lab);
  const account = { user: 'lab', password: randomBytes(9).toString('base64url') };
  const tokenFile = join(lab.dir, 'token');
  writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
  const words = ['users', 'put', account.user, '--role', 'admin', '--password'];
  await reveille(words, account.password);
  return { ...account, tokenFile };
}

/** @param url of the board on this host */
export function accountWords({ user, password, tokenFile }: LabAccount, url: string): string {
  const environment = `REVEILLE_URL=${url.replace(/\/$/, '')} REVEILLE_TOKEN_FILE=${tokenFile}`;
  return [
    `To do more than look, sign in as ${user}, password ${password}; or in another terminal:`,
    `  export ${environment}`,
    '  bin/reveille machines list',
  ].join('\n');
}
