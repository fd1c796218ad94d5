/** What a token makes is within it: it ends with it, at once and everywhere, and may never do more than it may now. */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Role } from '../../../../src/inventory/access.ts';
import { limit } from '../../../../src/limits.ts';
import { createPeople, type People, problemOf } from '../../../support/people.ts';

interface Made {
  readonly secret: string;
  readonly token: { readonly id: string; readonly parent: string | null };
}

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const make = async (people: People, by: string | undefined, body: object = {}): Promise<Made> => {
  const call = by === undefined ? people.admin : people.withToken(by);
  const made = await call('POST', '/tokens', { body: { name: 'ci', role: 'admin', ...body } });
  expect(made.status).toBe(201);
  return made.body;
};

const statusOf = async (people: People, { secret }: Made) =>
  (await people.withToken(secret)('GET', '/session')).status;

function putUser(people: People, role: Role, disabled = false): void {
  const { inventory } = people.world;
  const user = { name: 'negz', role, squads: {}, disabled };
  inventory.transaction(() => inventory.serverdb.access.putUser(user, { who: 'test' }));
}

/** The answer to a reader of the live feed. */
async function reader(people: People, secret: string): Promise<IncomingMessage> {
  const { port } = people.app.server.address() as AddressInfo;
  const headers = { accept: 'text/event-stream', authorization: `Bearer ${secret}` };
  const asking = request({ port, path: '/api/v1/events', headers }).end();
  const [answer] = (await once(asking, 'response')) as [IncomingMessage];
  closers.push(() => asking.destroy());
  return answer;
}

