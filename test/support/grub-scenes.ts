/** Boots by shim and GRUB, which fetch every file by TFTP and ask for no address, and where they stop. */
import { agent, leased, report, type Scene, scene, script, tftp } from './flight-entries.ts';

const SHIM = [
  ...leased(0, 'firmware', { bootFile: '/boot/…/shimx64.efi' }),
  tftp(100, { file: 'shimx64.efi', sizeBytes: 1_048_504 }),
];
const GRUB = [...SHIM, tftp(400, { file: 'grubx64.efi', sizeBytes: 3_843_520 })];
export const STARTED = [...GRUB, tftp(2000, { file: 'grub/grub.cfg', sizeBytes: 300 })];
const SCRIPTED = [...[...STARTED, script(2100), tftp(2110, { file: 'grub.cfg', sizeBytes: 900 })]];
const KERNEL = [...SCRIPTED, tftp(2200, { file: 'vmlinuz', sizeBytes: 8_000_000 })];
const INITRD = [...KERNEL, tftp(6000, { file: 'initrd.img', sizeBytes: 16_000_000 })];
const stopped = { end: 'unfinished', acked: 4000, sizeBytes: 16_000_000 } as const;

export const GRUB_SCENES: readonly Scene[] = [
  scene('grub-never-asked', 'the shim refuses GRUB, and waits for a key', GRUB),
  scene('grub-never-asked', 'the shim alone', SHIM),
  scene('grub-never-asked', 'GRUB has the start that is for all', STARTED),
  scene('loader-loop', 'the shim three times', [
    ...leased(0, 'firmware', { bootFile: '/boot/…/shimx64.efi' }),
    ...[100, 5000, 10_000].map((at) => tftp(at, { file: 'shimx64.efi', sizeBytes: 1_048_504 })),
  ]),
  scene('kernel-not-fetched', 'GRUB has its script', SCRIPTED),
  scene('initrd-not-fetched', 'GRUB got the kernel', KERNEL),
  scene('http-stalled', 'GRUB got a part of the initrd', [
    ...KERNEL,
    tftp(6000, { file: 'initrd.img', ...stopped }),
  ]),
  scene(null, 'a boot by GRUB from end to end', [
    ...[...INITRD, ...leased(15_000, 'os'), agent(15_500, 'pxeimage is running')],
    report(20_000, 'received'),
  ]),
];
