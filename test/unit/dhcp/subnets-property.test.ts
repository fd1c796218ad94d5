/** Any sequence of changes of subnets and of clients: what is in force is what a start would make, and no address is given twice. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config.ts';
import { openLiveSegments } from '../../../src/daemon/live-segments.ts';
import type { AppError } from '../../../src/errors.ts';
import { subnetSchema } from '../../../src/inventory/record-kinds.ts';
import { bind, discover, FILE, OF_FILE, RACK, site, told } from '../../support/subnets.ts';
import { createWorld, type World } from '../../support/world.ts';

/** As the API does, but for the listener: what is refused changes nothing. */
function write({ inventory }: World, name: string, body: object | undefined): void {
  const { records } = inventory.serverdb;
  const cause = { who: 'test', why: 'test' };
  const doc = body && subnetSchema.safeParse(body);
  if (doc?.success === false) return;
  try {
    inventory.transaction(() => {
      if (doc) records.put('subnet', { name, doc: doc.data }, cause);
      else records.remove('subnet', name, cause);
    });
  } catch (error) {
    expect((error as AppError).code).toMatch(/^(SUBNET_CONFLICT|REQUEST_INVALID|NOT_FOUND)$/);
  }
}

describe('whatever is written in whatever order', () => {
  it('is in force as a start would make it, and no two clients have one address', () => {
    const range = fc.tuple(fc.integer({ min: 2, max: 250 }), fc.integer({ min: 0, max: 4 }));
    const body = fc.record({
      pools: fc.array(range, { maxLength: 3 }),
      gateway: fc.option(fc.integer({ min: 1, max: 254 }), { nil: undefined }),
      relayed: fc.boolean(),
    });
    const step = fc.oneof(
      fc.record({ put: fc.constantFrom('rack', 'hall'), body }),
      fc.record({ remove: fc.constantFrom('rack', 'hall') }),
      fc.record({ client: fc.nat(9), behind: fc.boolean() }),
      fc.record({ pass: fc.constantFrom(1000, 5_000_000) }),
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 4, maxLength: 25, size: 'max' }), (steps) => {
        const world = createWorld(undefined, FILE);
        for (const one of steps) {
          if ('put' in one) {
            const net = one.put === 'rack' ? '10.20.0' : '10.50.0';
            const { pools, gateway, relayed } = one.body;
            write(world, one.put, {
              ...{
                cidr: `${net}.0/24`,
                use: 'provisioning',
                relayed: one.put === 'hall' && relayed,
              },
              pools: pools.map(([first, more]) => ({
                ...{ first: `${net}.${first}`, last: `${net}.${Math.min(first + more, 254)}` },
              })),
              ...(gateway === undefined ? {} : { gateway: `${net}.${gateway}` }),
            });
          } else if ('remove' in one) {
            write(world, one.remove, undefined);
          } else if ('client' in one) bind(world, one.client, one.behind ? '10.50.0.1' : undefined);
          else world.pass(one.pass);
        }
        const { inventory } = world;
        const { records } = inventory.serverdb;
        const { dhcp } = parseConfig(FILE);
        const restarted = openLiveSegments({ ...inventory, records, dhcp });
        expect(restarted.plan().refused).toEqual([]);
        const seen = (segments: World['segments']) =>
          segments.map(({ name, pools, network }) => ({ name, pools, network }));
        expect(seen(world.segments)).toEqual(seen(restarted.segments()));
        const held = world.db
          .prepare<[], { n: number }>(
            `SELECT count(*) - count(DISTINCT address) AS n FROM leases WHERE state = 'bound'`,
          )
          .get();
        expect(held?.n).toBe(0);
        for (const { pools } of world.segments)
          for (const { first, last } of pools) expect(first).toBeLessThanOrEqual(last);
      }),
      { numRuns: 25 },
    );
  });

  it('costs a packet nothing: the list is the same until a subnet changes', async () => {
    const { world, people, put } = await site();
    const before = world.segments;
    for (let n = 1; n < 4; n++) bind(world, n);
    await people.admin('POST', '/machines', { body: { serial: 'SN-9' } });
    await people.admin('PUT', '/racks/R1', { body: {}, version: 0 });
    expect(world.segments).toBe(before);
    await put('rack', { ...RACK, domain: 'x.example' });
    expect(world.segments).not.toBe(before);
  });

  it('is not in force when its transaction is rolled back', async () => {
    const { world } = await site();
    const { records } = world.inventory.serverdb;
    const doc = subnetSchema.parse({ ...RACK, domain: 'x.example' });
    expect(() =>
      world.inventory.transaction(() => {
        records.put('subnet', { name: 'rack', doc }, { who: 'test', why: 'test' });
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(told(discover(world, 1))).toEqual(OF_FILE);
  });
});