describe('a token that a token made', () => {
  it('ends when that one is revoked, with all that it made, and each end is told', async () => {
    const people = await createPeople();
    const parent = await make(people, undefined);
    const child = await make(people, parent.secret);
    const grandchild = await make(people, child.secret, { role: 'viewer' });
    const other = await make(people, undefined);
    expect(child.token.parent).toBe(parent.token.id);
    const before = people.world.inventory.events.lastId();
    expect((await people.admin('DELETE', `/tokens/${parent.token.id}`)).status).toBe(204);
    for (const one of [parent, child, grandchild]) expect(await statusOf(people, one)).toBe(401);
    expect(await statusOf(people, other)).toBe(200);
    const told = people.world.inventory.events
      .after(before, 10)
      .filter(({ name }) => name === 'access.changed')
      .map(({ data }) => data);
    expect(told).toMatchObject([
      { id: parent.token.id, change: 'revoked' },
      { id: child.token.id, change: `revoked with ${parent.token.id}, which made it` },
      { id: grandchild.token.id, change: `revoked with ${parent.token.id}, which made it` },
    ]);
    const { tokens } = (await people.admin('GET', '/tokens')).body;
    const ended = tokens.filter(({ revokedAt }: { revokedAt: unknown }) => revokedAt !== null);
    expect(ended).toHaveLength(3);
  });

  it('ends with the user of that one, while disabled and for good', async () => {
    const people = await createPeople();
    putUser(people, 'admin');
    const parent = await make(people, undefined, { user: 'negz' });
    const child = await make(people, parent.secret);
    putUser(people, 'admin', true);
    expect(await statusOf(people, child)).toBe(401);
    putUser(people, 'admin');
    expect(await statusOf(people, child)).toBe(200);
    await people.admin('DELETE', '/users/negz');
    for (const one of [parent, child]) expect(await statusOf(people, one)).toBe(401);
    putUser(people, 'admin');
    expect(await statusOf(people, child)).toBe(401);
  });

  it('may do no more than that one may by now', async () => {
    const people = await createPeople();
    people.squad('music');
    putUser(people, 'admin');
    const parent = await make(people, undefined, { user: 'negz' });
    const child = await make(people, parent.secret, { squads: { music: 'operator' } });
    const mayDo = async () => (await people.withToken(child.secret)('GET', '/session')).body;
    expect(await mayDo()).toMatchObject({ role: 'admin', squads: { music: 'operator' } });
    putUser(people, 'technician');
    expect(await mayDo()).toMatchObject({ role: 'technician', squads: {} });
  });

  it('sees no squad that this one does not, though its user does', async () => {
    const people = await createPeople();
    people.squad('music', 'search');
    const { inventory } = people.world;
    const squads = { music: 'operator', search: 'operator' } as const;
    const user = { name: 'negz', role: 'technician' as const, squads, disabled: false };
    inventory.transaction(() => inventory.serverdb.access.putUser(user, { who: 'test' }));
    const hook = { url: 'http://127.0.0.1:9/', squad: 'search' };
    expect((await people.admin('POST', '/webhooks', { body: hook })).status).toBe(201);
    const narrow = { user: 'negz', role: 'technician', squads: { music: 'operator' } };
    const parent = await make(people, undefined, narrow);
    const child = await make(people, parent.secret, { ...narrow, squads: { search: 'viewer' } });
    const call = people.withToken(child.secret);
    expect((await call('GET', '/session')).body.squads).toEqual({});
    expect((await call('GET', '/webhooks')).body.webhooks).toEqual([]);
  });

  it('ends with that one however its time is changed, and is not there once it is forgotten', async () => {
    const people = await createPeople();
    const expiresAt = people.world.clock() + 1000;
    const parent = await make(people, undefined, { expiresAt });
    const child = await make(people, parent.secret);
    people.world.db
      .prepare('UPDATE api_tokens SET expires_at = 0 WHERE id = ?')
      .run(child.token.id);
    people.world.pass(1000);
    expect(await statusOf(people, child)).toBe(401);
    people.world.pass(limit('endedTokenKeptMs') + 1);
    const { inventory } = people.world;
    inventory.transaction(() => inventory.serverdb.access.sweep());
    expect(await statusOf(people, child)).toBe(401);
  });

  it('is not made any more when that one has ended since its call began', async () => {
    const people = await createPeople();
    const { access } = people.world.inventory.serverdb;
    const parent = await make(people, undefined);
    access.revokeToken(parent.token.id, 'test');
    const late = { name: 'late', role: 'viewer' as const, squads: {}, parent: parent.token.id };
    expect(() => access.createToken(late, 'test')).toThrow(
      expect.objectContaining({ code: 'UNAUTHENTICATED' }),
    );
  });

  it('makes others only so many deep', async () => {
    const people = await createPeople();
    let { secret } = await make(people, undefined);
    // The administrator's own is the first.
    for (let deep = 2; deep < limit('tokenGenerationsMax'); deep++)
      secret = (await make(people, secret)).secret;
    const more = await people.withToken(secret)('POST', '/tokens', { body: { name: 'ci' } });
    expect(problemOf(more)).toBe('403 FORBIDDEN');
  });

  it('stays when the first start’s token made it', async () => {
    const people = await createPeople();
    const { access } = people.world.inventory.serverdb;
    for (const { id } of access.tokens()) access.revokeToken(id, 'test');
    const made = await make(people, access.bootstrap());
    expect(made.token.parent).toBeNull();
    expect(await statusOf(people, made)).toBe(200);
  });

  it('reads nothing on a stream of what happens after the end of that one', async () => {
    // At once: the look of every second never comes round.
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    closers.push(() => void vi.useRealTimers());
    const people = await createPeople();
    await people.app.listen({ host: '127.0.0.1', port: 0 });
    closers.push(() => people.app.close());
    const parent = await make(people, undefined);
    const child = await make(people, parent.secret, { role: 'viewer' });
    const answer = await reader(people, child.secret);
    let text = '';
    answer.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    answer.on('error', () => undefined);
    const closed = new Promise((resolve) => answer.once('close', resolve));
    const { inventory } = people.world;
    inventory.transaction(() => inventory.serverdb.access.revokeToken(parent.token.id, 'test'));
    inventory.transaction(() =>
      inventory.events.append({ name: 'daemon.stopped', data: { signal: 'after the end' } }),
    );
    await closed;
    expect(text).not.toContain('after the end');
  });

  it('lives exactly as long as all those do that it comes from, whatever is made and ended', async () => {
    const people = await createPeople();
    const { inventory } = people.world;
    const { access } = inventory.serverdb;
    const step = fc.oneof(
      fc.record({ make: fc.nat(5), role: fc.constantFrom('viewer', 'operator', 'admin') }),
      fc.record({ revoke: fc.nat(5) }),
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 25, size: 'max' }), (steps) => {
        const made: { id: string; secret: string; above: number; ended: boolean }[] = [];
        const lives = (at: number): boolean => {
          const one = made[at];
          return one === undefined || (!one.ended && lives(one.above));
        };
        for (const one of steps) {
          if ('revoke' in one) {
            const gone = made[one.revoke];
            if (gone) inventory.transaction(() => access.revokeToken(gone.id, 'test'));
            if (gone) gone.ended = true;
            continue;
          }
          const above = made[one.make] && lives(one.make) ? one.make : -1;
          const parent = made[above]?.id;
          const entry = { name: 'p', role: one.role as Role, squads: {}, parent };
          try {
            const { secret, token } = inventory.transaction(() =>
              access.createToken(entry, 'test'),
            );
            made.push({ id: token.id, secret, above, ended: false });
          } catch (error) {
            expect(error).toMatchObject({ code: 'FORBIDDEN' });
          }
        }
        for (const [at, { secret }] of made.entries())
          expect(access.byToken(secret) !== undefined).toBe(lives(at));
      }),
      { numRuns: 60 },
    );
  });
});
