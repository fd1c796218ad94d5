/** Certificates of both listeners, as the daemon would load them: what is wrong with the files, and when they end. */
import type { Config } from '../../config.ts';
import { limit } from '../../limits.ts';
import { loadTls, type TlsFiles } from '../../platform/tls-files.ts';
import type { Finding } from './doctor-finding.ts';

export function certificates({ peopleHttp, machineHttp }: Config, now: number): Finding[] {
  const listeners: readonly (readonly [string, TlsFiles | undefined])[] = [
    ['people', peopleHttp.tls],
    ['machines', machineHttp.tls],
  ];
  return listeners.flatMap(([who, files]) => (files ? [certificate(who, files, now)] : []));
}

function certificate(who: string, files: TlsFiles, now: number): Finding {
  const check = `certificate (${who})`;
  const key = who === 'people' ? 'peopleHttp.tls' : 'machineHttp.tls';
  let notAfterMs: number;
  try {
    ({ notAfterMs } = loadTls(files));
  } catch (error) {
    const mend = `give ${key} a certificate and its key that can be read`;
    return { check, ok: false, found: (error as Error).message, mend };
  }
  const day = new Date(notAfterMs).toISOString().slice(0, 10);
  if (notAfterMs - now >= limit('tlsExpiryWarnMs'))
    return { check, ok: true, found: `until ${day}` };
  const found = notAfterMs <= now ? `has ended on ${day}` : `ends on ${day}`;
  const mend = `put a new one in the place of ${[files.cert].flat().join(', ')}: it is taken within seconds, without a restart`;
  return { check, ok: false, found, mend };
}
