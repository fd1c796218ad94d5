import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import pino from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import type { StoredEvent } from '../../../../src/events.ts';
import {
  createWebhookDelivery,
  signatureOf,
} from '../../../../src/http/people/deliver-webhooks.ts';
import { compact } from '../../../../src/http/people/housekeeping.ts';
import { createPeople, type People, problemOf } from '../../../support/people.ts';

const DAY_MS = 86_400_000;
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

function chatter(people: People, count: number): void {
  const { events, transaction } = people.world.inventory;
  transaction(() => {
    for (let n = 0; n < count; n++)
      events.append({ name: 'dhcp.released', data: { address: `10.0.0.${n % 250}` } });
  });
}

function compactAll(people: People, keepDays = { boot: 90, other: 1095 }): number {
  const { inventory, clock } = people.world;
  let deleted = 0;
  for (;;) {
    const step = compact({ inventory, clock, keepDays });
    deleted += step.deleted;
    if (!step.more) return deleted;
  }
}

describe('the feed', () => {
  it('filters by name, prefix and machine, and moves the cursor over the rest', async () => {
    const people = await createPeople();
    await people.admin('POST', '/machines', { body: { serial: 'SN-1' } });
    chatter(people, 5);
    await people.admin('POST', '/machines', { body: { serial: 'SN-2', notes: 'x' } });
    const read = async (query: string) => (await people.admin('GET', `/events?${query}`)).body;
    const names = async (query: string) =>
      (await read(query)).events.map(({ name }: StoredEvent) => name);
    expect(await names('names=machine.')).toEqual([
      'machine.state',
      'machine.state',
      'machine.edited',
    ]);
    expect(await names('names=machine.edited,dhcp.released&hardwarename=SN-2')).toEqual([
      'machine.edited',
    ]);
    const last = people.world.inventory.events.lastId();
    expect(await read('names=boot.')).toEqual({ events: [], next: last, more: false });
    expect(problemOf(await people.admin('GET', '/events?names=no.such'))).toBe(
      '400 REQUEST_INVALID /names',
    );
  });

  it('loses boots first and everything later, and tells who is behind', async () => {
    const people = await createPeople();
    await people.admin('POST', '/machines', { body: { serial: 'SN-1' } });
    chatter(people, 1200);
    people.world.pass(91 * DAY_MS);
    chatter(people, 3);
    expect(compactAll(people)).toBe(1200);
    expect(compactAll(people)).toBe(0);
    const kept = people.world.inventory.events.after(0, 1000).map(({ name }) => name);
    expect(kept.filter((name) => name === 'dhcp.released')).toHaveLength(3);
    expect(kept).toContain('machine.state');
    const behind = await people.admin('GET', '/events?after=5');
    expect(problemOf(behind)).toBe('410 EVENTS_COMPACTED');
    const { oldest } = behind.body;
    const { body } = await people.admin('GET', `/events?after=${oldest}`);
    expect(body.events.map(({ name }: StoredEvent) => name)).toContain('dhcp.released');
    people.world.pass(1095 * DAY_MS);
    expect(compactAll(people)).toBeGreaterThan(3);
  });

  it('lets a consumer that was away for 100,000 events catch up, in pages and live, without gap or double', async () => {
    const people = await createPeople();
    for (let n = 0; n < 20; n++) chatter(people, 5000);
    const first = people.world.inventory.events.after(0, 1)[0]?.id ?? 1;
    const last = people.world.inventory.events.lastId();
    const whole = Array.from({ length: last - first + 1 }, (_, n) => first + n);

    const paged: number[] = [];
    for (let after = 0; ; ) {
      const { body } = await people.admin('GET', `/events?after=${after}`);
      for (const { id } of body.events) paged.push(id);
      after = body.next;
      if (!body.more) break;
    }
    expect(paged).toEqual(whole);

    await people.app.listen({ host: '127.0.0.1', port: 0 });
    closers.push(() => people.app.close());
    const live: number[] = [];
    const chattered = whole.filter((id) => id > last - 100_000);
    // Cut off three times on the way, and resumed by the last id, as a browser does it.
    for (const until of [20_000, 55_000, chattered.length]) {
      await stream(people, {
        lastEventId: live.at(-1) ?? 0,
        until: until - live.length,
        into: live,
      });
    }
    expect(live).toEqual(chattered);
  }, 60_000);

  it('sends resync to a live reader whose cursor was compacted away', async () => {
    const people = await createPeople();
    chatter(people, 600);
    people.world.pass(91 * DAY_MS);
    chatter(people, 2);
    compactAll(people);
    await people.app.listen({ host: '127.0.0.1', port: 0 });
    closers.push(() => people.app.close());
    const ids: number[] = [];
    const text = await stream(people, { lastEventId: 7, until: 2, into: ids });
    expect(text).toMatch(/event: resync\ndata: \{"oldest":\d+\}/);
    expect(ids[0]).toBeGreaterThan(600);
  });
});

