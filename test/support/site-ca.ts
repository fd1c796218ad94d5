/** A site's CA and certificates for tests, made by openssl(1) with the commands of docs/https.md. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The shell snippet of docs/https.md that makes `ca.crt`, `ca.key`, `machines.crt` and `machines.key`. */
function snippet(): string {
  const page = readFileSync('docs/https.md', 'utf8');
  const text = /```sh site-ca\n([\s\S]*?)```/.exec(page)?.[1];
  if (text === undefined) throw new Error('docs/https.md has no block `sh site-ca`');
  return text;
}

export function makeSiteCa(dir: string, address: string) {
  execFileSync('sh', ['-euc', snippet()], {
    cwd: dir,
    env: { ...process.env, ADDRESS: address },
    stdio: 'pipe',
  });
  const path = (name: string) => join(dir, name);
  return {
    ca: path('ca.crt'),
    cert: path('machines.crt'),
    key: path('machines.key'),
    /** Another leaf of the same CA. */
    issue(name: string, options: { days: number; newkey: readonly string[] }) {
      openssl(dir, [
        ...['req', '-new', '-newkey', ...options.newkey, '-nodes', '-subj', `/CN=${name}`],
        ...['-keyout', `${name}.key`, '-out', `${name}.csr`],
        ...['-addext', `subjectAltName=IP:${address}`],
      ]);
      openssl(dir, [
        ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.crt', '-CAkey', 'ca.key'],
        ...['-CAcreateserial', '-copy_extensions', 'copy', '-days', String(options.days)],
        ...['-out', `${name}.crt`],
      ]);
      return { cert: path(`${name}.crt`), key: path(`${name}.key`) };
    },
  };
}

function openssl(dir: string, words: readonly string[]): void {
  execFileSync('openssl', words, { cwd: dir, stdio: 'pipe' });
}
