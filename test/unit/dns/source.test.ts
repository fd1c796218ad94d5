import Sqlite from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { openDnsSource } from '../../../src/inventory/dns-source.ts';
import { bytesOf, report } from '../../support/reports.ts';
import { createWorld, dhcpPacket, ipv4, mac, u32 } from '../../support/world.ts';

const MAC = '52:54:00:00:00:01';

describe('the inventory as DNS sees it', () => {
  const db = new Sqlite(':memory:');
  const world = createWorld(db);
  const { inventory } = world;
  const source = openDnsSource(db);
  world.dhcp(dhcpPacket({ mac: mac(MAC), type: 1, client: 'ipxe' }));
  const boot = inventory.boots.latest(mac(MAC)) ?? expect.fail();
  const token = inventory.tokens.mint(boot.id, mac(MAC), 'boot');
  const { hardwarename } = inventory.ingest({
    token,
    body: bytesOf(report({ serial: 'SN-7', macs: [MAC] })),
  }).machine;
  const cause = { who: 'kim', why: 'test' };
  let cursor = 0;
  const changed = () => {
    const { eventId, machines } = source.changedSince(cursor);
    cursor = eventId;
    return machines;
  };
  const own = { kind: 'hardwarename', name: 'SN-7' };

  it('a machine is there from its report on, without an address', () => {
    expect(changed()).toEqual([hardwarename]);
    expect(changed()).toEqual([]);
    expect(source.page('', 10)).toEqual([source.machine(hardwarename)]);
    expect(source.page(hardwarename, 10)).toEqual([]);
    expect(source.machine('NOBODY')).toBeUndefined();
    expect(source.machine(hardwarename)?.names[0]).toEqual({ ...own, addresses: [] });
  });

  it('a lease gives it its address', () => {
    const request = [
      [50, u32(ipv4('10.77.0.100'))],
      [54, u32(ipv4('10.77.0.1'))],
    ] as const;
    world.dhcp(dhcpPacket({ mac: mac(MAC), type: 3, client: 'os' }, request));
    expect(changed()).toEqual([hardwarename]);
    expect(source.machine(hardwarename)?.names[0]).toEqual({ ...own, addresses: ['10.77.0.100'] });
  });

  it('a hostname and a role are seen', () => {
    const { editor } = inventory.serverdb;
    inventory.transaction(() =>
      editor.edit(hardwarename, { hostname: 'web1', role: 'web', bmcAddress: '10.78.0.9' }, cause),
    );
    expect(changed()).toEqual([hardwarename]);
    const addresses = ['10.77.0.100'];
    expect(source.machine(hardwarename)).toEqual({
      ...{ hardwarename, role: 'web' },
      names: [
        { kind: 'hostname', name: 'web1', addresses },
        { ...own, addresses },
        { kind: 'bmc', name: 'SN-7', addresses: ['10.78.0.9'] },
      ],
    });
  });

  it('a reserved address takes the place of the lease', () => {
    inventory.transaction(() => {
      db.prepare(
        'INSERT INTO addresses (address, subnet, mac, hardwarename, at) VALUES (?, ?, ?, ?, 0)',
      ).run(...[ipv4('10.79.0.5'), 'production', MAC, hardwarename]);
      inventory.events.append({
        ...{ name: 'address.reserved', hardwarename },
        data: { address: '10.79.0.5', subnet: 'production', mac: MAC, who: 'kim' },
      });
    });
    expect(changed()).toEqual([hardwarename]);
    expect(source.machine(hardwarename)?.names[0]?.addresses).toEqual(['10.79.0.5']);
  });
});
