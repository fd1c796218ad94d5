/**
 * No sequence of API calls breaks what must always hold: each change of state is a row of the table, no two machines have
 * one hostname, address or NIC, every change has its event and every event its change, and search finds what is there.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TRANSITIONS } from '../../../src/inventory/states.ts';
import { createPeople, type People } from '../../support/people.ts';

const SERIALS = ['AAA-1', 'BBB-2', 'CCC-3', 'DDD-4'];
const MACS = [1, 2, 3, 4].map((n) => `52:54:00:00:00:0${n}`);
const HOSTNAMES = ['', 'web1', 'web2', 'db1'];
const STATES = ['available', 'held', 'in-use', 'installing', 'recycling', 'broken', 'retired'];

type Step = (people: People) => Promise<{ status: number; text: string }>;

const serial = fc.constantFrom(...SERIALS);
const version = fc.constantFrom<('*' | number)[]>('*', '*', '*', 1, 2, 3);

/** Calls as users make them, legal or not; each prints as what it is. */
const steps: fc.Arbitrary<[string, Step]>[] = [
  fc
    .record({
      serial,
      state: fc.constantFrom('held', 'in-use'),
      hostname: fc.constantFrom(...HOSTNAMES),
      rack: fc.constantFrom('', 'R1'),
      unit: fc.integer({ min: 0, max: 4 }),
      nics: fc.uniqueArray(fc.constantFrom(...MACS), { maxLength: 2 }),
    })
    .map((entry) => {
      const body = { ...entry, nics: entry.nics.map((mac) => ({ mac })) };
      return [
        `enter ${JSON.stringify(entry)}`,
        ({ admin }) => admin('POST', '/machines', { body }),
      ];
    }),
  fc
    .tuple(serial, fc.constantFrom(...HOSTNAMES), fc.integer({ min: 0, max: 4 }), version)
    .map(([name, hostname, unit, version]) => [
      `edit ${name} ${hostname} ${unit} ${version}`,
      ({ admin }) => admin('PATCH', `/machines/${name}`, { body: { hostname, unit }, version }),
    ]),
  fc.tuple(serial, fc.constantFrom(...STATES), fc.boolean()).map(([name, to, release]) => [
    `move ${name} ${to} ${release}`,
    ({ admin }) =>
      admin('POST', `/machines/${name}/transitions`, {
        body: { to, why: 'x', ...(release ? { release: name } : {}) },
      }),
  ]),
  fc
    .tuple(serial, fc.constantFrom(...MACS), fc.constantFrom(undefined, '10.0.0.2', '10.0.0.3'))
    .map(([name, mac, address]) => [
      `address ${name} ${mac} ${address}`,
      ({ admin }) =>
        admin('POST', `/machines/${name}/addresses`, { body: { mac, subnet: 'net', address } }),
    ]),
  fc
    .tuple(serial, serial)
    .map(([kept, gone]) => [
      `merge ${kept} ${gone}`,
      ({ admin }) => admin('POST', `/machines/${kept}/merge`, { body: { gone, why: 'x' } }),
    ]),
  fc
    .integer({ min: 1, max: 3 })
    .map((id) => [
      `split ${id}`,
      ({ admin }) => admin('POST', `/merges/${id}/split`, { body: { why: 'x' } }),
    ]),
  fc
    .tuple(serial, version)
    .map(([name, version]) => [
      `forget ${name} ${version}`,
      ({ admin }) => admin('DELETE', `/machines/${name}`, { version }),
    ]),
  fc
    .tuple(fc.uniqueArray(serial, { minLength: 1 }), fc.constantFrom(...STATES), fc.boolean())
    .map(([machines, to, dryRun]) => [
      `bulk ${machines} ${to} ${dryRun}`,
      ({ admin }) =>
        admin('POST', '/machines/bulk', {
          body: {
            machines,
            move: { to, release: machines },
            why: 'x',
            dryRun,
            confirm: machines.length,
          },
        }),
    ]),
];

function assertSound({ world }: People): void {
  const { db, inventory } = world;
  const machines = inventory.machines.list();
  const rows = (sql: string) => db.prepare<[], Record<string, string | number>>(sql).all();
  const unique = (values: readonly unknown[]) => expect(new Set(values).size).toBe(values.length);
  unique(machines.map(({ hostname }) => hostname).filter(Boolean));
  unique(rows('SELECT address FROM addresses').map(({ address }) => address));
  unique(machines.flatMap(({ nics }) => nics.map(({ mac }) => mac)));
  const places = machines.flatMap(({ rack, unit }) => (rack && unit ? [`${rack}/${unit}`] : []));
  unique(places);
  expect(db.pragma('foreign_key_check')).toEqual([]);

  const events = inventory.events.after(0, 10_000);
  const states = new Map<string, string>();
  /** Records that a merge took away: a split brings them back as they were, a new entry begins anew. */
  const merged = new Set<string>();
  for (const event of events) {
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
  for (const { hardwarename, hostname } of machines) {
    const found = inventory.machines.search.find(hardwarename, 10);
    expect(found[0]).toMatchObject({ hardwarename, rank: 3 });
    if (hostname !== '')
      expect(inventory.machines.search.find(hostname, 10)[0]).toMatchObject({ hardwarename });
  }
  expect(rows('SELECT count(*) AS n FROM machine_search')[0]?.n).toBe(machines.length);
}

describe('any sequence of calls', () => {
  it('keeps every promise', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(...steps), { minLength: 1, maxLength: 25 }),
        async (calls) => {
          const people = await createPeople();
          await people.admin('PUT', '/subnets/net', { body: { cidr: '10.0.0.0/29' }, version: 0 });
          for (const [name, call] of calls) {
            const before = people.world.inventory.events.lastId();
            const versions = people.world.inventory.machines
              .list()
              .map((one) => `${one.hardwarename} ${one.version}`);
            const { status, text } = await call(people);
            expect(status, `${name}: ${text}`).toBeLessThan(500);
            const changed =
              people.world.inventory.machines
                .list()
                .map((one) => `${one.hardwarename} ${one.version}`)
                .join() !== versions.join();
            // No change without its event, no event without its change.
            if (status >= 400) expect(changed, name).toBe(false);
            expect(people.world.inventory.events.lastId() > before, name).toBe(changed);
          }
          assertSound(people);
        },
      ),
      { numRuns: 60 },
    );
  }, 60_000);

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
      { numRuns: 15 },
    );
  }, 60_000);
});
