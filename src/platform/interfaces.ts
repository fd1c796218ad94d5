/** Which network interfaces there are. A name may go and come again as another interface: the kernel tells them apart by number. */
import { networkInterfaces } from 'node:os';
import { AppError } from '../errors.ts';
import { vlanNamed, wayUp } from '../wire/vlan-name.ts';
import { loadLibc } from './libc.ts';

/** It is there, up, has a carrier and an address of any kind. */
export const isUp = (iface: string): boolean => iface in networkInterfaces();

export interface SeenInterface {
  readonly number: number;
  readonly isUp: boolean;
}

/** @returns nothing when none has that name */
export function seeInterface(iface: string): SeenInterface | undefined {
  const libc = loadLibc();
  const up = isUp(iface);
  // Without koffi nothing is bound to a number, and what is down is not seen.
  const number = libc ? libc.if_nametoindex(iface) : Number(up);
  return number > 0 ? { number, isUp: up } : undefined;
}

/** Whether an address is one of this machine's, so that a socket can be bound to it. */
export function isOurs(address: string): boolean {
  return Object.values(networkInterfaces()).some((entries) =>
    entries?.some((one) => one.address === address),
  );
}

/** What is wrong with one that is not up, and what to do. */
export function absence(iface: string): string {
  if (seeInterface(iface))
    return `'${iface}' is there, and is down or has no carrier or no address`;
  const vlan = vlanNamed(iface);
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
