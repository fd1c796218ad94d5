/** What a report may not take: parts of a machine past the intake, or protected. docs/identity.md, "What no report takes". */
import { describe, expect, it } from 'vitest';
import type { Machine } from '../../../src/inventory/machines.ts';
import { subnetSchema } from '../../../src/inventory/record-kinds.ts';
import type { MachineState } from '../../../src/inventory/states.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import { bootToken } from '../../support/deliver.ts';
import { bytesOf, type Report, report } from '../../support/reports.ts';
import { createWorld, mac, type World } from '../../support/world.ts';

const M1 = '52:54:00:00:00:01';
const M2 = '52:54:00:00:00:02';
const M3 = '52:54:00:00:00:03';
const BMC = '52:54:00:00:0b:01';
const OTHER_BMC = '52:54:00:00:0b:02';
const OTHER_UUID = '4c4c4544-0042-3510-8052-b4c04f4e3799';
const OWNER = 'OWN-1' as Hardwarename;
const CAUSE = { who: 'test', why: 'test' };

/** Boots `from` (the NIC that the report says it booted from, unless told) and delivers the report with its token. */
function deliver(world: World, body: Report, from = body.bootMac): Machine {
  const token = bootToken(world, from);
  const { machine } = world.inventory.ingest({ token, body: bytesOf(body) });
  // Told twice, it is answered alike and nothing changes.
  const last = world.inventory.events.lastId();
  const again = world.inventory.ingest({ token, body: bytesOf(body) });
  expect(again).toMatchObject({ repeated: true, machine: { hardwarename: machine.hardwarename } });
  expect(world.inventory.events.lastId()).toBe(last);
  return machine;
}

const bmc = (address: string, of: string) => ({ address, mac: of, inBand: true });

/** How a machine gets into each state that is past the intake. */
const WAYS: Record<string, readonly (readonly [MachineState, 'job' | 'owner' | 'operator'])[]> = {
  installing: [['installing', 'job']],
  'in-use': [
    ['installing', 'job'],
    ['in-use', 'job'],
  ],
  recycling: [
    ['installing', 'job'],
    ['in-use', 'job'],
    ['recycling', 'owner'],
  ],
  broken: [
    ['installing', 'job'],
    ['in-use', 'job'],
    ['broken', 'owner'],
  ],
  'held, with data': [
    ['installing', 'job'],
    ['in-use', 'job'],
    ['broken', 'owner'],
    ['held', 'operator'],
  ],
  protected: [],
};

/** A world with OWN-1, which has NICs M1 and M2, two addresses, a BMC and a hostname, brought where `way` leads. */
function owned(way: string): World {
  const world = createWorld();
  const { inventory } = world;
  const { editor, records, addresses } = inventory.serverdb;
  deliver(world, report({ serial: OWNER, macs: [M1, M2], bmc: bmc('10.9.0.1', BMC) }));
  inventory.transaction(() => {
    const doc = subnetSchema.parse({ cidr: '10.1.0.0/24' });
    editor.edit(OWNER, { bmcMac: mac(BMC), bmcAddress: '10.9.0.1' }, CAUSE);
    records.put('subnet', { name: 'prov', doc }, CAUSE);
    for (const one of [M1, M2, BMC])
      addresses.reserve({ hardwarename: OWNER, mac: mac(one), subnet: 'prov' }, 'test');
    editor.edit(OWNER, { hostname: 'web1' }, CAUSE);
    for (const [to, by] of WAYS[way] ?? [])
      inventory.machines.transition(OWNER, to, { by, why: 'test' });
    if (way === 'protected') editor.edit(OWNER, { protected: true }, CAUSE);
  });
  return world;
}

