/** Fetches the check URL of a machine: one GET, no redirects, a deadline, and an answer that is not read. */
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';

const DEADLINE_MS = 5000;

/** @returns '' for a 2xx, else what was wrong; never rejects */
export function fetchHealth(url: string): Promise<string> {
  return new Promise((resolve) => {
    // A machine's own certificate is whatever its image made: health is asked for, not identity.
    const options = { rejectUnauthorized: false, timeout: DEADLINE_MS, agent: false } as const;
    const request = url.startsWith('https:')
      ? requestHttps(url, options)
      : requestHttp(url, options);
    const late = setTimeout(() => request.destroy(new Error('no answer in time')), DEADLINE_MS);
    const finish = (why: string) => {
      clearTimeout(late);
      resolve(why);
      request.destroy();
    };
    request.on('response', ({ statusCode = 0 }) =>
      finish(statusCode >= 200 && statusCode < 300 ? '' : `HTTP ${statusCode}`),
    );
    request.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
    request.end();
  });
}
