/** Consoles over real sockets: who may come, what is carried, one pen, slow readers, transcripts. */
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { AppError } from '../../../../src/errors.ts';
import type { Role } from '../../../../src/inventory/access.ts';
import { hashPassword } from '../../../../src/inventory/password.ts';
import { limit } from '../../../../src/limits.ts';
import type { Hardwarename } from '../../../../src/wire/ids.ts';
import {
  type ConsoleAppliance,
  createConsoleAppliance,
  CONSOLE_MACHINE as NAME,
} from '../../../support/console-appliance.ts';
import { problemOf } from '../../../support/people.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const close of closers.splice(0).reverse()) await close();
});

type Here = ConsoleAppliance;
const appliance = () => createConsoleAppliance(closers);

/** A terminal that keeps what it has seen and been told. */
async function terminal(here: Here, options: { secret?: string; query?: string } = {}) {
  const secret = options.secret ?? here.token('technician').secret;
  const socket = here.dial({ authorization: `Bearer ${secret}` }, options.query);
  const seen: Buffer[] = [];
  let bytes = 0;
  const told: { type: string; [more: string]: unknown }[] = [];
  const wakes = new Set<() => void>();
  const wake = () => {
    for (const each of wakes) each();
  };
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    if (isBinary) {
      seen.push(data);
      bytes += data.length;
    } else told.push(JSON.parse(data.toString('utf8')));
    wake();
  });
  socket.on('close', wake);
  closers.push(() => socket.terminate());
  const closed = once(socket, 'close') as Promise<[number, Buffer]>;
  await once(socket, 'open');
  const until = (holds: () => boolean) =>
    new Promise<void>((done) => {
      const look = () => {
        if (!holds()) return;
        wakes.delete(look);
        done();
      };
      wakes.add(look);
      look();
    });
  await until(() => told.some(({ state }) => state === 'open'));
  return {
    ...{ socket, told, closed, until },
    text: () => Buffer.concat(seen).toString('latin1'),
    bytes: () => bytes,
    say: (message: object) => socket.send(JSON.stringify(message)),
  };
}

/** The status and code with which a WebSocket is refused. */
async function refusal(socket: WebSocket): Promise<string> {
  socket.on('error', () => undefined);
  const [, response] = await once(socket, 'unexpected-response');
  let text = '';
  for await (const part of response) text += part;
  return `${response.statusCode} ${JSON.parse(text).code}`;
}

