/**
 * What a machine says of its own BMC, and what becomes of it: real reports, the real client, registry and feed, simulated BMCs
 * of a hall. The first machine of the hall (LAB0001 by its FRU) is the one that reports; what others have must stay theirs.
 */
import { describe, expect, it } from 'vitest';
import { createClaimDesk } from '../../../src/bmc/claims.ts';
import { createDiscovery } from '../../../src/bmc/discovery.ts';
import { createBmcRegistry } from '../../../src/bmc/registry.ts';
import { bmcSchema } from '../../../src/bmc/settings.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import { addressOf, createHall, nameOf } from '../../support/job-hall.ts';
import { bytesOf, report } from '../../support/reports.ts';

const MINUTE = 60_000;
const BMC_MAC = '02:00:00:00:99:01';
const CAUSE = { who: 'test', why: 'test' };
/** The serial number that every BMC of the hall has in its FRU. */
const OWN = 'LAB0001';

async function site(options: { machines?: number; discovery?: boolean; networks?: string[] } = {}) {
  const { machines = 2, discovery: looks = true, networks = ['10.0.0.0/8'] } = options;
  const hall = createHall({ machines });
  const { inventory, access } = hall.now;
  const { serverdb, events, transaction, boots, tokens } = inventory;
  const settings = bmcSchema.parse({ discovery: looks, networks });
  const stores = { ...serverdb, ...inventory, clock: hall.clock };
  const registry = createBmcRegistry(stores);
  const claims = createClaimDesk(stores, settings.networks);
  const errors: unknown[] = [];
  const discovery = createDiscovery({
    ...{ ...stores, registry, claims, access, settings, setUp: () => undefined },
    after: (ms, callback) => hall.time.at(hall.time.now() + ms, callback),
    onError: (error) => void errors.push(error),
  });
  discovery.start();
  let boot = 0;
  /** A machine reports: by its own NIC and token, with this BMC. */
  const reports = (serial: string, bmc: object | undefined, uuid?: string) => {
    boot += 1;
    const mac = `52:54:00:66:00:${String(boot).padStart(2, '0')}` as Mac;
    const body = report({
      ...{ serial, macs: [mac], ...(uuid === undefined ? {} : { uuid }) },
      ...(bmc ? { bmc: { inBand: true, ...bmc } } : {}),
    });
    return transaction(() => {
      const sighted = boots.sight({
        ...{ mac, client: 'ipxe', arch: 'x86_64-bios', iface: 'prov0', xid: boot, secs: 0 },
      } as never);
      const token = tokens.mint(sighted?.boot.id as never, mac, 'boot');
      return inventory.ingest({ token, body: bytesOf(body) }).machine.hardwarename;
    });
  };
  const told = (name: string) =>
    events.after(0, 10_000).flatMap((event) => (event.name === name ? [event.data] : []));
  const record = (name: string) => inventory.machines.record(name as Hardwarename);
  const claim = (name: string) => serverdb.bmcClaims.of(name as Hardwarename);
  const pass = (minutes = 1) => hall.time.pass(minutes * MINUTE);
  const stop = async () => {
    await discovery.stop();
    expect(errors).toEqual([]);
  };
  return {
    ...{ hall, registry, claims, reports, told, record, claim, pass, stop, transaction },
    ...serverdb,
  };
}

