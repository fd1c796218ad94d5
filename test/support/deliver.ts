/** A machine boots and reports, as far as the inventory sees of it. */

import type { Machine } from '../../src/inventory/machines.ts';
import type { Token } from '../../src/inventory/tokens.ts';
import { bytesOf, type Report } from './reports.ts';
import { dhcpPacket, mac, type World } from './world.ts';

/** Longer than a boot may take: what comes next is another one. */
const LATER_MS = 4_000_000;

/** The NIC asks for an address and its script is served, long after whatever was before. @returns the token of the boot */
export function bootToken(world: World, bootMac: string): Token {
  world.pass(LATER_MS);
  world.dhcp(dhcpPacket({ mac: mac(bootMac), type: 1, client: 'ipxe' }));
  const boot = world.inventory.boots.latest(mac(bootMac));
  if (!boot) throw new Error('no boot');
  world.inventory.boots.scriptServed(boot.id);
  return world.inventory.tokens.mint(boot.id, mac(bootMac), 'boot');
}

/** Boots the report's boot NIC and delivers the report with its token. */
export function deliver(world: World, body: Report): Machine {
  const token = bootToken(world, body.bootMac);
  return world.inventory.ingest({ token, body: bytesOf(body) }).machine;
}
