/**
 * Foreign name servers for tests and benches: Knot, NSD, BIND and PowerDNS, each with a configuration that does the same,
 * in a folder of its own, on a loopback address and a high port. They are primary from zone files or secondary of us.
 */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Program, start } from '../../bench/support/process.ts';
import type { Scope } from '../../bench/support/scope.ts';

export type PeerKind = 'knot' | 'nsd' | 'bind' | 'powerdns';

export interface PeerOptions {
  readonly scope: Scope;
  /** An empty folder; it is made if it is missing. */
  readonly folder: string;
  readonly address: string;
  readonly port: number;
  /** Zone names without a final dot, each with a file where this server is primary. */
  readonly zones: readonly { readonly name: string; readonly file?: string }[];
  readonly primary?: { readonly address: string; readonly port: number; readonly secret: string };
  /** A catalog zone to follow: Knot and BIND only. */
  readonly catalog?: string;
  readonly threads?: number;
  readonly cpus?: string;
}

/** Name of the TSIG key, its algorithm hmac-sha256. */
export const PEER_KEY = 'transfer';

export function startPeer(kind: PeerKind, options: PeerOptions): Program {
  const { scope, folder, cpus } = options;
  mkdirSync(folder, { recursive: true });
  // Servers that give up root must reach it.
  chmodSync(folder, 0o777);
  const command = COMMANDS[kind](options);
  return start({ scope, command, cwd: folder, ...(cpus === undefined ? {} : { cpus }) });
}

const COMMANDS: Record<PeerKind, (options: PeerOptions) => readonly [string, ...string[]]> = {
  knot,
  nsd,
  bind,
  powerdns,
};

function write(folder: string, name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

function knot(options: PeerOptions): readonly [string, ...string[]] {
  const { folder, address, port, zones, primary, catalog, threads = 1 } = options;
  const secondary = 'master: primary\n    acl: [notify, all]\n    zonefile-sync: -1';
  const zone = zones.map(
    ({ name, file }) =>
      `  - domain: ${name}\n    storage: "${folder}"\n    ${file ? `file: "${file}"\n    acl: all` : secondary}`,
  );
  if (catalog) {
    zone.push(
      `  - domain: ${catalog}\n    ${secondary}\n    catalog-role: interpret\n    catalog-template: member`,
    );
  }
  const from = primary && `${primary.address}@${primary.port}`;
  const text = `
server:
    rundir: "${folder}"
    user: root
    listen: ${address}@${port}
    udp-workers: ${threads}
    tcp-workers: ${threads}
    background-workers: 2
log:
  - target: stderr
    any: info
database:
    storage: "${folder}"
${primary ? `key:\n  - id: ${PEER_KEY}\n    algorithm: hmac-sha256\n    secret: ${primary.secret}` : ''}
${primary ? `remote:\n  - id: primary\n    address: ${from}\n    key: ${PEER_KEY}` : ''}
acl:
  - id: all
    address: 127.0.0.0/8
    action: transfer
${primary ? `  - id: notify\n    key: ${PEER_KEY}\n    action: notify` : ''}
${catalog ? `template:\n  - id: member\n    storage: "${folder}"\n    ${secondary}` : ''}
zone:
${zone.join('\n')}
`;
  return ['knotd', '-c', write(folder, 'knot.conf', text)];
}

function nsd(options: PeerOptions): readonly [string, ...string[]] {
  const { folder, address, port, zones, primary, threads = 1 } = options;
  const zone = zones.map(({ name, file }) => {
    const from = primary && `${primary.address}@${primary.port}`;
    const follow = `request-xfr: ${from} ${PEER_KEY}\n  allow-notify: ${primary?.address} ${PEER_KEY}`;
    return `zone:\n  name: ${name}\n  ${file ? `zonefile: "${file}"` : follow}\n  provide-xfr: 127.0.0.0/8 NOKEY`;
  });
  const text = `
server:
  ip-address: ${address}@${port}
  username: ""
  server-count: ${threads}
  reuseport: yes
  zonesdir: "${folder}"
  database: ""
  pidfile: "${folder}/nsd.pid"
  xfrdfile: "${folder}/xfrd.state"
  zonelistfile: "${folder}/zone.list"
  xfrdir: "${folder}"
  xfrd-reload-timeout: 0
  rrl-ratelimit: 0
  verbosity: 2
remote-control:
  control-enable: no
${primary ? `key:\n  name: ${PEER_KEY}\n  algorithm: hmac-sha256\n  secret: ${primary.secret}` : ''}
${zone.join('\n')}
`;
  return ['nsd', '-d', '-c', write(folder, 'nsd.conf', text)];
}

function bind(options: PeerOptions): readonly [string, ...string[]] {
  const { folder, address, port, zones, primary, catalog, threads = 1 } = options;
  const from = primary && `${primary.address} port ${primary.port} key ${PEER_KEY}`;
  const follow = (file: string) =>
    `type secondary; file "${file}"; masterfile-format text; primaries { ${from}; }; allow-notify { key ${PEER_KEY}; };`;
  const zone = zones.map(
    ({ name, file }) =>
      `zone "${name}" { ${file ? `type primary; file "${file}";` : follow(`${name.replace('/', '-')}.db`)} };`,
  );
  if (catalog) zone.push(`zone "${catalog}" { ${follow('catalog.db')} };`);
  const text = `
options {
  directory "${folder}";
  pid-file "${folder}/named.pid";
  session-keyfile none;
  listen-on port ${port} { ${address}; };
  listen-on-v6 { none; };
  recursion no;
  dnssec-validation no;
  minimal-responses yes;
  minimal-any yes;
  allow-transfer { any; };
  allow-query { any; };
  notify no;
  max-journal-size unlimited;
  ${catalog ? `catalog-zones { zone "${catalog}" default-primaries { ${from}; } in-memory yes min-update-interval 1; };` : ''}
};
controls { };
${primary ? `key ${PEER_KEY} { algorithm hmac-sha256; secret "${primary.secret}"; };` : ''}
${zone.join('\n')}
`;
  return ['named', '-g', '-n', String(threads), '-c', write(folder, 'named.conf', text)];
}

function powerdns(options: PeerOptions): readonly [string, ...string[]] {
  const { folder, address, port, zones, threads = 1 } = options;
  const zone = zones.map(({ name, file }) => `zone "${name}" { type native; file "${file}"; };`);
  write(folder, 'zones.conf', `${zone.join('\n')}\n`);
  const text = `
launch=bind
bind-config=${folder}/zones.conf
local-address=${address}:${port}
socket-dir=${folder}
receiver-threads=${threads}
distributor-threads=1
reuseport=yes
cache-ttl=60
security-poll-suffix=
loglevel=4
`;
  write(folder, 'pdns.conf', text);
  return ['pdns_server', `--config-dir=${folder}`, '--daemon=no', '--guardian=no'];
}
