/** Accounts of a BMC over IPMI: which ids are free, in which order they are written, who gets the serial console. */
import { describe, expect, it } from 'vitest';
import { simpleMachine } from '../../../qemu-lab/fake-bmc-state.ts';
import type { AppError } from '../../../src/errors.ts';
import { ipmiAccounts } from '../../../src/ipmi/accounts.ts';
import { openSession } from '../../../src/ipmi/client.ts';
import { setUserName, setUserPassword } from '../../../src/ipmi/commands/users.ts';
import { openSol } from '../../../src/ipmi/sol-console.ts';
import { BMC, createIpmiWorld } from '../../support/ipmi-world.ts';

const SITE = { name: 'reveille', password: 'correct-horse-9' };

async function begin() {
  const serial = { write: () => undefined, onData: () => undefined };
  const world = createIpmiWorld({ machine: { ...simpleMachine(true), serial } });
  const open = (user: string, password: string) =>
    world.run(
      openSession(world.ports, BMC, {
        user,
        password,
        privilege: 'administrator',
        keepAlive: true,
      }),
    );
  const session = await open('admin', 'secret');
  const put = () => world.run(ipmiAccounts(session).put(SITE));
  return { world, open, put, knobs: world.state.knobs, users: world.state.users };
}

const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: AppError) => error,
  );

describe('a new account', () => {
  it.each([
    ['empty names', undefined],
    ['"not present" for ids that were never used', 0xcb],
    ['"invalid field" for them', 0xcc],
  ])('takes the first free id of a BMC with %s', async (_, completion) => {
    const { put, world, users } = await begin();
    if (completion !== undefined) world.state.knobs.unusedName = completion;
    expect(await put()).toBe('made');
    expect(users[5]).toMatchObject({ name: 'reveille', privilege: 4, enabled: true });
  });

  it.each([0xc9, 0xd4, 0xd5, 0xff])(
    'is not written over an id whose name is answered with %i: it may be somebody’s',
    async (completion) => {
      const { put, users, knobs } = await begin();
      const before = JSON.stringify(users);
      knobs.unusedName = completion;
      expect((await refusal(put()))?.code).toBe('BMC_REFUSED');
      expect(JSON.stringify(users)).toBe(before);
    },
  );

  it('is refused when its name does not fit: a cut one would be another account', async () => {
    const { world, open, users } = await begin();
    const before = JSON.stringify(users);
    const session = await open('admin', 'secret');
    const put = (name: string, password = SITE.password) =>
      world.run(ipmiAccounts(session).put({ name, password }));
    for (const name of ['seventeen-letters', 'Jürgen', 'a\0b']) {
      const error = await refusal(put(name));
      expect([error?.code, error?.detail]).toEqual([
        'REQUEST_INVALID',
        expect.stringContaining('16 characters of printable ASCII at most'),
      ]);
    }
    // Twenty characters, and more bytes than that.
    for (const password of ['x'.repeat(21), 'ü'.repeat(11)]) {
      const error = await refusal(put('reveille', password));
      expect(error?.detail).toContain('20 bytes at most');
      expect(error?.message).not.toContain(password);
    }
    expect(JSON.stringify(users)).toBe(before);
    expect(await put('sixteen--letters', 'x'.repeat(20))).toBe('made');
  });

  it('is cut by no command: those of the command line neither', async () => {
    const { world, open, users } = await begin();
    const before = JSON.stringify(users);
    const session = await open('admin', 'secret');
    const set = session.call(setUserName, { user: 6, name: 'seventeen-letters' });
    expect((await refusal(world.run(set)))?.code).toBe('REQUEST_INVALID');
    for (const operation of ['set', 'test'] as const) {
      const password = new Uint8Array(21).fill(0x78);
      const call = session.call(setUserPassword, { operation, user: 2, password });
      expect((await refusal(world.run(call)))?.code).toBe('REQUEST_INVALID');
    }
    expect(JSON.stringify(users)).toBe(before);
  });

  it('may use the serial console, which the BMC gives nobody by itself', async () => {
    const { put, open, world, users } = await begin();
    await put();
    expect(users[5]?.sol).toBe(true);
    const session = await open(SITE.name, SITE.password);
    const options = { timers: world.ports.timers, onData: () => undefined, onEnd: () => undefined };
    const console = await world.run(openSol(session, options));
    await world.run(console.close());
    (users[5] as { sol: boolean }).sol = false;
    const error = await refusal(world.run(openSol(session, options)));
    expect(error?.message).toContain('SOL is disabled');
  });

  it('does without on a BMC that keeps no rights for it, and fails when they are refused', async () => {
    const { put, knobs, users } = await begin();
    knobs.refuse.set('6/77', 0xc1);
    expect(await put()).toBe('made');
    expect(users[5]?.enabled).toBe(true);
    const other = await begin();
    other.knobs.refuse.set('6/76', 0xd4);
    expect((await refusal(other.put()))?.code).toBe('BMC_REFUSED');
    expect(other.users[5]?.enabled).toBe(false);
  });
});
