/** The TFTP servers that bench/tftp.ts compares, all running at the same time, each on a port of its own. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startDaemon, temporaryDir } from './support/daemon.ts';
import type { Pair } from './support/network.ts';
import { type Program, start } from './support/process.ts';
import type { Scope } from './support/scope.ts';

export const SERVER_ADDRESS = '10.99.0.1';

export interface TftpServer {
  readonly name: string;
  /** What a reader must know of its configuration. */
  readonly settings: string;
  readonly port: number;
  readonly program: Program;
}

export interface ServersOptions {
  readonly scope: Scope;
  readonly pair: Pair;
  readonly programs: Record<'in.tftpd' | 'dnsmasq', string>;
  /** The folder that all of them serve. */
  readonly root: string;
}

export async function startServers(options: ServersOptions): Promise<TftpServer[]> {
  return [await ours(options), await tftpdHpa(options), await dnsmasq(options)];
}

/** A folder that servers which give up root can read, with what our daemon wants to see beside the bench's files. */
export function makeRoot(scope: Scope, files: Record<string, Uint8Array>): string {
  const root = temporaryDir(scope);
  chmodSync(root, 0o755);
  const placeholders = ['undionly.kpxe', 'snponly.efi', 'vmlinuz', 'initrd.img'];
  for (const name of placeholders) writeFileSync(join(root, name), 'placeholder');
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(root, name), bytes);
  return root;
}

async function ours({ scope, pair, root }: ServersOptions): Promise<TftpServer> {
  const port = 6969;
  const program = await startDaemon({
    scope,
    namespace: pair.server,
    config: {
      tftp: { port },
      boot: { assets: root, pxeimage: root },
      dhcp: {
        segments: [
          {
            ...{ name: 'bench', iface: pair.serverIface, address: SERVER_ADDRESS },
            ...{ cidr: '10.99.0.0/16', pool: { first: '10.99.200.0', last: '10.99.200.250' } },
          },
        ],
      },
    },
  });
  return { name: 'reveille', settings: 'the whole daemon, defaults', port, program };
}

async function tftpdHpa({ scope, pair, programs, root }: ServersOptions): Promise<TftpServer> {
  const port = 6970;
  const program = start({
    scope,
    namespace: pair.server,
    command: [
      ...([
        programs['in.tftpd'],
        '--foreground',
        '--address',
        `${SERVER_ADDRESS}:${port}`,
      ] as const),
      ...['--secure', '--user', 'root', root],
    ],
  });
  return {
    name: 'tftpd-hpa',
    settings: '--foreground --secure, a process for each transfer',
    port,
    program,
  };
}

async function dnsmasq({ scope, pair, programs, root }: ServersOptions): Promise<TftpServer> {
  const dir = temporaryDir(scope);
  mkdirSync(dir, { recursive: true });
  const program = start({
    scope,
    namespace: pair.server,
    command: [
      ...([programs.dnsmasq, '--keep-in-foreground', '--conf-file=/dev/null', '--port=0'] as const),
      ...['--user=root', '--log-facility=-', '--quiet-tftp', `--pid-file=${join(dir, 'pid')}`],
      ...[`--listen-address=${SERVER_ADDRESS}`, '--bind-interfaces'],
      ...['--enable-tftp', `--tftp-root=${root}`, '--tftp-max=1000'],
    ],
  });
  await program.line(/TFTP root is/);
  return {
    name: 'dnsmasq',
    settings: '--enable-tftp --tftp-max=1000 --quiet-tftp',
    port: 69,
    program,
  };
}
