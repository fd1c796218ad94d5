/** A site's CA, its certificates and an iPXE that trusts it, made with the commands of docs/https.md. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Runs the shell snippet of docs/https.md that has this name. @returns what it prints */
function runSnippet(name: string, cwd: string, environment: Record<string, string>): string {
  const page = readFileSync('docs/https.md', 'utf8');
  const text = page.split(`\`\`\`sh ${name}\n`)[1]?.split('```')[0];
  if (text === undefined) throw new Error(`docs/https.md has no block \`sh ${name}\``);
  return execFileSync('sh', ['-euc', text], {
    ...{ cwd, encoding: 'utf8', stdio: 'pipe', maxBuffer: 2 ** 26 },
    env: { ...process.env, ...environment },
  });
}

/**
 * Builds `bin-x86_64-efi/snponly.efi` and `bin/undionly.kpxe` in `source`, the folder `src` of a copy of ipxe/ipxe, with this CA
 * as the only one that they trust. Minutes.
 */
export function buildIpxe(source: string, ca: string): void {
  runSnippet('site-ipxe', source, { CA: ca });
}

/** `ca.crt`, `ca.key`, `machines.crt` and `machines.key` in `dir`. */
export function makeSiteCa(dir: string, address: string) {
  runSnippet('site-ca', dir, { ADDRESS: address });
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
