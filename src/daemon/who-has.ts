/**
 * Which NIC an address belongs to, for what carries no token (TFTP, and UEFI HTTP Boot's first fetch): the lease that was last
 * given for it; where another server leases the addresses, the kernel knows who has it. Good for a timeline and for nothing else.
 */
import type { Segment } from '../dhcp/ports.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { type OnLink, openNeighbours } from '../platform/probe.ts';
import type { Ipv4 } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';

export function whoHas(
  { inventory, segments }: { inventory: Inventory; segments: readonly Segment[] },
  onLink: OnLink = openNeighbours(),
): (address: Ipv4) => Mac | undefined {
  const proxied = segments.flatMap((one) => (one.mode === 'proxy' && one.iface ? [one.iface] : []));
  return (address) => inventory.leases.macAt(address) ?? onLink(proxied, address);
}
