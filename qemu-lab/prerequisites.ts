/** What the lab needs of the machine that it runs on, and which Debian package has it. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const TOOLS: readonly (readonly [tool: string, debianPackage: string])[] = [
  ['qemu-system-x86_64', 'qemu-system-x86'],
  ['ip', 'iproute2'],
  ['tcpdump', 'tcpdump'],
];
const FILES: readonly (readonly [file: string, remedy: string])[] = [
  ['/usr/share/OVMF/OVMF_CODE_4M.fd', 'apt-get install ovmf'],
  ['/usr/lib/ipxe/qemu', 'apt-get install ipxe-qemu'],
  ['build/boot/ipxe.lkrn', 'make pxeimage'],
  ['build/pxeimage/lab/initrd.img', 'make pxeimage'],
  ['build/ui/index.html', 'npm run build'],
];

/** One line for each thing that is missing, with what to do about it. */
export function missingPrerequisites(): string[] {
  const path = (process.env.PATH ?? '').split(delimiter).concat('/usr/sbin', '/sbin');
  return [
    ...(process.getuid?.() === 0 ? [] : ['root: network namespaces and taps need it']),
    ...TOOLS.filter(([tool]) => !path.some((dir) => existsSync(join(dir, tool)))).map(
      ([tool, name]) => `${tool}: apt-get install ${name}`,
    ),
    ...FILES.filter(([file]) => !existsSync(file)).map(([file, remedy]) => `${file}: ${remedy}`),
  ];
}