describe('a BMC that a machine reports', () => {
  it('is used once it has said itself that it is this machine’s', async () => {
    const { reports, record, claim, told, pass, stop, bmcs, editor, transaction } = await site();
    transaction(() => editor.edit(nameOf(0), { bmcAddress: '' }, CAUSE));
    const name = reports(OWN, { address: addressOf(0), mac: BMC_MAC, manufacturer: 'Dell' });
    expect(record(name)).toMatchObject({ bmcAddress: '', bmcMac: '', bmcVendor: 'Dell' });
    await pass();
    expect(record(name)).toMatchObject({ bmcAddress: addressOf(0), bmcMac: BMC_MAC });
    expect(claim(name)).toMatchObject({ state: 'proven', why: '', lookNext: 0 });
    expect(told('bmc.matched')).toMatchObject([{ bmc: BMC_MAC, by: 'serial' }]);
    expect(bmcs.get(BMC_MAC)).toMatchObject({ hardwarename: name, facts: { serial: OWN } });
    await stop();
  });

  it('takes no other machine’s: not its address, not its place on record, and jobs go where they went', async () => {
    const { hall, reports, record, claim, told, pass, stop } = await site();
    // The BMC at this address is that of LAB0001, and is on the record of a machine that a person has entered.
    const liar = reports('L1AR0001', { address: addressOf(1), mac: BMC_MAC });
    await pass();
    expect(record(liar)).toMatchObject({ bmcAddress: '', bmcMac: '' });
    expect(record(nameOf(1))?.bmcAddress).toBe(addressOf(1));
    expect(claim(liar)).toMatchObject({ state: 'unproven' });
    expect(told('bmc.unproven')).toEqual([
      { address: addressOf(1), why: expect.stringContaining(`serial number '${OWN}'`) },
    ]);
    expect(() => hall.submit('power-on', 0)).not.toThrow();
    await stop();
  });

  it('and that says that it is another’s, is that of the other', async () => {
    const { reports, record, claim, pass, stop, hall, editor, transaction } = await site();
    transaction(() => editor.edit(nameOf(0), { bmcAddress: '' }, CAUSE));
    const owner = reports(OWN, undefined);
    const liar = reports('L1AR0001', { address: addressOf(0), mac: BMC_MAC }, hallUuid(2));
    await pass();
    expect(claim(liar)).toMatchObject({
      state: 'unproven',
      why: `The BMC there is that of ${owner}, by its serial.`,
    });
    expect(record(liar)?.bmcAddress).toBe('');
    expect(hall.machine(0).actions).toEqual([]);
    await stop();
  });

  it.each([
    ['no IPv4 address', 'bmc.example.net'],
    ['no IPv4 address', '10.66.0.256'],
    ['no IPv4 address', '010.66.0.1'],
    ['no IPv4 address', '10.66.1'],
    ['no network of BMCs', '192.0.2.1'],
    ['no network of BMCs', '127.0.0.1'],
  ])('is not even looked at when its address is in %s: %s', async (why, address) => {
    const { hall, reports, claim, told, pass, stop } = await site({ machines: 1 });
    let sent = 0;
    const machine = hall.machine(0);
    const { respond } = machine;
    machine.respond = (bytes) => {
      sent += 1;
      return respond(bytes);
    };
    const name = reports(OWN, { address });
    await pass(600);
    expect(claim(name)).toMatchObject({ state: 'unproven', why: expect.stringContaining(why) });
    expect(told('bmc.unproven')).toHaveLength(1);
    expect(sent).toBe(0);
    await stop();
  });

  it('that opens with no login is tried again ever more seldom, and at once with another one', async () => {
    const world = await site();
    const { reports, claim, told, pass, stop, credentials, transaction, editor } = world;
    transaction(() => editor.edit(nameOf(0), { bmcAddress: '' }, CAUSE));
    const put = (username: string, password: string) =>
      transaction(() =>
        credentials.put({ name: 'factory', squad: '', username, notes: '', password }, CAUSE),
      );
    put('admin', 'wrong');
    const name = reports(OWN, { address: addressOf(0) });
    await pass(20);
    expect(claim(name)).toMatchObject({
      ...{ state: 'unproven', why: expect.stringContaining('could not be asked') },
    });
    expect(claim(name)?.looks).toBeGreaterThan(1);
    // It is told once, however often it is tried.
    expect(told('bmc.unproven')).toHaveLength(2);
    put('admin', 'secret');
    await pass();
    expect(claim(name)?.state).toBe('proven');
    await stop();
  });

  it('that has said the same before is not asked again at each boot', async () => {
    const { hall, reports, pass, stop, editor, transaction } = await site();
    transaction(() => editor.edit(nameOf(0), { bmcAddress: '' }, CAUSE));
    const name = reports(OWN, { address: addressOf(0) });
    await pass();
    const asked = hall.machine(0).state.carriedOut.length;
    expect(reports(OWN, { address: addressOf(0) })).toBe(name);
    await pass(10);
    expect(hall.machine(0).state.carriedOut).toHaveLength(asked);
    await stop();
  });
});

