/** The programs and files of Debian that benches, the lab and the tests start or read, and the package that has each. */
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import './system-path.ts';

/** A program, or the whole path of a file -> Debian package. What every Debian has (`Essential: yes`) is not among them. */
export const PACKAGES = {
  'aarch64-linux-gnu-gcc': 'gcc-aarch64-linux-gnu',
  atftp: 'atftp',
  'bmc-info': 'freeipmi-tools',
  busybox: 'busybox-static',
  chromium: 'chromium',
  cpio: 'cpio',
  curl: 'curl',
  delv: 'bind9-dnsutils',
  depmod: 'kmod',
  dhclient: 'isc-dhcp-client',
  dhcrelay: 'isc-dhcp-relay',
  dig: 'bind9-dnsutils',
  dnsmasq: 'dnsmasq-base',
  dnsperf: 'dnsperf',
  gcc: 'gcc',
  'in.tftpd': 'tftpd-hpa',
  initdb: 'postgresql',
  ip: 'iproute2',
  'ipmi-chassis': 'freeipmi-tools',
  'ipmi-fru': 'freeipmi-tools',
  'ipmi-sel': 'freeipmi-tools',
  'ipmi-sensors': 'freeipmi-tools',
  ipmi_sim: 'openipmi',
  ipmipower: 'freeipmi-tools',
  ipmitool: 'ipmitool',
  'kea-dhcp4': 'kea-dhcp4-server',
  knotd: 'knot',
  kzonecheck: 'knot-dnssecutils',
  'ldns-read-zone': 'ldnsutils',
  'ldns-verify-zone': 'ldnsutils',
  make: 'make',
  mcopy: 'mtools',
  mmd: 'mtools',
  'mkfs.vfat': 'dosfstools',
  modprobe: 'kmod',
  mount: 'mount',
  named: 'bind9',
  'named-checkzone': 'bind9-utils',
  nginx: 'nginx-light',
  nsd: 'nsd',
  nstat: 'iproute2',
  openssl: 'openssl',
  pdns_server: 'pdns-server',
  perfdhcp: 'kea-admin',
  postgres: 'postgresql',
  ps: 'procps',
  psql: 'postgresql',
  'qemu-system-aarch64': 'qemu-system-arm',
  'qemu-system-x86_64': 'qemu-system-x86',
  sbsign: 'sbsigntool',
  ss: 'iproute2',
  ssh: 'openssh-client',
  'ssh-keygen': 'openssh-client',
  strace: 'strace',
  sysctl: 'procps',
  'systemd-analyze': 'systemd',
  tcpdump: 'tcpdump',
  tftp: 'tftp-hpa',
  tshark: 'tshark',
  umount: 'mount',
  'zonemaster-cli': 'zonemaster-cli',
  zstd: 'zstd',
  '/lib/systemd/systemd-networkd': 'systemd',
  '/usr/include/lzma.h': 'liblzma-dev',
  '/usr/lib/ipxe/qemu': 'ipxe-qemu',
  '/usr/share/AAVMF/AAVMF_CODE.fd': 'qemu-efi-aarch64',
  '/usr/share/OVMF/OVMF32_CODE_4M.secboot.fd': 'ovmf-ia32',
  '/usr/share/OVMF/OVMF_CODE_4M.fd': 'ovmf',
} as const satisfies Readonly<Record<string, string>>;

export type Needed = keyof typeof PACKAGES;

/**
 * The absolute paths of programs that a topic cannot do without, by name.
 * @throws Error naming every one that is missing with its Debian package; also when not root, which namespaces need.
 */
export function requirePrograms<Name extends Needed>(...names: Name[]): Record<Name, string> {
  if (process.getuid?.() !== 0) throw new Error('benches need root: they make network namespaces');
  const found = names.map((name) => [name, find(name)] as const);
  const missing = found.filter(([, path]) => path === undefined);
  if (missing.length > 0) {
    const list = missing.map(([name]) => `${name} (Debian package ${PACKAGES[name]})`).join(', ');
    throw new Error(`not installed: ${list}. \`make setup-bench\` installs what all benches need.`);
  }
  return Object.fromEntries(found) as Record<Name, string>;
}

/** @returns its path; undefined when it is not there */
export function find(name: Needed): string | undefined {
  if (name.startsWith('/')) return existsSync(name) ? name : undefined;
  const path = (process.env.PATH ?? '').split(delimiter).concat(postgresFolders());
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

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
