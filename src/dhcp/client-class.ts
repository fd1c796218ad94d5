/**
 * Who is asking: PXE firmware, UEFI HTTP Boot, iPXE, or an operating system, and for which processor.
 *
 * In this order, because a machine shows several signs at once: iPXE announces itself by its user class or its own
 * option 175 and still says PXEClient; HTTP Boot says HTTPClient or has an HTTP architecture code; PXE firmware says
 * PXEClient; everything else is an operating system or a BMC.
 */
import type { ClientStage } from '../events.ts';
import { OPTION, readText, readUuid } from './options.ts';
import type { DhcpPacket } from './packet.ts';

export interface DhcpClient {
  readonly stage: ClientStage;
  /** Option 93, first entry; 0 when the client names none. */
  readonly arch: number;
  readonly archName: string;
  /** An iPXE with another user class than `iPXE`: a card's own build, which is handed ours like any firmware. */
  readonly foreignIpxe: boolean;
  readonly userClass: string;
  readonly vendorClass: string;
  readonly uuid: string | undefined;
  readonly hostname: string;
}

/** IANA "Processor Architecture Types"; 9 means x64 in old firmware (erratum 4624 of RFC 4578). */
const ARCH_NAMES: Record<number, string> = {
  0: 'bios',
  6: 'uefi-ia32',
  7: 'uefi-x64',
  9: 'uefi-x64',
  10: 'uefi-arm32',
  11: 'uefi-arm64',
  15: 'uefi-ia32-http',
  16: 'uefi-x64-http',
  18: 'uefi-arm32-http',
  19: 'uefi-arm64-http',
  20: 'bios-http',
  25: 'uefi-riscv32',
  27: 'uefi-riscv64',
  39: 'uefi-loongarch64',
};

export function archName(arch: number): string {
  return ARCH_NAMES[arch] ?? `arch-${arch}`;
}

export function classify(packet: DhcpPacket): DhcpClient {
  const userClass = readUserClass(packet.options.get(OPTION.userClass));
  const vendorClass = readText(packet.options.get(OPTION.vendorClass));
  const speaksIpxe = packet.options.has(OPTION.ipxe);
  const ours = userClass.includes('iPXE') || (speaksIpxe && userClass === '');
  const arch = readArch(packet, vendorClass);
  const stage = ((): ClientStage => {
    if (ours) return 'ipxe';
    if (vendorClass.startsWith('HTTPClient')) return 'http-boot';
    if (speaksIpxe || vendorClass.startsWith('PXEClient')) return 'firmware';
    return 'os';
  })();
  return {
    stage,
    arch,
    archName: stage === 'os' ? '' : archName(arch),
    foreignIpxe: speaksIpxe && !ours,
    userClass,
    vendorClass,
    uuid: readUuid(packet.options.get(OPTION.clientUuid)),
    hostname: readText(packet.options.get(OPTION.hostname)).slice(0, 63),
  };
}

/** RFC 3004 puts a length before each class; iPXE and most scripts send the bare text. Both come out as the text. */
function readUserClass(value: Uint8Array | undefined): string {
  if (!value) return '';
  return value[0] === value.length - 1 ? readText(value.subarray(1)) : readText(value);
}

/** The first entry of option 93, else `Arch:NNNNN` (decimal) of option 60 (PXE 2.1, 2.2.2). */
function readArch(packet: DhcpPacket, vendorClass: string): number {
  const list = packet.options.get(OPTION.clientArch);
  if (list && list.length >= 2) return ((list[0] ?? 0) << 8) | (list[1] ?? 0);
  return Number(/Arch:(\d{5})/.exec(vendorClass)?.[1] ?? 0);
}