describe('who may come', () => {
  it('technicians of the site or of the squad, and nobody else', async () => {
    const here = await appliance();
    const { token, dial, people, cause, world } = here;
    const bearer = (role: Role, squads: Record<string, Role> = {}) => ({
      authorization: `Bearer ${token(role, squads).secret}`,
    });
    expect(await refusal(dial({}))).toBe('401 UNAUTHENTICATED');
    expect(await refusal(dial({ authorization: 'Bearer x' }))).toBe('401 UNAUTHENTICATED');
    expect(await refusal(dial(bearer('viewer')))).toBe('403 FORBIDDEN');
    expect(await refusal(dial(bearer('technician'), '', 'N0BODY'))).toBe('404 MACHINE_UNKNOWN');
    expect(await refusal(dial(bearer('technician'), '?mode=x'))).toBe('400 REQUEST_INVALID');
    const { editor } = world.inventory.serverdb;
    world.inventory.transaction(() => editor.edit(NAME, { squad: 'db' }, cause));
    expect(await refusal(dial(bearer('viewer', { other: 'operator' })))).toBe('403 FORBIDDEN');
    const mine = await terminal(here, { secret: token('viewer', { db: 'technician' }).secret });
    expect(mine.socket.readyState).toBe(WebSocket.OPEN);
    for (const path of ['', '/last', '/recordings/1', '/boots/B1'])
      expect(problemOf(await people.as('viewer')('GET', `/machines/${NAME}/console${path}`))).toBe(
        '403 FORBIDDEN',
      );
  });

  it("a session's cookie counts only from a page of this site", async () => {
    const here = await appliance();
    const { world, dial } = here;
    const { access } = world.inventory.serverdb;
    const user = { name: 'ann', role: 'technician', squads: {}, disabled: false } as const;
    const passwordHash = await hashPassword('correct horse battery');
    world.inventory.transaction(() => access.putUser({ ...user, passwordHash }, { who: 'test' }));
    const { secret } = await access.login('ann', 'correct horse battery');
    const cookie = `reveille_session=${secret}`;
    expect(await refusal(dial({ cookie }))).toBe('403 FORBIDDEN');
    expect(await refusal(dial({ cookie, origin: 'http://evil.example' }))).toBe('403 FORBIDDEN');
    const own = dial({ cookie, origin: `http://127.0.0.1:${here.port}` });
    await once(own, 'open');
    own.terminate();
  });

  it('is shown out at once when the right to be there is gone', async () => {
    const here = await appliance();
    const { secret, token } = here.token('technician');
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const visitor = await terminal(here, { secret });
    here.world.inventory.transaction(() =>
      here.world.inventory.serverdb.access.revokeToken(token.id, 'test'),
    );
    const [code] = await visitor.closed;
    expect(code).toBe(4003);
  });

  it('is shown out within a second when another program has ended the token', async () => {
    const here = await appliance();
    const { secret, token } = here.token('technician');
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const visitor = await terminal(here, { secret });
    here.world.db.prepare('UPDATE api_tokens SET revoked_at = 1 WHERE id = ?').run(token.id);
    vi.advanceTimersByTime(limit('accessLookMs'));
    const [code] = await visitor.closed;
    expect(code).toBe(4003);
  });

  it('is gone when it answers no ping', async () => {
    const here = await appliance();
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const { secret } = here.token('technician');
    const socket = here.dial({ authorization: `Bearer ${secret}` }, '', NAME, { autoPong: false });
    await once(socket, 'open');
    const pinged = once(socket, 'ping');
    vi.advanceTimersByTime(limit('consolePingMs'));
    await pinged;
    const closed = once(socket, 'close');
    vi.advanceTimersByTime(limit('consolePingMs'));
    await closed;
    await here.lines.pass(limit('consoleLingerMs'));
    expect(here.hub.counts()).toMatchObject({ lines: 0, watchers: 0 });
  });

  it('leaves the other calls of a listener alone when they ask for an upgrade', async () => {
    const here = await appliance();
    const ask = async (method: string, upgrade: string, path: string) => {
      const headers = {
        ...{
          connection: 'Upgrade',
          upgrade,
          authorization: `Bearer ${here.token('admin').secret}`,
        },
      };
      const asked = httpRequest({ port: here.port, host: '127.0.0.1', method, path, headers });
      asked.end();
      const [response] = await once(asked, 'response');
      response.resume();
      return response.statusCode;
    };
    expect(await ask('GET', 'websocket', '/api/v1/machines')).toBe(200);
    expect(await ask('GET', 'h2c', `/api/v1/machines/${NAME}/console`)).toBe(200);
    expect(await ask('GET', 'websocket', '/no/such/page')).toBe(404);
    expect(await ask('POST', 'websocket', '/api/v1/jobs')).toBe(400);
    // A handshake without a key is no handshake.
    expect(await ask('GET', 'websocket', `/api/v1/machines/${NAME}/console`)).toBe(400);
    expect(here.hub.counts().watchers).toBe(0);
  });
});

