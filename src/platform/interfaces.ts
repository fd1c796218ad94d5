/** Which network interfaces there are. A name may go and come again as another interface: the kernel tells them apart by number. */
import { networkInterfaces } from 'node:os';
import { AppError } from '../errors.ts';
import { parseVlanName, wayUp } from '../wire/vlan-name.ts';
import { loadLibc } from './libc.ts';

/** It is there, up, has a carrier and an address of any kind. */
export const isUp = (iface: string): boolean => iface in networkInterfaces();

/** @returns its number; nothing while it is not `isUp` */
export function upAs(iface: string): number | undefined {
  if (!isUp(iface)) return undefined;
  const libc = loadLibc();
  // Without koffi nothing is bound to a number.
  return libc ? libc.if_nametoindex(iface) || undefined : 0;
}

/** Whether it is there at all: `isUp` is false for one without a carrier, too. */
export function isThere(iface: string): boolean {
  return (loadLibc()?.if_nametoindex(iface) ?? 0) > 0;
}

/** Whether an address is one of this machine's, so that a socket can be bound to it. */
export function isOurs(address: string): boolean {
  return Object.values(networkInterfaces()).some((entries) =>
    entries?.some((one) => one.address === address),
  );
}

/** What is wrong with one that is not up, and what to do. */
export function absence(iface: string): string {
  if (isThere(iface)) return `'${iface}' is there, and is down or has no carrier or no address`;
  const vlan = parseVlanName(iface);
  const present = Object.keys(networkInterfaces()).join(', ');
  const mend = vlan
    ? `For VLAN ${vlan.tag} of ${vlan.parent}: ${wayUp(iface)}; and its address. docs/dhcp.md has it for networkd and ifupdown.`
    : 'Name the provisioning interface in dhcp.segments.iface, or run `make lab` for a virtual one.';
  return `'${iface}' is not there; there are: ${present}. ${mend}`;
}

/** @throws AppError INTERFACE_MISSING */
export function requireUp(iface: string): void {
  if (!isUp(iface)) throw new AppError('INTERFACE_MISSING', { detail: absence(iface) });
}
