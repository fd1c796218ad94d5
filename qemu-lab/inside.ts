/** What is run inside of a network namespace as somebody there would: the command line, calls of an API, a new namespace. */
import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { ip } from '../bench/support/network.ts';
import type { Scope } from '../bench/support/scope.ts';

const ROOT = resolve(import.meta.dirname, '..');
const REVEILLE = join(ROOT, 'bin/reveille');
const COMMAND_MS = 60_000;

const run = promisify(execFile);

export interface Called {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a scenario reads what it expects
  readonly body: any;
}

export type Call = (method: string, path: string, body?: object) => Promise<Called>;

/** `reveille WORDS` in a namespace; what it prints. @throws Error with what it said */
export async function reveille(of: {
  readonly namespace: string;
  readonly words: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string;
}): Promise<string> {
  const { namespace, words, environment = {}, input = '' } = of;
  const asked = run('ip', ['netns', 'exec', namespace, REVEILLE, ...words], {
    ...{ cwd: ROOT, timeout: COMMAND_MS, env: { ...process.env, ...environment } },
  });
  asked.child.stdin?.end(input);
  try {
    return (await asked).stdout.trim();
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`reveille ${words.slice(0, 2).join(' ')}: ${stdout}${stderr}`);
  }
}

/** The status is the last line that curl prints; 0 when nobody answered. */
export function caller(of: {
  readonly namespace: string;
  readonly url: string;
  readonly token: string;
}): Call {
  const { namespace, url, token } = of;
  return async (method, path, body) => {
    const words = ['-s', '-m', '20', '-X', method, '-w', '\n%{http_code}', '-K', '-'];
    if (body && isFile(body))
      words.push('-H', 'content-type: application/octet-stream', '--data-binary', `@${body.file}`);
    else if (body) words.push('-H', 'content-type: application/json', '-d', JSON.stringify(body));
    const command = ['netns', 'exec', namespace, 'curl', ...words, `${url}/api/v1${path}`];
    const asked = run('ip', command, { maxBuffer: 64 * 1024 * 1024 });
    // Not among the words, which everybody on the machine may read.
    asked.child.stdin?.end(`header = "authorization: Bearer ${token}"\n`);
    const said = await asked.then(
      ({ stdout }) => stdout,
      () => '\n0',
    );
    const end = said.lastIndexOf('\n');
    const text = said.slice(0, end);
    return {
      status: Number(said.slice(end + 1)),
      body: text === '' ? undefined : JSON.parse(text),
    };
  };
}

/** Its bytes are the body. */
const isFile = (body: object): body is { file: string } =>
  'file' in body && Object.keys(body).length === 1;

export function addNamespace(scope: Scope, name: string): void {
  ip('netns', 'add', name);
  scope.defer(() => ip('netns', 'delete', name));
  ip('-n', name, 'link', 'set', 'lo', 'up');
}