describe('a visit', () => {
  it('carries bytes both ways, and breaks', async () => {
    const here = await appliance();
    const one = await terminal(here);
    here.lines.last().handlers.onData(Uint8Array.of(0x1b, 0x5b, 0xff, 0x00));
    await one.until(() => one.text().length === 4);
    expect(one.text()).toBe('\x1b[\xff\0');
    one.socket.send(Uint8Array.of(0x00, 0xff, 0x0d), { binary: true });
    one.say({ type: 'break' });
    one.say({ type: 'write' });
    await one.until(() => one.told.filter(({ type }) => type === 'writer').length === 2);
    expect(here.lines.last().typed()).toBe('\0\xff\r');
    expect(here.lines.last().breaks()).toBe(1);
  });

  it('one types, others watch, and the pen can be taken', async () => {
    const here = await appliance();
    const ann = await terminal(here);
    const bob = await terminal(here);
    expect(bob.told.filter(({ type }) => type === 'writer')).toMatchObject([
      { you: false, who: expect.stringContaining('technician') },
    ]);
    bob.socket.send(Buffer.from('x'), { binary: true });
    bob.say({ type: 'write', force: true });
    await ann.until(() => ann.told.at(-1)?.you === false);
    bob.socket.send(Buffer.from('y'), { binary: true });
    bob.say({ type: 'release' });
    await ann.until(() => ann.told.at(-1)?.who === '');
    expect(here.lines.last().typed()).toBe('y');
    expect(here.lines.opened).toHaveLength(1);
  });

  it('is told why a line cannot be opened, and asks to take it over', async () => {
    const here = await appliance();
    here.lines.failures = [new AppError('CONSOLE_TAKEN')];
    const { secret } = here.token('technician');
    const socket = here.dial({ authorization: `Bearer ${secret}` });
    const told: string[] = [];
    socket.on('message', (data) => told.push(String(data)));
    const [code, reason] = await once(socket, 'close');
    expect([code, String(reason)]).toEqual([4000, 'CONSOLE_TAKEN']);
    expect(told.join()).toContain('Another session has the console');
    await terminal(here, { query: '?takeOver=true' });
    expect(here.lines.last().handlers.takeOver).toBe(true);
  });

  it('ends with what is no message, and with one that is too long', async () => {
    const here = await appliance();
    for (const wrong of ['{', '{"type":"dance"}', '{"type":"write","force":1}']) {
      const one = await terminal(here);
      one.socket.send(wrong);
      expect((await one.closed)[0], wrong).toBe(1008);
    }
    const one = await terminal(here);
    one.socket.send(Buffer.alloc(limit('consoleMessageBytesMax') + 1), { binary: true });
    expect((await one.closed)[0]).toBe(1009);
  });

  it('a slow reader misses bytes and is told how many; the others miss none', async () => {
    const here = await appliance();
    const slow = await terminal(here);
    const quick = await terminal(here);
    slow.socket.pause();
    const piece = Buffer.alloc(65_536, 'x');
    let sent = 0;
    // Well beyond what the sockets of a kernel hold.
    while (sent < 64 * 2 ** 20) {
      here.lines.last().handlers.onData(piece);
      sent += piece.length;
      const all = sent;
      await quick.until(() => quick.bytes() >= all);
    }
    slow.socket.resume();
    // It is told when the next byte comes after it has read.
    const skipped = () => slow.told.find(({ type }) => type === 'skipped');
    while (!skipped()) {
      here.lines.last().say('.');
      await new Promise<void>((next) => setImmediate(next));
    }
    expect(Number(skipped()?.bytes)).toBeGreaterThan(2 ** 20);
    expect(quick.told.some(({ type }) => type === 'skipped')).toBe(false);
  }, 30_000);

  it('leaves events of who was there, and nothing of what was typed', async () => {
    const here = await appliance();
    const one = await terminal(here);
    one.socket.send(Buffer.from('hunter2'), { binary: true });
    one.say({ type: 'release' });
    await one.until(() => one.told.at(-1)?.who === '');
    one.socket.close();
    await one.closed;
    await here.lines.settle();
    const events = here.world.inventory.events
      .after(0, 1000)
      .filter(({ name }) => name.startsWith('console.'));
    expect(events).toMatchObject([
      {
        name: 'console.opened',
        hardwarename: NAME,
        data: { from: '127.0.0.1', write: true, takeOver: false },
      },
      { name: 'console.closed', hardwarename: NAME, data: { typedBytes: 7 } },
    ]);
    expect(JSON.stringify(events)).not.toContain('hunter2');
  });
});

describe('what was recorded', () => {
  it('is read by boot, by number and as the last, without boot tokens', async () => {
    const { people, world } = await appliance();
    const { consoles } = world.inventory;
    const token = 'C9NH9JCswavUC6rLpy5bDtwECTse3HPn';
    const record = (hardwarename: string, boot: string, text: string) => {
      const name = hardwarename as Hardwarename;
      const number = consoles.begin({ hardwarename: name, boot, why: 'netboot' });
      consoles.append(number, Buffer.from(text));
      consoles.end(number, 'it has become quiet');
      return number;
    };
    const first = record(NAME, 'B1', `http://10.77.0.1/boot/${token}/vmlinuz\r\npanic`);
    record(NAME, 'B2', 'login:');
    const other = record('OTHER', 'B3', 'secret');
    const get = people.as('technician');
    const last = await get('GET', `/machines/${NAME}/console/last`);
    expect(last.body).toMatchObject({ recording: { boot: 'B2' }, text: 'login:' });
    const failed = await get('GET', `/machines/${NAME}/console/boots/B1`);
    expect(failed.body.text).toBe('http://10.77.0.1/boot/…/vmlinuz\r\npanic');
    const byNumber = await get('GET', `/machines/${NAME}/console/recordings/${first}`);
    expect(byNumber.body).toEqual(failed.body);
    for (const path of ['boots/B3', `recordings/${other}`, 'recordings/999', 'boots/B9'])
      expect(problemOf(await get('GET', `/machines/${NAME}/console/${path}`)), path).toBe(
        '404 NOT_FOUND',
      );
    const known = await get('GET', `/machines/${NAME}/console`);
    expect(known.body).toMatchObject({
      ...{ open: false, watchers: 0, writer: '' },
      recordings: [{ boot: 'B2' }, { boot: 'B1' }],
    });
  });
});
