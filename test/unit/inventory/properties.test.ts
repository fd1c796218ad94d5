/**
 * No sequence of calls, reports and leases breaks what must always hold: each change of state is a row of the table, no two
 * machines have one hostname, address, NIC or BMC, nothing leaves a machine past the intake by a report, every change has its
 * event and every event its change, and search finds what is there. Reports are hostile ones too: a machine may claim any
 * serial, any NIC and any BMC.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keepsParts, TRANSITIONS } from '../../../src/inventory/states.ts';
import {
  BMC_MACS,
  CALLS,
  DOINGS,
  MACS,
  SERIALS,
  type Step,
} from '../../support/inventory-steps.ts';
import { createPeople, type People } from '../../support/people.ts';
import type { World } from '../../support/world.ts';

type Row = Record<string, string | number>;
const rowsOf = ({ db }: World, sql: string) => db.prepare<[], Row>(sql).all();

function assertOwners(world: World): void {
  const machines = world.inventory.machines.list();
  const unique = (what: string, values: readonly unknown[]) =>
    expect(new Set(values).size, `${what}: ${values.join()}`).toBe(values.length);
  unique('hostnames', machines.map(({ hostname }) => hostname).filter(Boolean));
  unique(
    'NICs',
    machines.flatMap(({ nics }) => nics.map(({ mac }) => mac)),
  );
  unique('BMCs', machines.map((one) => one.bmcMac).filter(Boolean));
  const places = machines.flatMap(({ rack, unit }) => (rack && unit ? [`${rack}/${unit}`] : []));
  unique('places', places);
  const addresses = rowsOf(world, 'SELECT address, mac, hardwarename FROM addresses');
  unique(
    'addresses',
    addresses.map(({ address }) => address),
  );
  unique(
    'BMC addresses',
    machines.map((one) => one.bmcAddress).filter((at) => at > '1'),
  );
  for (const { hardwarename, bmcMac, nics } of machines) {
    const others = machines.filter((one) => one.hardwarename !== hardwarename);
    if (bmcMac !== '')
      expect(others.some((one) => one.nics.some(({ mac }) => mac === bmcMac))).toBe(false);
    const own: string[] = [bmcMac, ...nics.map(({ mac }) => mac)];
    // What is reserved for a machine is reserved for a part that it has.
    for (const row of addresses.filter((one) => one.hardwarename === hardwarename))
      expect(own).toContain(row.mac);
  }
  const reservedElsewhere = rowsOf(
    world,
    `SELECT bmc_address FROM machines JOIN addresses ON addresses.hardwarename <> machines.hardwarename
     WHERE bmc_address <> '' AND bmc_address = (address >> 24) || '.' || (address >> 16 & 255) || '.'
       || (address >> 8 & 255) || '.' || (address & 255)`,
  );
  expect(reservedElsewhere).toEqual([]);
  const ends = rowsOf(world, 'SELECT address & 7 AS host FROM addresses WHERE host IN (0, 1, 7)');
  expect(ends).toEqual([]);
  const leasedElsewhere = rowsOf(
    world,
    `SELECT leases.mac FROM leases JOIN addresses USING (address) WHERE leases.mac <> addresses.mac
       AND leases.state = 'bound' AND expires_at > ${world.clock()}`,
  );
  expect(leasedElsewhere).toEqual([]);
  expect(world.db.pragma('foreign_key_check')).toEqual([]);
}

function assertHistory({ inventory }: World): void {
  const machines = inventory.machines.list();
  const states = new Map<string, string>();
  /** Records that a merge took away: a split brings them back as they were, a new entry begins anew. */
  const merged = new Set<string>();
  for (const event of inventory.events.after(0, 10_000)) {
    if (event.name === 'machine.state') {
      const { from, to, by } = event.data;
      expect(TRANSITIONS.some((row) => row.from === from && row.to === to && row.by === by)).toBe(
        true,
      );
      const name = String(event.hardwarename);
      if (merged.delete(name) && from === 'unknown') states.delete(name);
      expect(states.get(name) ?? 'unknown').toBe(from);
      states.set(String(event.hardwarename), to);
    }
    if (event.name === 'machine.merged') merged.add(event.data.gone);
    if (event.name === 'machine.split') merged.delete(event.data.back);
    // A forgotten record is unknown again; a merged one keeps its state for the split.
    if (event.name === 'machine.edited' && Object.keys(event.data.after).length === 0)
      states.delete(String(event.hardwarename));
  }
  for (const { hardwarename, state } of machines) expect(states.get(hardwarename)).toBe(state);
}

function assertSearch({ inventory, ...world }: World): void {
  const machines = inventory.machines.list();
  for (const { hardwarename, hostname } of machines) {
    const found = inventory.machines.search.find(hardwarename, 10);
    expect(found[0]).toMatchObject({ hardwarename, rank: 3 });
    if (hostname !== '')
      expect(inventory.machines.search.find(hostname, 10)[0]).toMatchObject({ hardwarename });
  }
  const [indexed] = rowsOf({ inventory, ...world }, 'SELECT count(*) AS n FROM machine_search');
  expect(indexed?.n).toBe(machines.length);
}

