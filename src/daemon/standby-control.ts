/**
 * How `reveille standby` on the appliance itself reaches the daemon, whatever part it has: HTTP over a socket in the folder of the
 * database, which only who may read that folder reaches. The API needs a daemon that is active; an order to take over does not.
 */
import { chmodSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { dirname, join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { z } from 'zod';
import type { Config } from '../config.ts';
import { AppError } from '../errors.ts';
import type { PairDesk, PairStatus } from '../http/people/context.ts';
import { discard } from '../platform/private-files.ts';

export const controlFileOf = ({ database }: Config) => join(dirname(database.file), 'standby.sock');

export interface ControlSocket {
  close(): Promise<void>;
}

const order = z.strictObject({
  why: z.string().min(1).max(500),
  fenced: z.string().max(500).default(''),
});

/** @throws AppError LISTEN_FAILED */
export function openControl(file: string, desk: PairDesk): Promise<ControlSocket> {
  discard(file);
  const server = createServer(async (asked, answer) => {
    const reply = (status: number, body: object) => {
      answer.writeHead(status, { 'content-type': 'application/json' });
      answer.end(JSON.stringify(body));
    };
    try {
      const who = 'the appliance itself';
      if (asked.method === 'POST') {
        const { why, fenced } = order.parse(JSON.parse(await textOf(asked)));
        if (asked.url === '/take-over') await desk.takeOver({ why, fenced, who });
        else if (asked.url === '/hand-back') await desk.handBack({ why, who });
        else return reply(404, { title: 'not known' });
      }
      reply(200, desk.status());
    } catch (error) {
      const { code = 'INTERNAL', message } = error as AppError;
      reply(409, { code, title: message });
    }
  });
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(new AppError('LISTEN_FAILED', { detail: file, cause })));
    server.listen(file, () => {
      chmodSync(file, 0o600);
      resolve({
        close() {
          server.closeAllConnections();
          return new Promise((done) => server.close(() => done()));
        },
      });
    });
  });
}

/** @throws AppError STANDBY_REFUSED, NOT_HERE when no daemon of a pair runs here */
export function askControl(file: string, path: string, body?: object): Promise<PairStatus> {
  return new Promise((resolve, reject) => {
    const method = body ? 'POST' : 'GET';
    const sent = request({ socketPath: file, path, method }, (answer) => {
      textOf(answer).then((text) => {
        const document = JSON.parse(text);
        if (answer.statusCode === 200) return resolve(document);
        reject(new AppError('STANDBY_REFUSED', { detail: String(document.title) }));
      }, reject);
    });
    sent.once('error', (cause) =>
      reject(
        new AppError('NOT_HERE', {
          detail: `(no daemon of a pair answers at ${file}: is it running, and is --config its file?)`,
          cause,
        }),
      ),
    );
    sent.end(body && JSON.stringify(body));
  });
}
