/** Commands of the documentation, run as they stand there. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface Snippet {
  readonly page: string;
  /** What stands behind ```` ```sh ````. */
  readonly name: string;
}

/** @returns what it prints */
export function runSnippet(
  { page, name }: Snippet,
  cwd: string,
  environment: Readonly<Record<string, string>> = {},
): string {
  const text = readFileSync(page, 'utf8').split(`\`\`\`sh ${name}\n`)[1]?.split('```')[0];
  if (text === undefined) throw new Error(`${page} has no block \`sh ${name}\``);
  return execFileSync('sh', ['-euc', text], {
    ...{ cwd, encoding: 'utf8', stdio: 'pipe', maxBuffer: 2 ** 26 },
    env: { ...process.env, ...environment },
  });
}
