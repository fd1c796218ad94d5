/** A site's CA, its certificates and an iPXE that trusts it, made with the commands of docs/https.md. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { runSnippet } from './doc-snippets.ts';

const PAGE = 'docs/https.md';

/**
 * Builds `bin-x86_64-efi/snponly.efi` and `bin/undionly.kpxe` in `source`, the folder `src` of a copy of ipxe/ipxe, with this CA
 * as the only one that they trust. Minutes.
 */
export function buildIpxe(source: string, ca: string): void {
  runSnippet({ page: PAGE, name: 'site-ipxe' }, source, { CA: ca });
}

/** `ca.crt`, `ca.key`, `machines.crt` and `machines.key` in `dir`. */
export function makeSiteCa(dir: string, address: string) {
  runSnippet({ page: PAGE, name: 'site-ca' }, dir, { ADDRESS: address });
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