/** Everything that is the owner's: what DHCP reserves, DNS tells, and who boots as it. */
function possessions({ inventory }: World) {
  const { addresses, bmcFinder } = inventory.serverdb;
  const machine = inventory.machines.byHardwarename(OWNER);
  const { state, hostname, serial, uuid, bmcMac, bmcAddress, nics } = machine ?? {};
  return {
    ...{ state, hostname, serial, uuid, bmcMac, bmcAddress, nics },
    reservations: [M1, M2, BMC].map((one) => addresses.reservationFor('prov', mac(one))),
    boots: [M1, M2].map((one) => inventory.machines.stateByMac(mac(one))),
    names: addresses.pageOfNames('', 10).find(({ hardwarename }) => hardwarename === OWNER),
    bmc: [bmcFinder.byBmcMac(BMC), bmcFinder.byBmcAddress('10.9.0.1')],
  };
}

interface Stranger {
  readonly body: Report;
  readonly from?: string;
  /** What it becomes; `OWN-1`: the owner itself, unharmed. */
  readonly is: string;
  /** It may come in: where a BMC is, no report decides (src/bmc/claims.ts). */
  readonly isFree?: true;
}

const STRANGERS: Record<string, Stranger> = {
  'a new serial with one of its NICs': {
    body: report({ serial: 'NEW-1', macs: [M3, M2], uuid: OTHER_UUID }),
    is: 'NEW-1',
  },
  'a new serial with its NICs alone, in its name on the wire': {
    body: report({ serial: 'NEW-1', macs: [M1, M2], uuid: OTHER_UUID }),
    is: 'NEW-1',
  },
  'a new serial with its NICs and its UUID': {
    body: report({ serial: 'NEW-1', macs: [M1, M2] }),
    is: 'NEW-1',
  },
  'no serial, and one of its NICs': {
    body: report({ serial: '', macs: [M3, M1] }),
    is: 'MAC-525400000003',
  },
  'its serial, from a NIC that it does not have, with one that it has': {
    body: report({ serial: OWNER, macs: [M3, M1], uuid: OTHER_UUID }),
    is: 'OWN-1.525400000003',
  },
  'its serial, UUID and disk, with other NICs': {
    body: report({ serial: OWNER, macs: [M3] }),
    is: 'OWN-1.525400000003',
  },
  'a NIC that says its burned-in address is its': {
    body: {
      ...report({ serial: OWNER, uuid: OTHER_UUID }),
      bootMac: M3,
      nics: [{ name: 'eth0', mac: M3, permanentMac: M1 }],
    },
    from: M3,
    is: 'OWN-1.525400000003',
  },
  'its BMC by MAC': {
    body: report({ serial: 'NEW-1', macs: [M3], uuid: OTHER_UUID, bmc: bmc('10.9.0.7', BMC) }),
    is: 'NEW-1',
  },
  'its BMC by address': {
    body: report({
      serial: 'NEW-1',
      macs: [M3],
      uuid: OTHER_UUID,
      bmc: bmc('10.9.0.1', OTHER_BMC),
    }),
    is: 'NEW-1',
    isFree: true,
  },
  'an address that is reserved for it, as that of a BMC': {
    body: report({
      serial: 'NEW-1',
      macs: [M3],
      uuid: OTHER_UUID,
      bmc: bmc('10.1.0.1', OTHER_BMC),
    }),
    is: 'NEW-1',
    isFree: true,
  },
  'the MAC of its BMC, as a NIC': {
    body: report({ serial: 'NEW-1', macs: [M3, BMC], uuid: OTHER_UUID }),
    is: 'NEW-1',
  },
  'its own word that it has another BMC and fewer NICs': {
    body: report({ serial: OWNER, macs: [M1], bmc: bmc('10.9.0.66', OTHER_BMC) }),
    is: OWNER,
  },
  'its own NICs without a serial, and another UUID': {
    body: report({ serial: '', macs: [M1, M2], uuid: OTHER_UUID }),
    is: OWNER,
  },
};