/** Reads the live feed until so many ids have come. @returns what was sent */
function stream(
  people: People,
  { lastEventId, until, into }: { lastEventId: number; until: number; into: number[] },
): Promise<string> {
  const { port } = people.app.server.address() as AddressInfo;
  const { access } = people.world.inventory.serverdb;
  const { secret } = access.createToken({ name: 'sse', role: 'viewer', squads: {} }, 'test');
  let text = '';
  let rest = '';
  let count = 0;
  return new Promise((resolve, reject) => {
    const asking = request(
      {
        port,
        path: '/api/v1/events?names=dhcp.',
        headers: {
          accept: 'text/event-stream',
          authorization: `Bearer ${secret}`,
          'last-event-id': String(lastEventId),
        },
      },
      (answer) => {
        answer.setEncoding('utf8').on('data', (chunk: string) => {
          if (text.length < 1000) text += chunk;
          const lines = (rest + chunk).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) {
            // An id without data is a cursor and no event.
            const id = /^data: \{"id":(\d+)/.exec(line)?.[1];
            if (id === undefined || count >= until) continue;
            into.push(Number(id));
            count += 1;
          }
          if (count < until) return;
          asking.destroy();
          resolve(text);
        });
      },
    );
    asking.on(
      'error',
      (error: NodeJS.ErrnoException) => error.code !== 'ECONNRESET' && reject(error),
    );
    asking.end();
  });
}

describe('webhooks', () => {
  interface Receiver {
    readonly url: string;
    readonly got: { body: string; signature: string }[];
    status: number;
  }

  async function receiver(): Promise<Receiver> {
    const got: Receiver['got'] = [];
    const server: Server = createServer(async (incoming, answer) => {
      let body = '';
      for await (const chunk of incoming) body += chunk;
      got.push({ body, signature: String(incoming.headers['reveille-signature']) });
      answer.writeHead(made.status).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    const made: Receiver = { url: `http://127.0.0.1:${port}/in`, got, status: 200 };
    return made;
  }

  async function hooked(more: object = {}) {
    const people = await createPeople();
    people.squad('music', 'search');
    const target = await receiver();
    const made = await people.admin('POST', '/webhooks', { body: { url: target.url, ...more } });
    const { inventory, clock } = people.world;
    const delivery = createWebhookDelivery(inventory, { clock, log: pino({ level: 'silent' }) });
    closers.push(() => delivery.close());
    return {
      people,
      target,
      delivery,
      ...(made.body as { secret: string; webhook: { id: string } }),
    };
  }
  const named = (target: Receiver) =>
    target.got.flatMap(({ body }) => JSON.parse(body).events.map(({ name }: StoredEvent) => name));

  it('are signed, in order, and once', async () => {
    const { people, target, delivery, secret } = await hooked({ names: ['machine.'] });
    await people.admin('POST', '/machines', { body: { serial: 'SN-1', notes: 'x' } });
    chatter(people, 250);
    for (let n = 0; n < 5; n++) await delivery.look();
    expect(named(target)).toEqual(['machine.state', 'machine.edited']);
    const [{ body, signature } = { body: '', signature: '' }] = target.got;
    expect(signature).toBe(signatureOf(secret, Math.floor(people.world.clock() / 1000), body));
    await delivery.look();
    expect(target.got).toHaveLength(1);
  });

  it('of a squad tell of its machines only', async () => {
    const { people, target, delivery } = await hooked({ squad: 'music' });
    await people.admin('POST', '/machines', { body: { serial: 'MINE-1', squad: 'music' } });
    await people.admin('POST', '/machines', { body: { serial: 'THEIRS-1', squad: 'search' } });
    await delivery.look();
    expect(target.got.map(({ body }) => body).join()).not.toContain('THEIRS-1');
    expect(named(target)).toEqual(['machine.state', 'machine.edited']);
  });

  it('wait and repeat, then give up on the batch, tell so, and go on', async () => {
    const { people, target, delivery, webhook } = await hooked({ names: ['machine.state'] });
    target.status = 500;
    await people.admin('POST', '/machines', { body: { serial: 'SN-1' } });
    await delivery.look();
    await delivery.look();
    expect(target.got).toHaveLength(1);
    for (let n = 0; n < 10; n++) {
      people.world.pass(200_000);
      await delivery.look();
    }
    expect(target.got).toHaveLength(8);
    const dead = await people.admin('GET', `/webhooks/${webhook.id}/dead-letters`);
    expect(dead.body.deadLetters).toMatchObject([{ attempts: 8, error: 'it answered 500' }]);
    expect(people.world.eventNames()).toContain('webhook.dead');
    target.status = 200;
    await people.admin('POST', '/machines', { body: { serial: 'SN-2' } });
    await delivery.look();
    expect(JSON.parse(target.got.at(-1)?.body ?? '').events).toMatchObject([
      { hardwarename: 'SN-2' },
    ]);
  });

  it('stop and go on from where they stopped', async () => {
    const { people, target, delivery, webhook } = await hooked({ names: ['machine.state'] });
    const enable = (enabled: boolean) =>
      people.admin('PATCH', `/webhooks/${webhook.id}`, { body: { enabled } });
    await enable(false);
    await people.admin('POST', '/machines', { body: { serial: 'SN-1' } });
    await delivery.look();
    expect(target.got).toHaveLength(0);
    await enable(true);
    await delivery.look();
    expect(named(target)).toEqual(['machine.state']);
  });
});