const versionsOf = ({ inventory }: World): string =>
  inventory.machines
    .list()
    .map(({ hardwarename, version }) => `${hardwarename} ${version}`)
    .join();

/** What machines past the intake have: no report may take any of it. */
function possessions(world: World) {
  const kept = world.inventory.machines.list().filter(keepsParts);
  return kept.map(({ hardwarename, state, hostname, bmcMac, bmcAddress, serial, nics }) => ({
    ...{ hardwarename, state, hostname, bmcMac, bmcAddress, serial, nics },
    addresses: world.db.prepare('SELECT * FROM addresses WHERE hardwarename = ?').all(hardwarename),
  }));
}

function assertKept(before: ReturnType<typeof possessions>, world: World): void {
  for (const { nics, bmcMac, bmcAddress, serial, ...rest } of before) {
    const after = possessions(world).find((one) => one.hardwarename === rest.hardwarename);
    expect(after).toMatchObject(rest);
    const macs = after?.nics.map(({ mac }) => mac);
    for (const { mac } of nics) expect(macs).toContain(mac);
    // It may tell for the first time what is on record as not known.
    if (bmcMac !== '') expect(after?.bmcMac).toBe(bmcMac);
    if (bmcAddress !== '') expect(after?.bmcAddress).toBe(bmcAddress);
    if (serial !== '') expect(after?.serial).toBe(serial);
  }
}

/** Machines with the NICs, BMCs and states that sequences rarely reach by themselves. */
async function begin(): Promise<People> {
  const people = await createPeople();
  const { admin } = people;
  const subnet = { cidr: '10.0.0.0/29', gateway: '10.0.0.1' };
  await admin('PUT', '/subnets/prov', { body: subnet, version: 0 });
  const nics = [{ mac: MACS[0], subnet: 'prov', address: '10.0.0.2' }, { mac: MACS[1] }];
  const owner = { serial: SERIALS[0], state: 'in-use', hostname: 'web1', nics };
  await admin('POST', '/machines', { body: { ...owner, bmcMac: BMC_MACS[1] } });
  return people;
}

async function take(people: People, [name, step]: [string, Step]): Promise<void> {
  const { world } = people;
  const before = { events: world.inventory.events.lastId(), versions: versionsOf(world) };
  const kept = step.is === 'report' ? possessions(world) : [];
  const answer = await step.run(people);
  const changed = versionsOf(world) !== before.versions;
  const told = world.inventory.events.lastId() > before.events;
  if (step.is === 'report') assertKept(kept, world);
  // No change without its event.
  if (changed) expect(told, name).toBe(true);
  if (answer) {
    expect(answer.status, `${name}: ${answer.text}`).toBeLessThan(500);
    // And by a call, no event without its change.
    if (answer.status >= 400) expect(changed, name).toBe(false);
    expect(told, name).toBe(changed);
  }
  assertOwners(world);
}

describe('any sequence of calls, reports and leases', () => {
  it('keeps every promise', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(...CALLS, ...DOINGS, ...DOINGS, ...DOINGS), {
          minLength: 20,
          maxLength: 60,
          size: 'max',
        }),
        async (steps) => {
          const people = await begin();
          for (const step of steps) await take(people, step);
          assertHistory(people.world);
          assertSearch(people.world);
        },
      ),
      { numRuns: 20 },
    );
  }, 120_000);

  it('loses no update of writers that read and write at once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 8, maxLength: 30 }),
        async (turns) => {
          const people = await createPeople();
          await people.admin('POST', '/machines', { body: { serial: 'SN-100' } });
          const read = async () => (await people.admin('GET', '/machines/SN-100')).body.machine;
          const writers = [await read(), await read(), await read(), await read()];
          let accepted = 0;
          for (const turn of turns) {
            const { custom, version } = writers[turn];
            const count = Number(custom.count ?? 0) + 1;
            const answer = await people.admin('PATCH', '/machines/SN-100', {
              body: { custom: { count: String(count) } },
              version,
            });
            if (answer.status === 200) accepted += 1;
            writers[turn] = await read();
          }
          expect(Number((await read()).custom.count)).toBe(accepted);
        },
      ),
      { numRuns: 10 },
    );
  }, 120_000);

  it('loses no update of writers that write at the very same time', async () => {
    const people = await createPeople();
    await people.admin('POST', '/machines', { body: { serial: 'SN-100' } });
    const increment = async (): Promise<number> => {
      for (let tries = 1; ; tries++) {
        const { custom, version } = (await people.admin('GET', '/machines/SN-100')).body.machine;
        const body = { custom: { count: String(Number(custom.count ?? 0) + 1) } };
        const { status } = await people.admin('PATCH', '/machines/SN-100', { body, version });
        if (status === 200) return tries;
        expect(status).toBe(412);
      }
    };
    const tries = await Promise.all(Array.from({ length: 8 }, increment));
    expect((await people.admin('GET', '/machines/SN-100')).body.machine.custom.count).toBe('8');
    // They did get into each other's way.
    expect(Math.max(...tries)).toBeGreaterThan(1);
  });
});
