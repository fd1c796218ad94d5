/** What the lab needs of the machine that it runs on, and how to come by it. */
import { join } from 'node:path';
import { BOOT_FILES, type Built, missingFiles, PXEIMAGE, UI } from '../bench/support/built.ts';
import { find, type Needed, PACKAGES } from '../bench/support/programs.ts';

/** What one scenario needs beside what all need. */
export interface Needs {
  /** Foreign programs and files. */
  readonly tools?: readonly Needed[];
  readonly built?: readonly Built[];
}

/** What every lab needs. */
export const TOOLS: readonly Needed[] = [
  ...(['qemu-system-x86_64', 'ip', 'tcpdump', 'busybox'] as const),
  ...(['/usr/share/OVMF/OVMF_CODE_4M.fd', '/usr/lib/ipxe/qemu'] as const),
];

/** The source that some scenarios build an iPXE from. */
export const IPXE_SOURCE: Built = [
  join(process.env.IPXE_SOURCE ?? 'IPXE_SOURCE', 'Makefile'),
  'git clone --branch v2.0.0 https://github.com/ipxe/ipxe, and IPXE_SOURCE=/path/of/ipxe/src',
];

/** One line for each thing that is missing, with what to do about it. */
export function missingPrerequisites({ tools = [], built = [] }: Needs = {}): string[] {
  return [
    ...(process.getuid?.() === 0 ? [] : ['root: network namespaces and taps need it']),
    ...[...new Set([...TOOLS, ...tools])]
      .filter((tool) => find(tool) === undefined)
      .map((tool) => `${tool}: apt-get install ${PACKAGES[tool]}`),
    ...missingFiles([BOOT_FILES, PXEIMAGE, UI, ...built]),
  ];
}

/** @throws Error naming all that is missing */
export function requirePrerequisites(needs?: Needs): void {
  const missing = missingPrerequisites(needs);
  if (missing.length > 0)
    throw new Error(`the lab cannot run here. Missing:\n  ${missing.join('\n  ')}`);
}
