/** A file for central, on a connection that is closed in the moment in which it is used: it is sent once more, from its start. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { clientFor } from '../../../src/cli/people/connection.ts';
import { storeFiles } from '../../../src/cli/people/image-files.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

it.each([
  ['is whole there', 1],
  ['is told of a central that closes all of them', 9],
])('%s', async (_, closes) => {
  const folder = temporaryFolder('upload');
  const bytes = 'x'.repeat(200_000);
  const file = join(folder, 'disk.img');
  writeFileSync(file, bytes);
  const heard: string[] = [];
  const server = createServer(async (asked, answer) => {
    const body = await text(asked);
    const reply = (status: number, document: object) =>
      answer
        .writeHead(status, { 'content-type': 'application/json' })
        .end(JSON.stringify(document));
    if (asked.method === 'PUT') heard.push(body);
    if (asked.method !== 'PUT') reply(404, { code: 'SITE_ONLY', title: 'no' });
    else if (heard.length <= closes) asked.socket.destroy();
    else reply(200, {});
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const context = { environment: { REVEILLE_URL: url }, write: () => undefined } as never;
  const stored = storeFiles(context, { disk: file } as never, clientFor(context, {} as never));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (closes === 1)
    expect(await stored).toEqual({ kind: 'raw', files: [{ role: 'disk', sha256 }] });
  else await expect(stored).rejects.toMatchObject({ code: 'UNREACHABLE' });
  expect(heard).toEqual([bytes, bytes]);
});
