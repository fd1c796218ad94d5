/**
 * Option 93 as data: the IANA list "Processor Architecture Types" (RFC 4578 2.1 and its successors), with what each entry
 * means for booting. One row says what it is called, which family of boot binaries it takes, and whether its firmware
 * fetches by HTTP. A row without a family is an architecture that we can name and not boot; the reason is then its name.
 *
 * 9 is "EBC" in the list, and means x64 in the firmware that sends it: RFC 4578 had 7 and 9 the wrong way round
 * (erratum 4624).
 */

/** The families of boot binaries. Which file each one is, is configuration. */
const BOOT_FAMILIES = ['bios', 'uefiX64', 'uefiIa32', 'uefiArm64', 'uefiArm32'] as const;
export type BootFamily = (typeof BOOT_FAMILIES)[number];

export interface Architecture {
  readonly name: string;
  readonly family?: BootFamily;
  /** UEFI HTTP Boot: the boot file is a URL. */
  readonly http?: true;
}

const ARCHITECTURES: Readonly<Record<number, Architecture>> = {
  0: { name: 'bios', family: 'bios' },
  1: { name: 'nec-pc98' },
  2: { name: 'itanium' },
  3: { name: 'alpha' },
  4: { name: 'arc-x86' },
  5: { name: 'intel-lean-client' },
  6: { name: 'uefi-ia32', family: 'uefiIa32' },
  7: { name: 'uefi-x64', family: 'uefiX64' },
  8: { name: 'uefi-xscale' },
  9: { name: 'uefi-x64', family: 'uefiX64' },
  10: { name: 'uefi-arm32', family: 'uefiArm32' },
  11: { name: 'uefi-arm64', family: 'uefiArm64' },
  12: { name: 'powerpc-open-firmware' },
  13: { name: 'powerpc-epapr' },
  14: { name: 'power-opal' },
  15: { name: 'uefi-ia32-http', family: 'uefiIa32', http: true },
  16: { name: 'uefi-x64-http', family: 'uefiX64', http: true },
  17: { name: 'uefi-ebc-http', http: true },
  18: { name: 'uefi-arm32-http', family: 'uefiArm32', http: true },
  19: { name: 'uefi-arm64-http', family: 'uefiArm64', http: true },
  20: { name: 'bios-http', http: true },
  21: { name: 'arm32-uboot' },
  22: { name: 'arm64-uboot' },
  23: { name: 'arm32-uboot-http', http: true },
  24: { name: 'arm64-uboot-http', http: true },
  25: { name: 'uefi-riscv32' },
  26: { name: 'uefi-riscv32-http', http: true },
  27: { name: 'uefi-riscv64' },
  28: { name: 'uefi-riscv64-http', http: true },
  29: { name: 'uefi-riscv128' },
  30: { name: 'uefi-riscv128-http', http: true },
  31: { name: 's390-basic' },
  32: { name: 's390-extended' },
  33: { name: 'mips32-uefi' },
  34: { name: 'mips64-uefi' },
  37: { name: 'uefi-loongarch32' },
  38: { name: 'uefi-loongarch32-http', http: true },
  39: { name: 'uefi-loongarch64' },
  40: { name: 'uefi-loongarch64-http', http: true },
  41: { name: 'arm-rpiboot' },
};

/** @returns the row of a code; a code that is in no row is called `arch-N`. */
export function architecture(code: number): Architecture {
  return ARCHITECTURES[code] ?? { name: `arch-${code}` };
}

export function archName(code: number): string {
  return architecture(code).name;
}

/** A code of this name: the way back from `archName`, for what was kept as a name. */
export function archCode(name: string): number {
  const row = Object.entries(ARCHITECTURES).find(([, known]) => known.name === name);
  return Number(row?.[0] ?? name.replace('arch-', ''));
}

/** Of the codes that a client lists, the first that we have a family for; else its first; 0 when it lists none. */
export function preferredArch(list: Uint8Array): number {
  for (let at = 0; at + 1 < list.length; at += 2) {
    const code = ((list[at] ?? 0) << 8) | (list[at + 1] ?? 0);
    if (architecture(code).family) return code;
  }
  return ((list[0] ?? 0) << 8) | (list[1] ?? 0);
}