describe('a BMC that lies', () => {
  it('about its MAC does not move that of another from its place', async () => {
    const { hall, record, registry, bmcs, pass, stop, transaction, editor } = await site({
      machines: 3,
    });
    const victim = { bmcMac: BMC_MAC as Mac, bmcAddress: addressOf(0) };
    transaction(() => editor.edit(nameOf(0), victim, CAUSE));
    transaction(() => editor.edit(nameOf(1), { bmcAddress: '' }, CAUSE));
    await pass();
    // Whatever is at the second address says the first one's MAC; nobody has seen it ask for an address.
    expect([...(hall.machine(1).state.lan.get(5) ?? [])]).toEqual([2, 0, 0, 0, 0x99, 1]);
    transaction(() => {
      registry.sighted({ mac: '', address: addressOf(1), source: 'report' });
      registry.look(addressOf(1));
    });
    await pass();
    expect(bmcs.get(addressOf(1))).toMatchObject({ mac: '', hardwarename: '' });
    expect(bmcs.get(addressOf(1))?.facts.serial).toBe(OWN);
    expect(record(nameOf(0))).toMatchObject(victim);
    expect(bmcs.get(BMC_MAC)).toMatchObject({ address: addressOf(0), hardwarename: nameOf(0) });
    await stop();
  });
});

describe('a person', () => {
  it('confirms what cannot be proven; not an address that another record names', async () => {
    const { reports, claims, claim, record, pass, stop, transaction } = await site({
      discovery: false,
    });
    const name = reports('N0PR00F1', { address: '10.66.7.7', mac: '02:00:00:00:99:77' });
    const thief = reports('L1AR0001', { address: addressOf(1) }, hallUuid(3));
    await pass(60);
    expect(claim(name)).toMatchObject({ state: 'unproven', why: 'Nobody logs in by itself here.' });
    expect(record(name)?.bmcAddress).toBe('');
    transaction(() => claims.confirm(name, 'negz'));
    expect(record(name)).toMatchObject({
      ...{ bmcAddress: '10.66.7.7', bmcMac: '02:00:00:00:99:77' },
    });
    expect(claim(name)?.state).toBe('confirmed');
    expect(() => transaction(() => claims.confirm(thief, 'negz'))).toThrow(/on record/);
    expect(() => claims.confirm('N0B0DY' as Hardwarename, 'negz')).toThrow(/reported no BMC/);
    await stop();
  });
});

describe('one BMC with two NICs', () => {
  const SECOND = '02:00:00:00:99:02';
  it('is matched by its UUID at both, and the record follows when the first one fails', async () => {
    const world = await site();
    const { hall, record, told, pass, stop, transaction, editor, bmcs, registry } = world;
    const uuid = '10111213-1415-1617-1819-1a1b1c1d1e1f';
    const db = hall.database();
    db.prepare('UPDATE machines SET uuid = ? WHERE hardwarename = ?').run(uuid, nameOf(0));
    const own = { bmcMac: BMC_MAC as Mac, bmcAddress: addressOf(0) };
    transaction(() => editor.edit(nameOf(0), own, CAUSE));
    transaction(() => editor.edit(nameOf(1), { bmcAddress: '' }, CAUSE));
    await pass();
    transaction(() => registry.sighted({ mac: SECOND, address: addressOf(1), source: 'dhcp' }));
    transaction(() => registry.look(SECOND));
    hall.machine(1).state.lan.set(5, Uint8Array.of(2, 0, 0, 0, 0x99, 2));
    await pass();
    expect(bmcs.get(SECOND)).toMatchObject({ hardwarename: nameOf(0), matchedBy: 'uuid' });
    expect(bmcs.get(BMC_MAC)?.hardwarename).toBe(nameOf(0));
    expect(record(nameOf(0))).toMatchObject(own);
    expect(told('bmc.matched').at(-1)).toMatchObject({ bmc: SECOND, by: 'uuid' });
    transaction(() => bmcs.write(BMC_MAC, { failedAt: hall.clock(), code: 'BMC_UNREACHABLE' }));
    await pass(70);
    expect(record(nameOf(0))).toMatchObject({ bmcMac: SECOND, bmcAddress: addressOf(1) });
    await stop();
  });
});

function hallUuid(index: number): string {
  return `4c4c4544-0042-3510-8052-b4c04f4e373${index}`;
}
