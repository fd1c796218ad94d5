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
import type { Finding } from './doctor.ts';

const WAIT_MS = 2000;
const ANSWER_BYTES_MAX = 16_384;

const readiness = z.object({ ready: z.boolean(), checks: z.record(z.string(), z.boolean()) });

const MENDS: Readonly<Record<string, string>> = {
  database:
    'a write to the disk has failed: see the log and the disk (dmesg), then restart the daemon',
  dns: '`reveille dns zones` names the addresses without an answer, the events dns.thread-ended say why; threads are started again by themselves',
  tftp: 'its thread is started again by itself within seconds; if not, see the log, and restart the daemon',
};

export async function daemonParts({ peopleHttp }: Config): Promise<Finding[]> {
  const { address, port, tls } = peopleHttp;
  const host = address === IPV4_ANY ? '127.0.0.1' : formatIpv4(address);
  const said = await ask({ host, port, tls: tls !== undefined });
  if (said === undefined) return [];
  // Not to be the active one of a pair is no fault.
  const down = Object.entries(said.checks).flatMap(([part, up]) =>
    up || part === 'active' ? [] : [part],
  );
  const [first] = down;
  if (first === undefined) return [{ check: 'daemon', ok: true, found: 'all its parts are ready' }];
  const mend = MENDS[first] ?? 'it is starting, or a part of it has failed: see its log';
  return [{ check: 'daemon', ok: false, found: `not ready: ${down.join(', ')}`, mend }];
}

function ask(at: {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}): Promise<z.output<typeof readiness> | undefined> {
  const { host, port, tls } = at;
  return new Promise((resolve) => {
    const options = { host, port, path: '/readyz', timeout: WAIT_MS };
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
      response.on('end', () => resolve(parse(text)));
    });
    asked.on('error', () => resolve(undefined));
    asked.on('close', () => {
      clearTimeout(over);
      resolve(undefined);
    });
    asked.end();
  });
}

/** @returns nothing for what is not our daemon's answer */
function parse(text: string): z.output<typeof readiness> | undefined {
  try {
    return readiness.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
