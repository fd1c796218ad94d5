/** Machines whose processor or firmware is another than that of what they are handed, as flight records (failure-scenes.ts). */
import { IPXE, leased, type Scene, scene, script, tftp } from './flight-entries.ts';

export const ARCHITECTURE_SCENES: readonly Scene[] = [
  scene(
    'no-binary-for-architecture',
    'RISC-V',
    leased(0, 'firmware', {
      bootFile: '',
      why: 'no boot binary for architecture 0x1b (uefi-riscv64)',
    }),
    { arch: 'uefi-riscv64' },
  ),
  scene(
    'no-pxeimage-for-architecture',
    'ARM64',
    [
      ...IPXE,
      script(2100, 'recon', 'unknown; pxeimage is built for x86-64 and does not run on uefi-arm64'),
    ],
    { arch: 'uefi-arm64' },
  ),
  scene('wrong-architecture', 'arm64 for x64', [
    ...leased(0, 'firmware'),
    tftp(100, { file: 'snponly-arm64.efi' }),
  ]),
  scene('wrong-architecture', 'a .kpxe for UEFI', [
    ...leased(0, 'firmware'),
    tftp(100, { file: 'undionly.kpxe' }),
  ]),
];
