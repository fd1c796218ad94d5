/** Setting a BMC up: whatever it is cut off at, somebody can get in, and no factory account stays open unsaid. */
import { describe, expect, it } from 'vitest';
import { createHall, type Hall, nameOf, PASSWORD } from '../../support/job-hall.ts';
import { faultsOf } from '../../support/job-trials.ts';

const CAUSE = { who: 'test', why: 'test' };

const enabled = (hall: Hall) =>
  hall.machine(0).state.users.flatMap((user) => (user?.enabled ? [user.name] : []));
const onRecord = (hall: Hall) =>
  hall.now.inventory.machines.record(nameOf(0))?.bmcCredential ?? 'none';
const notes = (hall: Hall, id: string) =>
  hall.now.desk.store
    .logOf(hall.job(id).number)
    .flatMap(({ entry }) => (entry.is === 'noted' ? [entry.text] : []));

async function run(hall: Hall) {
  const { id } = hall.submit('bmc-setup');
  await hall.settle();
  expect(faultsOf(hall, id)).toEqual([]);
  return hall.job(id);
}

describe('an account of the factory that cannot be closed', () => {
  it('fails the job, which says so; the old way in stays on record, and the next job closes it', async () => {
    const hall = createHall();
    const { knobs } = hall.machine(0).state;
    knobs.keepsAccounts = true;
    const failed = await run(hall);
    expect(failed).toMatchObject({ status: 'failed', code: 'BMC_REFUSED' });
    expect(failed.detail).toContain("The site's account opens it, but admin may still be open");
    expect(notes(hall, failed.id).at(-1)).toContain('admin may still be open');
    expect(onRecord(hall)).toBe('factory');
    expect(enabled(hall)).toEqual(expect.arrayContaining(['admin', 'reveille']));
    knobs.keepsAccounts = false;
    expect(await run(hall)).toMatchObject({ status: 'finished' });
    expect(enabled(hall)).not.toContain('admin');
    expect(onRecord(hall)).toBe('site');
  });

  it('is closed by the next job also where the site’s account is the way in by then', async () => {
    const hall = createHall();
    const { inventory } = hall.now;
    inventory.transaction(() =>
      inventory.serverdb.editor.edit(nameOf(0), { bmcCredential: '' }, CAUSE),
    );
    const { knobs } = hall.machine(0).state;
    knobs.keepsAccounts = true;
    expect((await run(hall)).status).toBe('failed');
    knobs.keepsAccounts = false;
    const job = await run(hall);
    expect(job.result).toMatchObject({
      ...{ 'way-in': { credential: 'site' }, 'close-factory': { disabled: true } },
    });
    expect(enabled(hall)).not.toContain('admin');
  });
});

describe('an account of the factory that is not where it is looked for', () => {
  /** The factory's account, moved to another id or given another name. */
  function moved(id: number, name: string, login = name): Hall {
    const hall = createHall();
    const { users } = hall.machine(0).state;
    const from = users.findIndex((user) => user?.name === 'admin');
    const account = users[from];
    if (!account) throw new Error('it has no account of the factory');
    users[from] = undefined;
    users[id] = { ...account, name };
    const { inventory } = hall.now;
    const credential = { name: 'factory', squad: '', username: login, notes: '' };
    inventory.transaction(() =>
      inventory.serverdb.credentials.put({ ...credential, password: 'secret' }, CAUSE),
    );
    return hall;
  }

  it.each(['admin', ''])('is closed at id 1, called "%s"', async (name) => {
    const hall = moved(1, name);
    expect(await run(hall)).toMatchObject({
      ...{ status: 'finished', result: { 'close-factory': { disabled: true } } },
    });
    expect(hall.machine(0).state.users[1]).toMatchObject({ name, enabled: false });
    expect(enabled(hall)).toContain('reveille');
    expect(onRecord(hall)).toBe('site');
  });

  it('is closed at each id that has its name', async () => {
    const hall = moved(1, 'admin');
    const { users } = hall.machine(0).state;
    users[6] = { ...users[1], name: 'admin' } as (typeof users)[number];
    expect(await run(hall)).toMatchObject({ status: 'finished' });
    expect(enabled(hall)).not.toContain('admin');
  });

  it('fails the job when the BMC lists none of the name that opened it', async () => {
    const hall = moved(1, 'admin');
    // What the BMC answers to its name is another than it takes at the door.
    const { respond } = hall.machine(0);
    const account = hall.machine(0).state.users[1];
    if (!account) throw new Error('it has no account of the factory');
    let proven = false;
    hall.machine(0).respond = (bytes) => {
      proven ||= enabled(hall).includes('reveille');
      if (proven) account.name = 'root';
      return respond(bytes);
    };
    const failed = await run(hall);
    expect(failed).toMatchObject({ status: 'failed', code: 'BMC_REFUSED' });
    expect(failed.detail).toContain('admin may still be open');
    expect(onRecord(hall)).toBe('factory');
  });
});

