/**
 * Whether BMCs are heard at all, for the doctor: by TCP, or by RMCP where a BMC speaks nothing but IPMI. It logs in nowhere.
 * It sends a presence ping (IPMI 2.0 section 13.2.3) and Get Channel Authentication Capabilities (section 22.13), which
 * need no session: any datagram that comes back from there is an answer.
 */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import Sqlite from 'better-sqlite3';
import { getChannelAuth } from '../../ipmi/commands/channel-auth.ts';
import { encodePing } from '../../ipmi/rmcp.ts';
import { createSessionless } from '../../ipmi/sessionless.ts';

const TIMEOUT_MS = 1500;
/** Twice is lost seldom: a BMC drops datagrams while it does something else. */
const PING_AGAIN_MS = 500;
/** Many a BMC has the ping disabled, and tells everybody how it may be logged in to: both are asked. */
const QUESTIONS = [
  encodePing(1),
  createSessionless({
    ...{ command: getChannelAuth, request: { v2: true, privilege: 4 }, sequence: 1 },
  }).start(0).send,
];

export interface BmcPorts {
  readonly tcp: readonly number[];
  readonly rmcp: number;
}

const PORTS: BmcPorts = { tcp: [443, 80, 22], rmcp: 623 };

export interface BmcOnRecord {
  readonly address: string;
  /** Hardwarename of the machine, or of one of those behind it. */
  readonly machine: string;
}

/** Of every machine that is not retired, each once; none when the file cannot be read. */
export function bmcsOnRecord(file: string): BmcOnRecord[] {
  const sql = `SELECT bmc_address AS address, min(hardwarename) AS machine FROM machines
    WHERE bmc_address <> '' AND state <> 'retired' GROUP BY bmc_address ORDER BY machine`;
  return read(file, (db) => db.prepare<[], BmcOnRecord>(sql).all()) ?? [];
}

const NAMED = 10;

/** Whose BMCs are silent, for who goes there: the first of them by name. */
export function silentText(silent: readonly BmcOnRecord[]): string {
  const named = silent.slice(0, NAMED).map(({ machine, address }) => `${machine} (${address})`);
  const others = silent.length > NAMED ? ` and ${silent.length - NAMED} more` : '';
  return `no answer from that of ${named.join(', ')}${others}`;
}

/** When the last thing happened that is on record; undefined when there is none or the file cannot be read. */
export function newestEventAt(file: string): number | undefined {
  const sql = 'SELECT at FROM events ORDER BY id DESC LIMIT 1';
  return read(file, (db) => db.prepare<[], number>(sql).pluck().get());
}

function read<T>(file: string, ask: (db: Sqlite.Database) => T): T | undefined {
  try {
    const db = new Sqlite(file, { readonly: true });
    try {
      return ask(db);
    } finally {
      db.close();
    }
  } catch {
    return undefined;
  }
}

export async function isHeard(address: string, ports: BmcPorts = PORTS): Promise<boolean> {
  const tries = [
    pings(address, ports.rmcp),
    ...ports.tcp.map((port) => connects(address, port)),
  ].map(async (heard) => {
    if (!(await heard)) throw new Error('silent');
    return true;
  });
  return Promise.any(tries).catch(() => false);
}

function connects(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: TIMEOUT_MS });
    const end = (heard: boolean) => {
      socket.destroy();
      resolve(heard);
    };
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    // A refusal is an answer: somebody is there.
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code === 'ECONNREFUSED'));
  });
}

function pings(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    const send = () => {
      for (const question of QUESTIONS) socket.send(question, port, host, () => undefined);
    };
    const again = setTimeout(send, PING_AGAIN_MS);
    const enough = setTimeout(() => end(false), TIMEOUT_MS);
    let over = false;
    const end = (heard: boolean) => {
      if (over) return;
      over = true;
      clearTimeout(again);
      clearTimeout(enough);
      socket.close();
      resolve(heard);
    };
    socket.on('error', () => end(false));
    socket.on('message', (_bytes, from) => {
      if (from.address === host) end(true);
    });
    send();
  });
}
