/**
 * Who holds a port of this machine: sockets from /proc/net (proc(5)), and the processes that have them open from the
 * descriptors under /proc. It opens and changes nothing. Descriptors of others' processes are root's to see: a socket whose
 * process is hidden is still a socket that is there, with its user.
 *
 * /proc/net does not tell which interface a socket is bound to (SO_BINDTODEVICE), and for DHCP that decides whether two
 * sockets of one port are in each other's way: `ss` knows, where it is installed. Sockets of other network namespaces are
 * not seen, and not in the way either.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';

export type Transport = 'udp' | 'tcp';

export interface SocketHolder {
  readonly transport: Transport;
  /** `0.0.0.0`, `10.77.0.1`, `::`, … as `canonical` writes it. */
  readonly address: string;
  readonly port: number;
  readonly uid: number;
  /** The interface that it is bound to, where it is and that could be asked. */
  readonly device?: string | undefined;
  /** Undefined: only root sees whose it is. */
  readonly process?: { readonly pid: number; readonly name: string } | undefined;
}

/** TCP_LISTEN and TCP_CLOSE of include/net/tcp_states.h: the latter is a UDP socket that is connected to nobody. */
const STATE: Record<Transport, string> = { tcp: '0A', udp: '07' };

interface Row {
  readonly transport: Transport;
  readonly address: string;
  readonly port: number;
  readonly uid: number;
  readonly inode: string;
}

/** Everybody who listens on one of these ports, by whatever address. */
export function socketHolders(ports: ReadonlySet<number>, proc = '/proc'): SocketHolder[] {
  const rows = (['udp', 'tcp'] as const).flatMap((transport) =>
    ['', '6'].flatMap((family) =>
      parseSockets(readText(`${proc}/net/${transport}${family}`), transport),
    ),
  );
  const wanted = rows.filter(({ port }) => ports.has(port));
  if (wanted.length === 0) return [];
  const owners = ownersOf(new Set(wanted.map(({ inode }) => inode)), proc);
  const devices = devicesOf();
  return wanted.map(({ inode, ...row }) => ({
    ...row,
    device: devices.get(inode),
    process: owners.get(inode),
  }));
}

/** The processes that have this file open. */
export function processesWith(file: string, proc = '/proc'): ReadonlySet<number> {
  return new Set(pids(proc).filter((pid) => descriptors(pid, proc).includes(file)));
}

/** The rows of /proc/net/{udp,tcp}{,6} that listen: addresses are words in the byte order of the machine. */
export function parseSockets(text: string, transport: Transport): Row[] {
  return text.split('\n').flatMap((line) => {
    const [, local = '', , state, , , , uid, , inode = ''] = line.trim().split(/\s+/);
    const [, hex = '', port = ''] = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(local) ?? [];
    if (hex === '' || state !== STATE[transport]) return [];
    const row = { transport, port: Number.parseInt(port, 16), uid: Number(uid), inode };
    return [{ ...row, address: addressOf(hex) }];
  });
}

function addressOf(hex: string): string {
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) => (word.toLowerCase().match(/../g) ?? []).reverse());
  if (bytes.length === 4) return bytes.map((byte) => Number.parseInt(byte, 16)).join('.');
  const groups = bytes.join('').match(/.{4}/g) ?? [];
  const mapped = groups.slice(0, 6).join('') === '00000000000000000000ffff';
  if (mapped)
    return bytes
      .slice(12)
      .map((byte) => Number.parseInt(byte, 16))
      .join('.');
  return canonical(groups.join(':'));
}

/** An IPv6 address as RFC 5952 writes it, its zone index (`%eth0`) as it is; an IPv4 one as it is. */
export function canonical(address: string): string {
  if (!address.includes(':')) return address;
  const [bare, zone = ''] = address.split(/(?=%)/);
  return new URL(`http://[${bare}]/`).hostname.slice(1, -1) + zone;
}

function ownersOf(
  inodes: ReadonlySet<string>,
  proc: string,
): Map<string, { pid: number; name: string }> {
  const found = new Map<string, { pid: number; name: string }>();
  for (const pid of pids(proc)) {
    for (const target of descriptors(pid, proc)) {
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
      if (inode === undefined || !inodes.has(inode) || found.has(inode)) continue;
      found.set(inode, { pid, name: nameOf(pid, proc) });
    }
  }
  return found;
}

/** The program as it was called: what `comm` says is at most the name of a thread. */
function nameOf(pid: number, proc: string): string {
  const [called = ''] = readText(`${proc}/${pid}/cmdline`).split('\0');
  return basename(called) || readText(`${proc}/${pid}/comm`).trim();
}

/** By inode; empty where `ss` is not installed. */
function devicesOf(): Map<string, string> {
  const { stdout } = spawnSync('ss', ['-Hlune'], { encoding: 'utf8', timeout: 2000 });
  const found = new Map<string, string>();
  for (const line of (stdout ?? '').split('\n')) {
    const device = /\s\S+%([^\s:]+):\d+\s/.exec(line)?.[1];
    const inode = /\bino:(\d+)/.exec(line)?.[1];
    if (device && inode) found.set(inode, device);
  }
  return found;
}

function pids(proc: string): number[] {
  return readdirSync(proc)
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** What a process has open; nothing where that is hidden or the process has ended meanwhile. */
function descriptors(pid: number, proc: string): string[] {
  const folder = `${proc}/${pid}/fd`;
  try {
    return readdirSync(folder).flatMap((fd) => {
      try {
        return [readlinkSync(`${folder}/${fd}`)];
      } catch {
        return [];
      }
    });
  } catch {
    return [];
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