describe('a site account with the name of the factory’s', () => {
  it('is made, however often the appliance is killed in between', async () => {
    const begin = () => {
      const hall = createHall();
      const { inventory } = hall.now;
      inventory.transaction(() =>
        inventory.serverdb.credentials.put(
          { name: 'site', squad: '', username: 'admin', notes: '', password: PASSWORD },
          CAUSE,
        ),
      );
      return hall;
    };
    const whole = begin();
    expect((await run(whole)).status).toBe('finished');
    const { commits } = whole.now.life;
    for (let at = 1; at <= commits; at++)
      for (const when of ['before', 'after'] as const) {
        const hall = begin();
        hall.cut = { at, when };
        const { id } = hall.submit('bmc-setup');
        await hall.settle();
        const where = `${when} commit ${at}`;
        expect(hall.job(id), where).toMatchObject({ status: 'finished', code: '' });
        const admin = hall.machine(0).state.users.find((user) => user?.name === 'admin');
        expect(admin?.enabled, where).toBe(true);
        expect(Buffer.from(admin?.password ?? []).toString(), where).toBe(PASSWORD);
        expect(onRecord(hall), where).toBe('site');
      }
  });
});

describe('a site account that no BMC can have', () => {
  it.each([
    ['seventeen-letters', PASSWORD, '16 characters'],
    ['reveille', 'x'.repeat(21), '20 bytes'],
  ])('ends the job before anything is asked of one: %s', async (username, password, limit) => {
    const hall = createHall();
    const { inventory } = hall.now;
    inventory.transaction(() =>
      inventory.serverdb.credentials.put(
        { name: 'site', squad: '', username, notes: '', password },
        CAUSE,
      ),
    );
    let asked = 0;
    const machine = hall.machine(0);
    const { respond } = machine;
    machine.respond = (bytes) => {
      asked += 1;
      return respond(bytes);
    };
    const job = await run(hall);
    expect(job).toMatchObject({ status: 'failed', code: 'REQUEST_INVALID', retries: 1 });
    expect(job.detail).toContain(limit);
    expect(job.detail).not.toContain(password);
    expect(asked).toBe(0);
  });
});

describe('a login that the BMC refused', () => {
  it('is tried by no further job until it has changed', async () => {
    const hall = createHall();
    const { inventory } = hall.now;
    const put = (password: string) =>
      inventory.transaction(() =>
        inventory.serverdb.credentials.put(
          { name: 'factory', squad: '', username: 'admin', notes: '', password },
          CAUSE,
        ),
      );
    put('wrong');
    let tried = 0;
    const machine = hall.machine(0);
    const { respond } = machine;
    machine.respond = (bytes) => {
      if (bytes[5] === 0x12) tried += 1;
      return respond(bytes);
    };
    expect((await run(hall)).code).toBe('BMC_USER');
    expect(tried).toBe(2);
    for (const _ of [1, 2, 3]) expect((await run(hall)).status).toBe('failed');
    expect(tried).toBe(2);
    put('secret');
    expect((await run(hall)).status).toBe('finished');
  });
});
