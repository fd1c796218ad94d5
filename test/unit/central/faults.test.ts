/**
 * Lines that break, a central that is started anew, answers that are lost, a site's clock that jumps ahead: twenty times at moments that a seed
 * picks, while requests and changes go on. Afterwards central is what the site is, and every request was made once.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { createFleet, differences, type TestFleet, until } from '../../support/fleet.ts';
import { createProvisionHall } from '../../support/provision-hall.ts';
import { nameOf } from '../../support/provision-machines.ts';

let fleet: TestFleet | undefined;
afterEach(async () => {
  await fleet?.close();
  fleet = undefined;
});

const ROUNDS = 20;

/** Mulberry32: the same numbers for a seed, 0 to 1. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function siteWithHall() {
  const made = await createFleet();
  fleet = made;
  const hall = createProvisionHall({ machines: ROUNDS + 10 });
  const { inventory, jobs, desk: provisioning, pools } = hall.now;
  const world = { db: hall.database(), inventory, jobs, provisioning, pools, clock: hall.clock };
  const site = await made.site('lon', world);
  await made.call('PUT', '/squads/music', {});
  return { fleet: made, hall, site };
}

/** What was answered is forgotten by central, as if it had been lost on the way. */
const loseAnswers = ({ forge }: TestFleet): Promise<void> =>
  forge("UPDATE intents SET status = 'waiting', result = ''");

describe.each([1, 2])('faults of seed %i', (seed) => {
  it('leave central equal to the site, no request twice and none lost', async () => {
    const { fleet, hall, site } = await siteWithHall();
    const random = randomOf(seed);
    const pick = (count: number) => Math.floor(random() * count);
    const { inventory, desk } = hall.now;
    const ids: string[] = [];
    let leave = site.connect();
    const faults = [
      () => leave(),
      () => fleet.restart(),
      () => loseAnswers(fleet),
      () => hall.time.pass(random() * 120_000),
      () => undefined,
    ];
    for (let round = 0; round < ROUNDS; round++) {
      const wish = {
        role: 'web',
        image: 'debian-12/stable',
        count: 1,
        site: 'lon',
        squad: 'music',
      };
      const pattern = `{role}-${round}-{n}`;
      const made = await fleet.call('POST', '/requests', { ...wish, hostname: { pattern } });
      expect(made.status).toBe(202);
      ids.push(made.body.parts[0].id);
      inventory.transaction(() =>
        inventory.serverdb.editor.edit(
          nameOf(ROUNDS + pick(10)),
          { notes: `round ${round}` },
          {
            ...{ who: 'test', why: 'test' },
          },
        ),
      );
      await new Promise((next) => setTimeout(next, random() * 60));
      await faults[pick(faults.length)]?.();
      leave();
      leave = site.connect();
    }
    await loseAnswers(fleet);
    leave();
    leave = site.connect();
    await until(
      async () => ids.filter((id) => !desk.store.byId(id)),
      (missing) => missing.length === 0,
    );
    await hall.settle();
    await until(
      () => differences(fleet, site),
      (found) => found.length === 0,
    );
    const requests = desk.store.page({}, 100);
    expect(requests.map(({ id }) => id).sort()).toEqual([...ids].sort());
    const events = inventory.events.after(0, 10_000);
    const created = events.filter(({ name }) => name === 'request.created');
    expect(created).toHaveLength(ROUNDS);
    const inUse = inventory.machines.list().filter(({ state }) => state === 'in-use');
    expect(inUse).toHaveLength(ROUNDS);
    const { body } = await until(
      () => fleet.call('GET', '/requests?limit=100'),
      ({ body }) => body.requests.every(({ status }: { status: string }) => status === 'fulfilled'),
    );
    expect(body.requests).toHaveLength(ROUNDS);
    // The last answers that were lost are given again, on a line of their own pace.
    await until(
      async () =>
        (await fleet.call('GET', '/intents?limit=500')).body.intents.filter(
          ({ status }: { status: string }) => status === 'waiting',
        ),
      (waiting) => waiting.length === 0,
    );
  }, 60_000);
});
