import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import type { StoredEvent } from '../../../../src/events.ts';
import { compact } from '../../../../src/http/people/housekeeping.ts';
import { createSse } from '../../../../src/http/people/sse.ts';
import { limit } from '../../../../src/limits.ts';
import { chatter, compactAll, DAY_MS } from '../../../support/feed.ts';
import { createPeople, type People, problemOf } from '../../../support/people.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

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
    expect(await read('names=boot.')).toEqual({
      ...{ events: [], next: last, more: false },
      cursor: `${last}.${people.world.inventory.serverdb.history.epoch()}`,
    });
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
    expect(text).toMatch(
      /event: resync\ndata: \{"why":"compacted","oldest":\d+,"epoch":"\w{12}"\}/,
    );
    expect(ids[0]).toBeGreaterThan(600);
  });

  it('beats for whoever asks, so that a dead line is not taken for a quiet one', async () => {
    const people = await createPeople();
    const { events, serverdb } = people.world.inventory;
    const open = (beatMs: number | undefined) => {
      const raw = Object.assign(new PassThrough(), { writeHead: () => raw });
      const reply = { hijack: () => reply, raw, getHeaders: () => ({}) };
      const sse = createSse(events, serverdb.history);
      closers.push(() => sse.close());
      sse.open({ headers: {} } as never, reply as never, {
        ...{ after: undefined, filter: { names: [] }, beatMs, watched: () => () => undefined },
      });
      return raw.setEncoding('utf8');
    };
    const quiet = open(undefined);
    const chunks: string[] = [];
    for await (const chunk of open(20)) if (chunks.push(String(chunk)) > 2) break;
    expect(chunks[0]).toMatch(/^retry: 1000/);
    expect(chunks.slice(1)).toEqual(['event: beat\ndata: {}\n\n', 'event: beat\ndata: {}\n\n']);
    expect(String(quiet.read())).not.toContain('beat');
    expect(problemOf(await people.admin('GET', '/events?beatMs=20'))).toContain('/beatMs');
  });

  it('sends resync to a reader that is passed by compaction while its socket is full', async () => {
    const people = await createPeople();
    const { events, serverdb } = people.world.inventory;
    chatter(people, 1000);
    const raw = Object.assign(new PassThrough({ highWaterMark: 64 }), { writeHead: () => raw });
    const reply = { hijack: () => reply, raw, getHeaders: () => ({}) };
    const sse = createSse(events, serverdb.history);
    closers.push(() => sse.close());
    // The first page is written at once, and nobody reads it.
    sse.open({ headers: {} } as never, reply as never, {
      ...{ after: { id: 1 }, filter: { names: ['dhcp.'] }, watched: () => () => undefined },
    });
    people.world.pass(91 * DAY_MS);
    chatter(people, 2);
    compactAll(people);
    const last = events.after(0, 10_000).findLast(({ name }) => name === 'dhcp.released')?.id ?? 0;
    let text = '';
    for await (const chunk of raw.setEncoding('utf8')) {
      text += chunk;
      if (text.includes(`data: {"id":${last}`)) break;
    }
    const told = text.split('\n').flatMap((line) => {
      const id = /^data: \{"id":(\d+)/.exec(line)?.[1];
      const oldest = /^data: \{"why":"compacted","oldest":(\d+)/.exec(line)?.[1];
      return [id && Number(id), oldest && `resync from ${oldest}`].filter(Boolean);
    });
    const floor = serverdb.history.floor();
    const page = Array.from({ length: 100 }, (_, n) => 2 + n);
    expect(told).toEqual([...page, `resync from ${floor}`, last - 1, last]);
  });

  it('tells a consumer of another feed, or from beyond the end, to read the state anew', async () => {
    const people = await createPeople();
    chatter(people, 20);
    const { events, serverdb } = people.world.inventory;
    const [last, epoch] = [events.lastId(), serverdb.history.epoch()];
    const page = (after: string) => people.admin('GET', `/events?after=${after}`);
    for (const after of [`5.${'0'.repeat(12)}`, `${last + 1}`, `${last + 1}.${epoch}`]) {
      const answer = await page(after);
      expect(problemOf(answer), after).toBe('410 FEED_RESTARTED');
      expect(answer.body).toMatchObject({ oldest: last, epoch });
    }
    for (const after of ['5', `5.${epoch}`, `${last}.${epoch}`])
      expect(problemOf(await page(after)), after).toBe('200');
    for (const after of ['-1', '5.', '5.XYZ', 'x', '1e3'])
      expect(problemOf(await page(after)), after).toBe('400 REQUEST_INVALID /after');
    await people.app.listen({ host: '127.0.0.1', port: 0 });
    closers.push(() => people.app.close());
    const ids: number[] = [];
    const reading = stream(people, {
      ...{ lastEventId: `7.${'0'.repeat(12)}`, until: 1, into: ids },
      begun: () => chatter(people, 1),
    });
    // The token that reads has made an event, too.
    const now = last + 1;
    expect(await reading).toContain(
      `id: ${now}.${epoch}\nevent: resync\ndata: {"why":"restarted","oldest":${now},"epoch":"${epoch}"}`,
    );
    expect(ids).toEqual([now + 1]);
  });

  it('is compacted without looking through what stays, whatever a clock has said', async () => {
    const people = await createPeople();
    const { inventory, time } = people.world;
    chatter(people, 700);
    time.now = (time.now + 400 * DAY_MS) as typeof time.now;
    chatter(people, 30);
    time.now = (time.now - 400 * DAY_MS) as typeof time.now;
    chatter(people, 700);
    people.world.pass(91 * DAY_MS);
    chatter(people, 5000);
    let steps = 0;
    let deleted = 0;
    for (let more = true; more; steps++) {
      const step = compact({
        inventory,
        clock: people.world.clock,
        keepDays: { boot: 90, other: 1095 },
      });
      deleted += step.deleted;
      more = step.more;
    }
    expect(deleted).toBe(1400);
    expect(steps).toBeLessThan(1500 / limit('compactionRowsMax') + 2);
    expect(inventory.events.after(0, 10_000).length).toBeGreaterThanOrEqual(5031);
  });
});

/** Reads the live feed until so many ids have come. @returns what was sent */
function stream(
  people: People,
  options: { lastEventId: number | string; until: number; into: number[]; begun?(): void },
): Promise<string> {
  const { lastEventId, until, into, begun } = options;
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
        begun?.();
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
