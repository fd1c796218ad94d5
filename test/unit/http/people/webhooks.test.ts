/** Webhooks against a receiver that takes, refuses, is away and comes back. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import pino from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import type { StoredEvent } from '../../../../src/events.ts';
import {
  createWebhookDelivery,
  signatureOf,
} from '../../../../src/http/people/deliver-webhooks.ts';
import { createReach } from '../../../../src/http/people/webhook-reach.ts';
import { parseCidr } from '../../../../src/wire/ipv4.ts';
import { chatter, compactAll, DAY_MS } from '../../../support/feed.ts';
import { createPeople, type People, problemOf } from '../../../support/people.ts';

const loopback = parseCidr('127.0.0.0/8');
const HERE = createReach({ allowed: loopback ? [loopback] : [], outOfBand: () => [] });

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

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
    const delivery = createWebhookDelivery(inventory, {
      ...{ clock, log: pino({ level: 'silent' }), reach: HERE },
    });
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

  /** An hour in which the receiver answers as it does now, looked at every minute. */
  async function anHour(people: People, delivery: { look(): Promise<void> }, hours = 1) {
    for (let minute = 0; minute < hours * 60; minute++) {
      people.world.pass(60_000);
      await delivery.look();
    }
  }

  it('have hours of patience, with longer and longer pauses; then give up on the batch, tell so, and go on', async () => {
    const { people, target, delivery, webhook } = await hooked({ names: ['machine.state'] });
    target.status = 500;
    await people.admin('POST', '/machines', { body: { serial: 'SN-1' } });
    await delivery.look();
    await delivery.look();
    expect(target.got).toHaveLength(1);
    await anHour(people, delivery, 5);
    const hook = async () => (await people.admin('GET', '/webhooks')).body.webhooks[0];
    expect(await hook()).toMatchObject({
      lastError: 'it answered 500',
      failingSince: expect.any(Number),
    });
    expect(people.world.eventNames()).not.toContain('webhook.dead');
    // Not more than once in a quarter of an hour by then, give or take.
    expect(target.got.length).toBeLessThan(45);
    await anHour(people, delivery, 2);
    const dead = await people.admin('GET', `/webhooks/${webhook.id}/dead-letters`);
    expect(dead.body.deadLetters).toMatchObject([{ error: 'it answered 500', again: false }]);
    expect(people.world.eventNames()).toContain('webhook.dead');
    target.status = 200;
    await people.admin('POST', '/machines', { body: { serial: 'SN-2' } });
    await anHour(people, delivery);
    expect(JSON.parse(target.got.at(-1)?.body ?? '').events).toMatchObject([
      { hardwarename: 'SN-2' },
    ]);
  });

  it('send dead letters again by command; those that get through are gone, and old ones go by themselves', async () => {
    const { people, target, delivery, webhook } = await hooked({ names: ['machine.state'] });
    target.status = 500;
    await people.admin('POST', '/machines', { body: { serial: 'SN-1' } });
    await anHour(people, delivery, 8);
    const letters = async () =>
      (await people.admin('GET', `/webhooks/${webhook.id}/dead-letters`)).body.deadLetters;
    const redeliver = (body: object) =>
      people.admin('POST', `/webhooks/${webhook.id}/redeliver`, { body });
    expect(await letters()).toHaveLength(1);
    expect((await redeliver({})).body).toEqual({ letters: 1 });
    await delivery.look();
    expect(await letters()).toMatchObject([{ again: false }]);
    target.status = 200;
    target.got.length = 0;
    expect(problemOf(await redeliver({ letter: 999 }))).toBe('404 NOT_FOUND');
    const [{ id }] = await letters();
    expect((await redeliver({ letter: id })).body).toEqual({ letters: 1 });
    await delivery.look();
    expect(named(target)).toEqual(['machine.state']);
    expect(await letters()).toEqual([]);

    // Many of them hold up nothing that is new.
    const bury = people.world.db.prepare(
      `INSERT INTO dead_letters (webhook, first_event, last_event, attempts, error, at, epoch)
         SELECT ?, min(id), max(id), 3, 'x', ?, ? FROM events`,
    );
    const epoch = people.world.inventory.serverdb.history.epoch();
    for (let n = 0; n < 20; n++) bury.run(webhook.id, people.world.clock(), epoch);
    await people.admin('POST', '/machines', { body: { serial: 'SN-9' } });
    expect((await redeliver({})).body).toEqual({ letters: 20 });
    target.got.length = 0;
    await delivery.look();
    expect(await letters()).toEqual([]);
    expect(named(target)).toHaveLength(21);
    expect(target.got.at(-1)?.body).toContain('SN-9');

    const put = people.world.db.prepare(
      `INSERT INTO dead_letters (webhook, first_event, last_event, attempts, error, at, epoch) VALUES (?, 1, 2, 3, 'x', ?, 'other')`,
    );
    put.run(webhook.id, people.world.clock());
    expect(problemOf(await redeliver({ letter: (await letters())[0].id }))).toBe(
      '410 FEED_RESTARTED',
    );
    people.world.pass(31 * DAY_MS);
    people.world.inventory.transaction(() =>
      people.world.inventory.serverdb.webhooks.letters.sweep(),
    );
    expect(await letters()).toEqual([]);
  });

  it('tell a receiver that has missed something, and give it all that is left', async () => {
    const { people, target, delivery } = await hooked();
    await people.admin('POST', '/machines', { body: { serial: 'SN-1' } });
    chatter(people, 30);
    people.world.pass(91 * DAY_MS);
    chatter(people, 2);
    compactAll(people);
    await delivery.look();
    const bodies = target.got.map(({ body }) => JSON.parse(body));
    const { history } = people.world.inventory.serverdb;
    expect(bodies[0]).toMatchObject({
      epoch: history.epoch(),
      resync: { why: 'compacted', oldest: history.floor() },
    });
    expect(bodies.slice(1).some(({ resync }) => resync)).toBe(false);
    expect(named(target).filter((name) => name !== 'access.changed')).toEqual([
      ...['machine.state', 'dhcp.released', 'dhcp.released', 'events.compacted'],
    ]);
  });

  it('tell a receiver once that the feed is another since a copy was put back', async () => {
    const { people, target, delivery } = await hooked({ names: ['machine.state'] });
    people.world.db.prepare(`UPDATE webhooks SET epoch = 'of the copy'`).run();
    await delivery.look();
    await people.admin('POST', '/machines', { body: { serial: 'SN-1' } });
    await delivery.look();
    const bodies = target.got.map(({ body }) => JSON.parse(body));
    expect(bodies.map(({ resync }) => resync?.why)).toEqual(['restarted', undefined]);
    expect(named(target)).toEqual(['machine.state']);
  });

  it('keep up with a thousand events a second, whatever they filter', async () => {
    const all = await hooked();
    const { id } = all.webhook;
    const few = await receiver();
    await all.people.admin('POST', '/webhooks', { body: { url: few.url, names: ['machine.'] } });
    for (let second = 0; second < 10; second++) chatter(all.people, 1000);
    await all.people.admin('POST', '/machines', { body: { serial: 'SN-1' } });
    const last = all.people.world.inventory.events.lastId();
    // One look: before this, it took a hundred.
    await all.delivery.look();
    const { webhooks } = all.people.world.inventory.serverdb;
    expect(webhooks.list().map(({ cursor }) => cursor)).toEqual([last, last]);
    const ids = all.target.got.flatMap(({ body }) =>
      JSON.parse(body).events.map((event: StoredEvent) => event.id),
    );
    const first = ids[0];
    expect(ids).toEqual(Array.from({ length: last - first + 1 }, (_, n) => first + n));
    expect(named(few)).toEqual(['machine.state']);
    expect(webhooks.get(id)?.attempts).toBe(0);
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
