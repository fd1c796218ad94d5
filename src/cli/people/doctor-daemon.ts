/**
 * The doctor's question to the daemon, where one runs: is every part of it ready? A part may have stopped while the others
 * go on, such as the thread that serves TFTP or a disk that no longer takes what is written.
 *
 * Asked of the people's listener on this machine. Whose certificate it shows is not looked at: nothing is told to it, and what it
 * says is only repeated. No answer is no finding: the ports have been looked at before.
 */
import { request as requestPlain } from 'node:http';
import { request as requestTls } from 'node:https';
import { z } from 'zod';
import type { Config } from '../../config.ts';
import { formatIpv4, IPV4_ANY } from '../../wire/ipv4.ts';
import type { Finding } from './doctor-finding.ts';

const WAIT_MS = 2000;
const ANSWER_BYTES_MAX = 16_384;

const readiness = z.object({ ready: z.boolean(), checks: z.record(z.string(), z.boolean()) });

const fleetLine = z.object({
  line: z.enum(['none', 'open', 'closed', 'refused']),
  ...{ central: z.string(), since: z.number(), code: z.string(), why: z.string() },
});
type FleetLine = z.output<typeof fleetLine>;

const MENDS: Readonly<Record<string, string>> = {
  database:
    'a write to the disk has failed: see the log and the disk (dmesg), then restart the daemon',
  dns: '`reveille dns zones` names the addresses without an answer, the events dns.thread-ended say why; threads are started again by themselves',
  tftp: 'its thread is started again by itself within seconds; if not, see the log, and restart the daemon',
};

export async function daemonParts(config: Config): Promise<Finding[]> {
  const said = await ask(config, '/readyz', readiness);
  const line = await ask(config, '/api/v1/federation', fleetLine);
  return [...(said ? judgeParts(said) : []), ...(line ? judgeLine(line) : [])];
}

function judgeParts(said: z.output<typeof readiness>): Finding[] {
  // Not to be the active one of a pair is no fault.
  const down = Object.entries(said.checks).flatMap(([part, up]) =>
    up || part === 'active' ? [] : [part],
  );
  const [first] = down;
  if (first === undefined) return [{ check: 'daemon', ok: true, found: 'all its parts are ready' }];
  const mend = MENDS[first] ?? 'it is starting, or a part of it has failed: see its log';
  return [{ check: 'daemon', ok: false, found: `not ready: ${down.join(', ')}`, mend }];
}

/** Of an appliance that has joined a fleet: it works on without central, and nothing else here would show it. */
function judgeLine({ line, central, since, code, why }: FleetLine): Finding[] {
  const check = 'central';
  if (line === 'none') return [];
  if (line === 'open') return [{ check, ok: true, found: `${central} is heard` }];
  const ago = new Date(since).toISOString();
  const found = `${central}: ${line} since ${ago} (${[code, why].filter(Boolean).join(', ')})`;
  const mend =
    line === 'refused'
      ? 'reveille federation status says what to do; this site works on meanwhile'
      : 'see whether central runs and can be reached from here; what happens meanwhile is told when it is back';
  return [{ check, ok: false, found, mend }];
}

/** @returns nothing for what is not our daemon's answer, or is not for everybody here to read */
function ask<Schema extends z.ZodType>(
  { peopleHttp }: Config,
  path: string,
  schema: Schema,
): Promise<z.output<Schema> | undefined> {
  const { address, port, tls } = peopleHttp;
  const host = address === IPV4_ANY ? '127.0.0.1' : formatIpv4(address);
  return new Promise((resolve) => {
    const options = { host, port, path, timeout: WAIT_MS };
    const asked = tls
      ? requestTls({ ...options, rejectUnauthorized: false })
      : requestPlain(options);
    const over = setTimeout(() => asked.destroy(), WAIT_MS);
    asked.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
        if (text.length > ANSWER_BYTES_MAX) asked.destroy();
      });
      response.on('end', () => resolve(parse(schema, text)));
    });
    asked.on('error', () => resolve(undefined));
    asked.on('close', () => {
      clearTimeout(over);
      resolve(undefined);
    });
    asked.end();
  });
}

function parse<Schema extends z.ZodType>(
  schema: Schema,
  text: string,
): z.output<Schema> | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