describe.each(Object.keys(WAYS))('a machine that is %s', (way) => {
  it.each(Object.keys(STRANGERS))('loses nothing by a report of %s', (what) => {
    const { body, from, is, isFree } = STRANGERS[what] as Stranger;
    const world = owned(way);
    const before = possessions(world);
    const machine = deliver(world, body, from);
    expect(machine.hardwarename).toBe(is);
    expect(possessions(world)).toEqual(before);
    if (is === OWNER) return;
    expect([machine.bmcMac, machine.bmcAddress]).toEqual(['', '']);
    if (isFree) {
      expect(machine).toMatchObject({ state: 'available', conflictWith: '' });
      return;
    }

    expect(machine).toMatchObject({ state: 'held', conflictWith: OWNER });
    expect(machine.stateWhy).toContain(OWNER);
    expect(world.inventory.machines.record(OWNER)?.conflictWith).toBe(is);
    const conflicts = world.inventory.events
      .after(0, 1000)
      .filter(({ name }) => name === 'machine.conflict');
    expect(conflicts.map(({ hardwarename }) => hardwarename)).toEqual([is, OWNER]);
    expect(machine.nics.every(({ mac }) => mac !== M1 && mac !== M2 && mac !== BMC)).toBe(true);

    // As often as it comes back: one record, and nothing more to tell.
    const again = deliver(world, { ...body, disks: [] }, from);
    expect(again.hardwarename).toBe(is);
    expect(possessions(world)).toEqual(before);
    expect(world.inventory.machines.list()).toHaveLength(2);
    expect(world.eventNames().filter((name) => name === 'machine.conflict')).toHaveLength(2);
  });
});

describe('a machine in the intake', () => {
  it('is held when it claims a part of one in use, whatever it was before', () => {
    const world = owned('in-use');
    const mine = (macs: string[]) => report({ serial: 'MINE-1', macs, uuid: OTHER_UUID });
    expect(deliver(world, mine([M3]))).toMatchObject({ state: 'available' });
    expect(deliver(world, mine([M3, M2]))).toMatchObject({
      ...{ hardwarename: 'MINE-1', state: 'held', conflictWith: OWNER },
      stateWhy: `its NIC ${M2} is the NIC of ${OWNER}, which is in-use`,
    });
    expect(world.inventory.machines.byMac(mac(M2))?.hardwarename).toBe(OWNER);
  });

  it('that was awaited does not become capacity with a part of one in use', () => {
    const world = owned('in-use');
    const { editor } = world.inventory.serverdb;
    const entry = { serial: 'MINE-1', manufacturer: '', product: '', state: 'held', nics: [] };
    world.inventory.transaction(() => editor.enter(entry as never, CAUSE));
    const body = report({ serial: 'MINE-1', macs: [M3, M2], uuid: OTHER_UUID });
    expect(deliver(world, body)).toMatchObject({ state: 'held', reported: true });
  });

  it('gives the address of a NIC that goes back, with its event', () => {
    const world = owned('nothing else');
    deliver(world, report({ serial: OWNER, macs: [M1], bmc: bmc('10.9.0.1', BMC) }));
    const freed = world.inventory.events
      .after(0, 1000)
      .filter((one) => one.name === 'address.freed');
    expect(freed).toMatchObject([
      { hardwarename: OWNER, mac: M2, data: { address: '10.1.0.2', subnet: 'prov', who: 'recon' } },
    ]);
  });
});

describe('a machine past the intake', () => {
  it('gains a NIC by its own report, and loses the one that is gone when it is capacity again', () => {
    const world = owned('broken');
    const macsOf = () => world.inventory.machines.nicsOf(OWNER).map((nic) => nic.mac);
    deliver(world, report({ serial: OWNER, macs: [M1, M3] }));
    expect(macsOf().sort()).toEqual([M1, M2, M3]);
    world.db.prepare(`UPDATE machines SET state = 'available', may_hold_data = 0`).run();
    deliver(world, report({ serial: OWNER, macs: [M1, M3] }));
    expect(macsOf().sort()).toEqual([M1, M3]);
  });
});
