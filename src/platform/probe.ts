/**
 * Asks a wire who uses an address, without using it: an ICMP echo to each, and a look into the kernel's neighbour table
 * a moment later.
 *
 * On a wire of its own the kernel must resolve an address by ARP before it can send the echo, so a machine there cannot
 * answer the echo without having answered ARP first, and one that drops echoes answers ARP all the same. The table is
 * therefore the evidence, and the echo is what makes the kernel ask; its answers are not read. An address of this
 * machine is answered for by itself: the kernel would not ask the wire for it.
 *
 * Needs koffi and CAP_NET_RAW; without them nothing is probed, which is said once.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { type Ipv4, ipv4ToBytes, parseIpv4 } from '../wire/ipv4.ts';
import { type Mac, parseMac } from '../wire/mac.ts';
import { AF_INET, loadLibc, SO_BINDTODEVICE, SOCK_RAW, SOL_SOCKET } from './libc.ts';
import type { Log } from './log.ts';

export interface Prober {
  /** What became of the question after `waitMs`; never rejects. */
  probe(addresses: readonly Ipv4[]): Promise<Probed>;
  close(): void;
}

export interface Probed {
  /** Those that could be asked for. */
  readonly addresses: readonly Ipv4[];
  /** Who answered; undefined for somebody of whom no MAC is seen. */
  readonly answers: ReadonlyMap<Ipv4, Mac | undefined>;
}

export const IPPROTO_ICMP = 1;
/** Type 8, code 0, checksum, identifier, sequence: an echo request without data (RFC 792). */
const ECHO = Uint8Array.of(8, 0, 0xf7, 0xff, 0, 0, 0, 0);
/** ATF_COM: the kernel has the hardware address (linux/if_arp.h). */
const COMPLETE = 0x2;
const NEIGHBOURS = '/proc/net/arp';

/** @returns `undefined` where nothing can be probed. */
export function openProber(options: {
  iface: string;
  waitMs: number;
  log: Log;
}): Prober | undefined {
  const { iface, waitMs, log } = options;
  const libc = loadLibc();
  const fd = libc ? libc.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) : -1;
  if (!libc || fd < 0) {
    log.warn({ iface }, 'free addresses are not probed: raw sockets need CAP_NET_RAW and koffi');
    return undefined;
  }
  const device = Buffer.from(`${iface}\0`);
  const waits = createWaits();
  return {
    async probe(addresses) {
      // Each time: an interface that was made anew is another one to the kernel. Of one that is gone nobody can be asked.
      if (libc.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, device.length) !== 0) {
        await waits.wait(waitMs);
        return { addresses: [], answers: new Map() };
      }
      for (const address of addresses) {
        const to = Buffer.alloc(16);
        to.writeUInt16LE(AF_INET, 0);
        to.set(ipv4ToBytes(address), 4);
        libc.sendto(fd, ECHO, ECHO.length, 0, to, to.length);
      }
      await waits.wait(waitMs);
      const table = await readFile(NEIGHBOURS, 'utf8').catch(() => '');
      const known = new Map([...parseNeighbours(table, iface), ...ownAddresses()]);
      const answers = new Map(
        addresses.flatMap((address): [Ipv4, Mac][] => {
          const mac = known.get(address);
          return mac === undefined ? [] : [[address, mac]];
        }),
      );
      return { addresses, answers };
    },
    close() {
      libc.close(fd);
      waits.end();
    },
  };
}

/** One wait after another, the last of which ends early when it must. */
export function createWaits(): { wait(ms: number): Promise<void>; end(): void } {
  let end: (() => void) | undefined;
  return {
    wait: (ms) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, ms);
        end = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
    end: () => end?.(),
  };
}

/** The resolved entries of one interface in the text of /proc/net/arp. */
export function parseNeighbours(table: string, iface: string): Map<Ipv4, Mac> {
  const found = new Map<Ipv4, Mac>();
  for (const line of table.split('\n').slice(1)) {
    const [address = '', , flags = '', mac = '', , device = ''] = line.trim().split(/\s+/);
    const ipv4 = parseIpv4(address);
    const hardware = parseMac(mac);
    const complete = (Number(flags) & COMPLETE) !== 0;
    if (device === iface && complete && ipv4 !== undefined && hardware) found.set(ipv4, hardware);
  }
  return found;
}

export type OnLink = (ifaces: readonly string[], address: Ipv4) => Mac | undefined;

/** How old the copy may be of which an address is found, and of which it is not: a machine that has just come is in the next. */
const FOUND_MS = 1000;
const MISSED_MS = 100;

/**
 * Who has this address on one of these interfaces, by the kernel's own table; `undefined` where it has just forgotten. It
 * always knows whom it is talking to. For records of what happened, never for what anybody may do: neighbours can lie.
 *
 * The table is kept for a moment: it has up to 1024 entries, and is asked for with every file that is fetched.
 *
 * @param now in milliseconds, of a clock that only goes on.
 */
export function openNeighbours(
  read = () => readFileSync(NEIGHBOURS, 'utf8'),
  now: () => number = () => performance.now(),
): OnLink {
  let readAt = Number.NEGATIVE_INFINITY;
  let text = '';
  const tables = new Map<string, Map<Ipv4, Mac>>();
  const find = (ifaces: readonly string[], address: Ipv4, ageMs: number): Mac | undefined => {
    if (now() - readAt >= ageMs) {
      text = read();
      readAt = now();
      tables.clear();
    }
    for (const iface of ifaces) {
      const table = tables.get(iface) ?? parseNeighbours(text, iface);
      tables.set(iface, table);
      const mac = table.get(address);
      if (mac) return mac;
    }
    return undefined;
  };
  return (ifaces, address) => {
    if (ifaces.length === 0) return undefined;
    return find(ifaces, address, FOUND_MS) ?? find(ifaces, address, MISSED_MS);
  };
}

function ownAddresses(): Map<Ipv4, Mac> {
  const found = new Map<Ipv4, Mac>();
  for (const entries of Object.values(networkInterfaces())) {
    for (const { family, address, mac } of entries ?? []) {
      const ipv4 = family === 'IPv4' ? parseIpv4(address) : undefined;
      const hardware = parseMac(mac);
      if (ipv4 !== undefined && hardware) found.set(ipv4, hardware);
    }
  }
  return found;
}
