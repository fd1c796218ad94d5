/** What the lab needs of the machine that it runs on, and which Debian package has it. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A program (a name to look for in PATH, or a whole path) and the Debian package that has it. */
export type Tool = readonly [tool: string, debianPackage: string];

const TOOLS: readonly Tool[] = [
  ['qemu-system-x86_64', 'qemu-system-x86'],
  ['ip', 'iproute2'],
  ['tcpdump', 'tcpdump'],
  ['busybox', 'busybox-static'],
];
const FILES: readonly (readonly [file: string, remedy: string])[] = [
  ['/usr/share/OVMF/OVMF_CODE_4M.fd', 'apt-get install ovmf'],
  ['/usr/lib/ipxe/qemu', 'apt-get install ipxe-qemu'],
  ['build/boot/ipxe.lkrn', 'make pxeimage'],
  ['build/pxeimage/lab/initrd.img', 'make pxeimage'],
  ['build/ui/index.html', 'npm run build'],
];

/**
 * One line for each thing that is missing, with what to do about it.
 * @param more what one scenario needs beside what all need
 */
export function missingPrerequisites(more: readonly Tool[] = []): string[] {
  const path = (process.env.PATH ?? '').split(delimiter).concat('/usr/sbin', '/sbin');
  return [
    ...(process.getuid?.() === 0 ? [] : ['root: network namespaces and taps need it']),
    ...[...TOOLS, ...more]
      .filter(([tool]) =>
        tool.startsWith('/') ? !existsSync(tool) : !path.some((dir) => existsSync(join(dir, tool))),
      )
      .map(([tool, name]) => `${tool}: apt-get install ${name}`),
    ...FILES.filter(([file]) => !existsSync(file)).map(([file, remedy]) => `${file}: ${remedy}`),
  ];
}
