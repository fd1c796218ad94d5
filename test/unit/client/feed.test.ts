/** The feed as a client reads it: whole whatever is cut, nothing missed and nothing twice over lost connections. */
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { createSseParser, type FeedItem, followFeed } from '../../../src/client/feed.ts';
import { createPeople, type People } from '../../support/people.ts';

let people: People | undefined;
afterEach(async () => {
  await people?.app.close();
  people = undefined;
});

async function listening(): Promise<{ people: People; url: string }> {
  people = await createPeople({
    settings: { anonymousRead: true, requestsPerSecond: 1_000_000 },
  });
  return { people, url: await people.app.listen({ host: '127.0.0.1', port: 0 }) };
}

const enter = (at: People, serial: string) => at.admin('POST', '/machines', { body: { serial } });

async function take(feed: AsyncGenerator<FeedItem>, count: number): Promise<FeedItem[]> {
  const items: FeedItem[] = [];
  for await (const item of feed) {
    items.push(item);
    if (items.length === count) break;
  }
  return items;
}

const idOf = (item: FeedItem) => (item.kind === 'event' ? item.event.id : -1);

describe('following the feed', () => {
  it('gives what was there and what comes, each once', async () => {
    const { people, url } = await listening();
    await enter(people, 'SN-1');
    const until = people.world.inventory.events.lastId();
    const feed = followFeed({ url, after: 0 });
    const first = await take(feed, until);
    expect(first.map(idOf)).toEqual(Array.from({ length: until }, (_, n) => n + 1));
  });

  it('goes on where it was when connections are cut, over and over', async () => {
    const { people, url } = await listening();
    const lost: string[] = [];
    const end = new AbortController();
    const ids: number[] = [];
    const feed = followFeed({ url, after: 0, signal: end.signal, onLost: (why) => lost.push(why) });
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 5; n++) await enter(people, `SN-${round}-${n}`);
      const last = people.world.inventory.events.lastId();
      while (ids.at(-1) !== last) ids.push(idOf((await feed.next()).value as FeedItem));
      if (round < 2) people.app.server.closeAllConnections();
    }
    end.abort();
    expect(ids).toEqual(ids.map((_, n) => n + 1));
    expect(lost).toHaveLength(2);
  }, 20_000);

  it('without a cursor begins now', async () => {
    const { people, url } = await listening();
    await enter(people, 'SN-1');
    const before = people.world.inventory.events.lastId();
    const feed = followFeed({ url });
    const next = feed.next();
    await untilConnected(people);
    await enter(people, 'SN-2');
    const { value } = await next;
    expect(idOf(value as FeedItem)).toBe(before + 1);
    await feed.return(undefined);
  });

  it('filters as the appliance does', async () => {
    const { people, url } = await listening();
    for (const serial of ['SN-1', 'SN-2']) await enter(people, serial);
    const feed = followFeed({ url, after: 0, query: { hardwarename: 'SN-2' } });
    const [item] = await take(feed, 1);
    expect(item).toMatchObject({ event: { hardwarename: 'SN-2' } });
  });

  it('throws what trying again does not mend', async () => {
    const { url } = await listening();
    const feed = followFeed({ url, token: 'rvl_wrong', after: 0 });
    await expect(feed.next()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it('tells when the feed is another, and goes on with that one', async () => {
    const { people, url } = await listening();
    await enter(people, 'SN-1');
    const { events, serverdb } = people.world.inventory;
    const last = events.lastId();
    const feed = followFeed({ url, after: `1.${'0'.repeat(12)}` });
    expect((await feed.next()).value).toEqual({ kind: 'resync', oldest: last, why: 'restarted' });
    await enter(people, 'SN-2');
    expect(idOf((await feed.next()).value as FeedItem)).toBe(last + 1);
    await feed.return(undefined);
    const good = followFeed({ url, after: `1.${serverdb.history.epoch()}` });
    expect(idOf((await good.next()).value as FeedItem)).toBe(2);
    await good.return(undefined);
  });

  it('waits for an appliance that is not there, until it is told to stop', async () => {
    const end = new AbortController();
    const lost: string[] = [];
    const feed = followFeed({
      ...{ url: 'http://127.0.0.1:9', after: 0, signal: end.signal },
      onLost(why) {
        lost.push(why);
        end.abort();
      },
    });
    expect(await feed.next()).toMatchObject({ done: true });
    expect(lost).toHaveLength(1);
  });
});

/** Until the server has a connection that asks for the stream. */
async function untilConnected(at: People): Promise<void> {
  const count = () =>
    new Promise<number>((resolve) => at.app.server.getConnections((_, n) => resolve(n)));
  while ((await count()) === 0) await new Promise((resolve) => setImmediate(resolve));
}

describe('the parser', () => {
  const text =
    'retry: 1000\nid: 7\n\n: still here\nid: 8\n\nid: 9\nevent: machine.state\ndata: {"a":\ndata: 1}\n\nevent: resync\ndata: {"oldest":3}\r\n\r\n';
  const whole = createSseParser()(text);

  it('reads ids, names and data of several lines', () => {
    expect(whole).toEqual([
      { id: '7', event: '', data: '' },
      { id: '8', event: '', data: '' },
      { id: '9', event: 'machine.state', data: '{"a":\n1}' },
      { id: undefined, event: 'resync', data: '{"oldest":3}' },
    ]);
  });

  it('reads the same wherever the text is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: text.length }), { maxLength: 8 }), (cuts) => {
        const parser = createSseParser();
        const at = [0, ...[...cuts].sort((a, b) => a - b), text.length];
        const parts = at.slice(1).map((end, n) => text.slice(at[n], end));
        expect(parts.flatMap((part) => parser(part))).toEqual(whole);
      }),
    );
  });

  it('throws nothing on noise, and refuses a line without an end', () => {
    fc.assert(
      fc.property(fc.string(), (noise) => {
        expect(() => createSseParser()(noise)).not.toThrow();
      }),
    );
    const parser = createSseParser();
    expect(() => parser('x'.repeat(1_000_001))).toThrow('no end');
  });
});
