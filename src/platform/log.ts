/** JSON logs, one line each, on standard output or to a file. Boot tokens in URLs are masked before they are written. */
import pino, { type Logger } from 'pino';
import { BEFORE_TOKEN } from '../wire/ids.ts';

export type Log = Logger;

const TOKEN = new RegExp(
  `(${BEFORE_TOKEN})([A-Za-z0-9_-]{4})[A-Za-z0-9_-]{28}(?![A-Za-z0-9_-])`,
  'g',
);

/** Replaces the token in `/boot/TOKEN/…`, `reveille.token=TOKEN` and the like by its first four characters. */
export function maskTokens(text: string): string {
  return text.replace(TOKEN, '$1$2****');
}

export function openLog(options: { level: string; file?: string | undefined }): Log {
  const settings = {
    level: options.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: {
      req: (req: { method?: string; url?: string; ip?: string }) => ({
        method: req.method,
        url: maskTokens(req.url ?? ''),
        from: req.ip,
      }),
    },
  };
  return options.file
    ? pino(settings, pino.destination({ dest: options.file, mkdir: true, sync: false }))
    : pino(settings);
}
