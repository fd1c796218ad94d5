/**
 * What the kernel threw away because the buffer of a UDP socket was full: datagrams that no program ever saw, and whose senders no
 * other counter knows of. By local port, of every socket in this network namespace, from /proc/net/udp (proc(5)); the count begins with the socket.
 */
import { readFileSync } from 'node:fs';

const TABLES = ['/proc/net/udp', '/proc/net/udp6'];

/** Of these ports, also of those where nothing was lost. */
export function readOverruns(ports: readonly number[]): Map<number, number> {
  const found = new Map(ports.map((port) => [port, 0]));
  for (const table of TABLES) addOverruns(readTable(table), found);
  return found;
}

/** Adds the last column of each row whose port is asked for. */
export function addOverruns(text: string, found: Map<number, number>): void {
  for (const line of text.split('\n').slice(1)) {
    const words = line.trim().split(/\s+/);
    const port = Number.parseInt(words[1]?.split(':')[1] ?? '', 16);
    const before = found.get(port);
    if (before !== undefined) found.set(port, before + Number(words.at(-1)));
  }
}

/** A machine without IPv6 has one table only. */
function readTable(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
