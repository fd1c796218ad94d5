/** The `boot:` part of the configuration: which file firmware is handed, and how a machine leaves for its local disk. */
import { z } from 'zod';
import { macSchema } from '../wire/schema.ts';
import { tokenPath } from './token-path.ts';

const FILE_MAX = 127;
const A_TOKEN = '-'.repeat(32);

/** A file in the assets folder, under one name for TFTP and HTTP. */
const fileName = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9._-]*$/, 'is not the name of a file in boot.assets')
  // With its NUL it must fit the `file` field of a reply, which old ROMs read and nothing else.
  .max(FILE_MAX);

const family = {
  bios: fileName.optional(),
  uefiX64: fileName.optional(),
  uefiIa32: fileName.optional(),
  uefiArm64: fileName.optional(),
  uefiArm32: fileName.optional(),
};

/** `auto` is `sanboot` for BIOS and `exit` for UEFI. What each does is in docs/dhcp.md. */
export const LOCAL_BOOT_METHODS = ['auto', 'exit', 'exit-success', 'sanboot'] as const;
export type LocalBootMethod = (typeof LOCAL_BOOT_METHODS)[number];
const localBoot = z.enum(LOCAL_BOOT_METHODS);

/** What runs in the end, and is given a script: iPXE asks a DHCP server for it, GRUB finds it beside itself. */
const LOADERS = ['ipxe', 'grub'] as const;
export type Loader = (typeof LOADERS)[number];

/** Shim is handed out first; it asks for a second file beside itself, under a name that is built into it (rhboot/shim, DEFAULT_LOADER). */
const shimChain = (asksFor: string) =>
  z
    .strictObject({
      first: fileName,
      asksFor: fileName.default(asksFor),
      second: fileName,
      loader: z.enum(LOADERS).default('ipxe'),
    })
    .refine(
      ({ first, loader }) => loader !== 'grub' || tokenPath(A_TOKEN, first).length <= FILE_MAX,
      'is too long below a token: the name of a boot file has 127 bytes',
    );
export type ShimChain = z.output<ReturnType<typeof shimChain>>;

const override = { binaries: z.strictObject(family).prefault({}), localBoot: localBoot.optional() };

const machineOverride = z
  .strictObject({
    mac: macSchema.optional(),
    hardwarename: z.string().min(1).optional(),
    ...override,
  })
  .refine(
    ({ mac, hardwarename }) => (mac === undefined) !== (hardwarename === undefined),
    'names either a mac or a hardwarename',
  );

export const bootSchema = z.strictObject({
  assets: z.string().default('build/boot'),
  pxeimage: z.string().default('build/pxeimage/lab'),
  scripts: z.string().default('ipxe-scripts'),
  grubScripts: z.string().default('grub-scripts'),
  binaries: z
    .strictObject({
      bios: fileName.default('undionly.kpxe'),
      uefiX64: fileName.default('snponly.efi'),
      uefiIa32: fileName.default('snponly-ia32.efi'),
      uefiArm64: fileName.default('snponly-arm64.efi'),
      uefiArm32: fileName.default('snponly-arm32.efi'),
    })
    .prefault({}),
  alternatives: z.strictObject({ ...family, uefiX64: fileName.default('ipxe.efi') }).prefault({}),
  secureBoot: z
    .strictObject({
      uefiX64: shimChain('grubx64.efi').optional(),
      uefiIa32: shimChain('grubia32.efi').optional(),
      uefiArm64: shimChain('grubaa64.efi').optional(),
    })
    .prefault({}),
  localBoot: localBoot.default('auto'),
  machines: z.array(machineOverride).default([]),
  hardwareTypes: z.array(z.strictObject({ product: z.string().min(1), ...override })).default([]),
  kernelArguments: z.string().max(512).default('console=tty0 console=ttyS0,115200'),
});
export type BootSettings = z.output<typeof bootSchema>;

/** Whether GRUB is what some machines run in the end. */
export const hasGrub = ({ secureBoot }: Pick<BootSettings, 'secureBoot'>): boolean =>
  Object.values(secureBoot).some((chain) => chain?.loader === 'grub');
