/** The programs that benches need of Debian, and the package that has each; the Makefile's BENCH_PACKAGES names the same. */
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Program -> Debian package. */
export const PROGRAM_PACKAGES: Readonly<Record<string, string>> = {
  chromium: 'chromium',
  curl: 'curl',
  dig: 'bind9-dnsutils',
  dnsmasq: 'dnsmasq-base',
  dnsperf: 'dnsperf',
  'in.tftpd': 'tftpd-hpa',
  initdb: 'postgresql',
  ip: 'iproute2',
  ipmipower: 'freeipmi-tools',
  ipmitool: 'ipmitool',
  'kea-dhcp4': 'kea-dhcp4-server',
  knotd: 'knot',
  named: 'bind9',
  nginx: 'nginx-light',
  nsd: 'nsd',
  pdns_server: 'pdns-server',
  perfdhcp: 'kea-admin',
  postgres: 'postgresql',
  psql: 'postgresql',
  strace: 'strace',
  tcpdump: 'tcpdump',
};

/**
 * The absolute paths of programs that a topic cannot do without, by name.
 * @throws Error naming every one that is missing with its Debian package; also when not root, which namespaces need.
 */
export function requirePrograms<Name extends string>(...names: Name[]): Record<Name, string> {
  if (process.getuid?.() !== 0) throw new Error('benches need root: they make network namespaces');
  const found = names.map((name) => [name, findProgram(name)] as const);
  const missing = found.filter(([, path]) => path === undefined);
  if (missing.length > 0) {
    const list = missing.map(([name]) => `${name} (Debian package ${packageOf(name)})`).join(', ');
    throw new Error(`not installed: ${list}. \`make setup-bench\` installs what all benches need.`);
  }
  return Object.fromEntries(found) as Record<Name, string>;
}

function findProgram(name: string): string | undefined {
  const path = (process.env.PATH ?? '')
    .split(delimiter)
    .concat('/usr/sbin', '/sbin', ...postgresFolders());
  return path.map((dir) => join(dir, name)).find(isExecutable);
}

/** Debian keeps each version's server programs in a folder of its own, out of the PATH. */
function postgresFolders(): string[] {
  const root = '/usr/lib/postgresql';
  if (!existsSync(root)) return [];
  return readdirSync(root)
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(root, version, 'bin'));
}

function packageOf(name: string): string {
  return PROGRAM_PACKAGES[name] ?? 'unknown';
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
