/** What boots the storm's machines: our daemon, and dnsmasq with nginx set up to do the same. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { startDaemon, temporaryDir } from './support/daemon.ts';
import type { Pair } from './support/network.ts';
import { type Program, start } from './support/process.ts';
import type { Scope } from './support/scope.ts';

export interface Stack {
  readonly name: string;
  readonly settings: string;
  /** Resolves when everything answers. */
  start(scope: Scope, pair: Pair): Promise<Program[]>;
  /** Requests that it did not answer, by reason, as far as it counts them. */
  drops(pair: Pair): Promise<Record<string, number>>;
}

interface StackOptions {
  readonly dnsmasq: string;
  readonly nginx: string;
  readonly server: string;
  readonly pool: { readonly first: string; readonly last: string };
}

const ROOT = resolve(import.meta.dirname, '..');
const HTTP_PORT = 8080;

export function stormStacks(options: StackOptions): Stack[] {
  return [ours(options), dnsmasqAndNginx(options)];
}

function ours({ server, pool }: StackOptions): Stack {
  return {
    name: 'reveille',
    settings: 'defaults, no conflict probes',
    async start(scope, pair) {
      const segment = {
        ...{ name: 'storm', iface: pair.serverIface, address: server, cidr: '10.99.0.0/16' },
        ...{ pool, conflictProbe: false },
      };
      return [
        await startDaemon({
          scope,
          namespace: pair.server,
          config: { dhcp: { segments: [segment] } },
        }),
      ];
    },
    async drops(pair) {
      const text = execFileSync(
        'ip',
        ['netns', 'exec', pair.server, process.execPath, '-e', PRINT_METRICS],
        { encoding: 'utf8' },
      );
      return Object.fromEntries(
        [...text.matchAll(/^reveille_(\w+)_(?:drops|shed)_total\{reason="([^"]+)"\} (\d+)$/gm)]
          .map(([, what, reason, count]) => [`${what} ${reason}`, Number(count)] as const)
          .filter(([, count]) => count > 0),
      );
    },
  };
}

const PRINT_METRICS = `fetch('http://127.0.0.1:8081/metrics').then((r) => r.text()).then(console.log)`;

function dnsmasqAndNginx({ dnsmasq, nginx, server, pool }: StackOptions): Stack {
  return {
    name: 'dnsmasq+nginx',
    settings:
      'dnsmasq: no-ping, dhcp-authoritative, quiet, lease file, tftp-max 2000, option 175.176; nginx: two workers, sendfile, no access log',
    async start(scope, pair) {
      const dir = temporaryDir(scope);
      const url = `http://${server}:${HTTP_PORT}`;
      layOutFiles(dir, url);
      const dhcp = start({
        scope,
        namespace: pair.server,
        command: [
          ...([dnsmasq, '--keep-in-foreground', '--conf-file=/dev/null', '--port=0'] as const),
          ...['--user=root', '--log-facility=-', '--quiet-dhcp', '--quiet-tftp', '--no-ping'],
          ...['--dhcp-authoritative', '--dhcp-lease-max=40000', `--interface=${pair.serverIface}`],
          ...[`--dhcp-range=${pool.first},${pool.last},255.255.0.0,1h`],
          ...[`--dhcp-leasefile=${join(dir, 'leases')}`, `--pid-file=${join(dir, 'dnsmasq.pid')}`],
          ...['--enable-tftp', `--tftp-root=${join(dir, 'tftp')}`, '--tftp-max=2000'],
          ...['--dhcp-match=set:ipxe,175', '--dhcp-match=set:bios,option:client-arch,0'],
          ...['--dhcp-match=set:efi,option:client-arch,7'],
          `--dhcp-boot=tag:ipxe,${url}/script.ipxe`,
          ...['--dhcp-boot=tag:bios,tag:!ipxe,undionly.kpxe'],
          ...['--dhcp-boot=tag:efi,tag:!ipxe,snponly.efi'],
          '--dhcp-option=tag:ipxe,encap:175,176,1b',
        ],
      });
      const web = start({
        scope,
        namespace: pair.server,
        command: [nginx, '-p', dir, '-e', 'stderr', '-c', join(dir, 'nginx.conf')],
      });
      await dhcp.line(/DHCP, sockets bound|DHCP, IP range/);
      await web.line(/start worker processes/);
      return [dhcp, web];
    },
    drops: () => Promise.resolve({}),
  };
}

/** The same binaries, kernel and initrd that our daemon serves, and a script of about the same length as ours. */
function layOutFiles(dir: string, url: string): void {
  for (const folder of ['tftp', 'www']) mkdirSync(join(dir, folder));
  for (const name of ['undionly.kpxe', 'snponly.efi'])
    copyFileSync(join(ROOT, 'build/boot', name), join(dir, 'tftp', name));
  for (const name of ['vmlinuz', 'initrd.img'])
    copyFileSync(join(ROOT, 'build/pxeimage/lab', name), join(dir, 'www', name));
  const script = [
    '#!ipxe',
    `kernel --timeout 60000 --name vmlinuz ${url}/vmlinuz initrd=initrd.img console=ttyS0,115200`,
    `initrd --timeout 60000 --name initrd.img ${url}/initrd.img`,
    'boot',
    '',
  ];
  writeFileSync(join(dir, 'www/script.ipxe'), script.join('\n'));
  writeFileSync(
    join(dir, 'nginx.conf'),
    `daemon off; user root; worker_processes 2; pid nginx.pid; error_log stderr notice;
worker_rlimit_nofile 65536;
events { worker_connections 8192; }
http {
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;
  client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
  server { listen ${HTTP_PORT}; root www; }
}
`,
  );
}
