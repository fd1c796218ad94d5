/** Which network interfaces there are. A name may go and come again as another interface: the kernel tells them apart by number. */
import { networkInterfaces } from 'node:os';
import { AppError } from '../errors.ts';
import { vlanNamed, wayUp } from '../wire/vlan-name.ts';
import { AF_INET, type Libc, loadLibc, SOCK_DGRAM } from './libc.ts';

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
  /** What is sent to it comes in, whether it has its addresses or not: it is switched on and has a carrier. */
  readonly hears: boolean;
}

/** netdevice(7); `struct ifreq` is a name of 16 bytes and what is asked for, 40 bytes in all. */
const SIOCGIFFLAGS = 0x8913;
const IFREQ_BYTES = 40;
const IFREQ_FLAGS_AT = 16;
const IFF_UP_AND_RUNNING = 0x41;

/** The list of addresses has none of an interface that is down, and none of one that has none. @throws Error when no descriptor is left */
function isRunning(libc: Libc, iface: string): boolean {
  const fd = libc.socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) throw new Error(`socket: error ${libc.errno()}`);
  const record = Buffer.alloc(IFREQ_BYTES);
  record.write(iface, 'latin1');
  const told = libc.ioctl(fd, SIOCGIFFLAGS, record) === 0;
  libc.close(fd);
  const flags = record.readUInt16LE(IFREQ_FLAGS_AT);
  return told && (flags & IFF_UP_AND_RUNNING) === IFF_UP_AND_RUNNING;
}

/** @param addresses what it is to have, to be up. @returns nothing when none has that name */
export function seeInterface(
  iface: string,
  addresses: readonly string[] = [],
): SeenInterface | undefined {
  const libc = loadLibc();
  const up = isUp(iface, addresses);
  const hasAny = isUp(iface);
  // Without koffi nothing is bound to a number, and what is down is not seen.
  const number = libc ? libc.if_nametoindex(iface) : Number(hasAny);
  if (number === 0) return undefined;
  return { number, isUp: up, hears: hasAny || (libc !== undefined && isRunning(libc, iface)) };
}

/** Whether an address is one of this machine's, so that a socket can be bound to it. */
export function isOurs(address: string): boolean {
  return Object.values(networkInterfaces()).some((entries) =>
    entries?.some((one) => one.address === address),
  );
}

/** What is wrong with one that is not up, and what to do. */
export function absence(iface: string, addresses: readonly string[] = []): string {
  const seen = seeInterface(iface, addresses);
  if (seen) {
    const lacks = addresses.length > 0 ? `lacks ${addresses.join(' or ')}` : 'has no address';
    return `'${iface}' is there, and ${seen.hears ? lacks : 'is down or has no carrier'}`;
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
