/** Which network interfaces there are. A name may go and come again as another interface: the kernel tells them apart by number. */
import { networkInterfaces } from 'node:os';
import { AppError } from '../errors.ts';
import { vlanNamed, wayUp } from '../wire/vlan-name.ts';
import { loadLibc } from './libc.ts';

/** An address may have a label: Linux then says that it is on `eth0:1`, where it is on `eth0`. */
function addressesOn(iface: string): string[] {
  return Object.entries(networkInterfaces()).flatMap(([name, entries]) =>
    name === iface || name.startsWith(`${iface}:`) ? (entries ?? []).map((one) => one.address) : [],
  );
}

/**
 * It is there, up, has a carrier, an address of any kind and each of these: a VLAN that is up has an IPv6 address by itself,
 * and is nothing that a client could be sent to.
 */
export function isUp(iface: string, addresses: readonly string[] = []): boolean {
  const has = addressesOn(iface);
  return has.length > 0 && addresses.every((one) => has.includes(one));
}

export interface SeenInterface {
  readonly number: number;
  readonly isUp: boolean;
}

/** @param addresses what it is to have, to be up. @returns nothing when none has that name */
export function seeInterface(
  iface: string,
  addresses: readonly string[] = [],
): SeenInterface | undefined {
  const libc = loadLibc();
  const up = isUp(iface, addresses);
  // Without koffi nothing is bound to a number, and what is down is not seen.
  const number = libc ? libc.if_nametoindex(iface) : Number(isUp(iface));
  return number > 0 ? { number, isUp: up } : undefined;
}

/** Whether an address is one of this machine's, so that a socket can be bound to it. */
export function isOurs(address: string): boolean {
  return Object.values(networkInterfaces()).some((entries) =>
    entries?.some((one) => one.address === address),
  );
}

/** What is wrong with one that is not up, and what to do. */
export function absence(iface: string, addresses: readonly string[] = []): string {
  if (seeInterface(iface)) {
    const lacks = addresses.length > 0 ? `lacks ${addresses.join(' or ')}` : 'has no address';
    return `'${iface}' is there, and is down or has no carrier or ${lacks}`;
  }
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
