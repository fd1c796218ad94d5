/** Accounts that somebody left on the BMC of a machine that is handed back: closed as policy says, or no capacity. */
import { describe, expect, it } from 'vitest';
import { NO_BMC_POLICY } from '../../../src/jobs/kinds/bmc-setup.ts';
import { jobKinds } from '../../../src/jobs/kinds/index.ts';
import { recycleJob } from '../../../src/jobs/kinds/recycle.ts';
import type { RecyclePolicy } from '../../../src/jobs/kinds/recycle-params.ts';
import { type Hall, nameOf } from '../../support/job-hall.ts';
import { hallFor } from '../../support/job-plans.ts';
import { faultsOf } from '../../support/job-trials.ts';

const stateOf = (hall: Hall) => hall.now.inventory.machines.record(nameOf(0))?.state;
const open = (hall: Hall) =>
  hall.machine(0).state.users.flatMap((user, id) => (user?.enabled ? [`${id} ${user.name}`] : []));

/** A machine in use: its tenant has made accounts, one of them with a name of ours. */
function handedBack(policy: Partial<RecyclePolicy> = {}): Hall {
  const kinds = jobKinds({
    bmcSetup: { ...NO_BMC_POLICY, site: 'site' },
    recycle: { level: 'clear', bmcUsers: 'close', ...policy },
  });
  const hall = hallFor('recycle', { kinds });
  const { users } = hall.machine(0).state;
  const admin = users.find((user) => user?.name === 'admin');
  if (!admin) throw new Error('it has no account of the factory');
  const password = Buffer.from('let-me-in');
  users[1] = { ...admin, name: '', password };
  users[6] = { ...admin, name: 'backdoor', password };
  users[7] = { ...admin, password };
  return hall;
}

async function recycle(hall: Hall, params = {}) {
  const { id } = hall.submit('recycle', 0, params);
  await hall.settle();
  expect(faultsOf(hall, id)).toEqual([]);
  return hall.job(id);
}

const ALL = ['1 ', '2 admin', '3 operator', '4 viewer', '6 backdoor', '7 admin'];

describe('the users of a BMC, after a recycle', () => {
  it('are those that are ours: the way in, at the id that a login finds', async () => {
    const hall = handedBack();
    expect(open(hall)).toEqual(ALL);
    const job = await recycle(hall);
    expect(job).toMatchObject({ status: 'finished', result: { 'bmc-users': { closed: 5 } } });
    expect([stateOf(hall), open(hall)]).toEqual(['available', ['2 admin']]);
    const notes = hall.now.desk.store
      .logOf(job.number)
      .flatMap(({ entry }) => (entry.is === 'noted' ? [entry.text] : []));
    expect(notes).toContain(
      'closed on its BMC: the user without a name at id 1, operator, viewer, backdoor, admin',
    );
    // A machine that comes back again has nothing more to be closed.
    hall.database().prepare("UPDATE machines SET state = 'in-use'").run();
    expect((await recycle(hall)).result).toMatchObject({ 'bmc-users': { closed: 0 } });
  });

  it('are also those that policy names', async () => {
    const hall = handedBack({ keepBmcUsers: ['viewer', 'nobody'] });
    await recycle(hall);
    expect(open(hall)).toEqual(['2 admin', '4 viewer']);
  });

  it('are all of them where policy or the job says so', async () => {
    for (const [policy, params] of [
      [{ bmcUsers: 'keep' }, {}],
      [{}, { bmcUsers: 'keep' }],
    ] as const) {
      const hall = handedBack(policy);
      const job = await recycle(hall, params);
      expect(job).toMatchObject({ status: 'finished', result: { 'bmc-users': { skipped: true } } });
      expect(open(hall)).toEqual(ALL);
    }
  });

  it('keep the machine out of the capacity when the BMC closes none of them', async () => {
    const hall = handedBack();
    hall.machine(0).state.knobs.keepsAccounts = true;
    const job = await recycle(hall);
    expect(job).toMatchObject({ status: 'failed', code: 'BMC_REFUSED', step: 'bmc-users' });
    expect(stateOf(hall)).toBe('broken');
  });

  it('keep it out, too, when the login that is to stay opens it no more', async () => {
    const hall = handedBack();
    const { inventory } = hall.now;
    inventory.transaction(() => {
      inventory.serverdb.credentials.put(
        { name: 'other', squad: '', username: 'admin', notes: '', password: 'changed' },
        { who: 'test' },
      );
      inventory.serverdb.editor.edit(
        nameOf(0),
        { bmcCredential: 'other' },
        { who: 'test', why: 'test' },
      );
    });
    const job = await recycle(hall);
    expect(job).toMatchObject({ status: 'failed', code: 'BMC_PASSWORD', step: 'bmc-users' });
    expect([stateOf(hall), open(hall)]).toEqual(['broken', ALL]);
  });

  it('are nobody’s business on a machine without a BMC, and of a job that is older than they', async () => {
    const step = recycleJob({ level: 'clear' }).steps.find(({ name }) => name === 'bmc-users');
    if (step?.is !== 'step') throw new Error('there is no such step');
    const asked = (bmcAddress: string, params: object) =>
      step.run({ machine: { bmcAddress }, params } as never);
    expect(await asked('', { bmcUsers: 'close' })).toEqual({ skipped: true });
    expect(await asked('10.0.0.1', {})).toEqual({ skipped: true });
  });
});
