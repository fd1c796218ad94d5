/**
 * The files that an install writes into a system: name, network, keys, seed, the call home. Pure.
 *
 * Networks are written for systemd-networkd and matched by the NIC's address: the installer's kernel and the system's own
 * may give one NIC two names. Keys go to root; a system that wants other users makes them by its user-data.
 */
import type { InstallDetail } from './detail.ts';
import {
  type DocumentFacts,
  machinePage,
  metaData,
  networkConfig,
  userData,
  vendorData,
} from './metadata.ts';

export interface SystemFile {
  readonly path: string;
  /** Octal, as chmod takes it. */
  readonly mode: string;
  readonly text: string;
}

export function systemFiles(detail: InstallDetail, facts: DocumentFacts): SystemFile[] {
  const plain = (path: string, text: string): SystemFile => ({ path, mode: '0644', text });
  const seed = '/var/lib/cloud/seed/nocloud';
  const { hostname, sshKeys } = detail;
  const keys = sshKeys.map((key) => `${key}\n`).join('');
  return [
    ...(hostname === ''
      ? []
      : [plain('/etc/hostname', `${hostname}\n`), plain('/etc/hosts', hosts(hostname))]),
    plain('/etc/systemd/network/10-reveille.network', networkUnit(detail)),
    // An empty one is filled at the first boot: no two machines have the same.
    plain('/etc/machine-id', ''),
    ...(keys === '' ? [] : [{ path: '/root/.ssh/authorized_keys', mode: '0600', text: keys }]),
    { path: '/etc/reveille/machine.json', mode: '0600', text: machinePage(detail, facts) },
    { path: `${seed}/meta-data`, mode: '0600', text: metaData(detail, facts) },
    { path: `${seed}/user-data`, mode: '0600', text: userData(detail) },
    { path: `${seed}/vendor-data`, mode: '0600', text: vendorData(detail, facts) },
    { path: `${seed}/network-config`, mode: '0600', text: networkConfig(detail) },
    { path: '/usr/lib/reveille/phone-home', mode: '0700', text: phoneHome(facts) },
    plain('/etc/systemd/system/reveille-phone-home.service', PHONE_HOME_UNIT),
  ];
}

/** Symbolic links, name and where it points to. */
export const SYSTEM_LINKS = [
  [
    '/etc/systemd/system/multi-user.target.wants/reveille-phone-home.service',
    '/etc/systemd/system/reveille-phone-home.service',
  ],
] as const;

function hosts(hostname: string): string {
  const [short = hostname] = hostname.split('.');
  const names = short === hostname ? hostname : `${hostname} ${short}`;
  return `127.0.0.1 localhost\n127.0.1.1 ${names}\n::1 localhost ip6-localhost ip6-loopback\n`;
}

function networkUnit({ network, mac }: InstallDetail): string {
  const match = `[Match]\nPermanentMACAddress=${mac}\n\n[Network]\n`;
  if (network.kind === 'dhcp') return `${match}DHCP=yes\n\n[DHCPv4]\nClientIdentifier=mac\n`;
  const { address, gateway, dns } = network;
  return [
    `${match}Address=${address}\n`,
    gateway === undefined ? '' : `Gateway=${gateway}\n`,
    ...dns.map((server) => `DNS=${server}\n`),
  ].join('');
}

const PHONE_HOME_UNIT = `[Unit]
Description=Tell the appliance that this system has started
ConditionPathExists=!/var/lib/reveille/phoned-home
After=network.target ssh.service sshd.service

[Service]
Type=exec
ExecStart=/usr/lib/reveille/phone-home
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target
`;

/** Tries for as long as the unit lives, each second; by whatever the system has to ask with. */
function phoneHome({ phoneHome: url }: DocumentFacts): string {
  return `#!/bin/bash
# Tells the appliance once that this system has started. The token in the address is good for nothing else.
url='${url}'
call() {
  if command -v curl >/dev/null; then curl -s -f -k -m 10 -o /dev/null -X POST "$url"
  # By timeout and not by -T, at which the wget of Debian's busybox crashes.
  elif command -v wget >/dev/null && command -v timeout >/dev/null; then
    timeout 15 wget -q -O /dev/null --post-data= "$url"
  else
    at=\${url#http://} path=/\${at#*/} at=\${at%%/*}
    exec 3<>"/dev/tcp/\${at%:*}/\${at##*:}" || return 1
    printf 'POST %s HTTP/1.0\\r\\nHost: %s\\r\\nContent-Length: 0\\r\\n\\r\\n' "$path" "$at" >&3
    read -r -t 10 _ status _ <&3
    exec 3>&-
    [ "\${status#2}" != "$status" ]
  fi
}
until call; do sleep 1; done
mkdir -p /var/lib/reveille
: >/var/lib/reveille/phoned-home
`;
}
