/**
 * What a client means by a file name. Loaders send leading slashes, backslashes and, when option 67 was not terminated,
 * whatever stood behind it in memory (0xff, control characters): everything from the first such byte on is cut off.
 */
export function cleanFileName(raw: string): string | undefined {
  const name = raw
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what is cut off
    .replace(/[\x00-\x1f\x7f-\xff].*$/s, '')
    .trimEnd()
    .replaceAll('\\', '/')
    .replace(/\/+/g, '/')
    .replace(/^\/+/, '');
  if (name === '' || name.split('/').some((part) => part === '..')) return undefined;
  return name;
}

/**
 * What is asked for in case it is there: by iPXE 2.0.0 `autoexec.ipxe`, by shim 16.1 what to revoke and whom to trust, by GRUB 2.06 the
 * lists of what its modules can do. Each machine asks for them with each boot, and goes on without.
 */
const IN_CASE =
  /^\/*(?:boot\/[^/]+\/)?(autoexec\.ipxe|revocations(_\w+)?\.efi|shim_certificate_\d+\.efi|grub\/[a-z0-9_]+-efi\/(command|fs|crypto|terminal)\.lst)$/;

/** Its name in the folder of boot files when a loader does without it; undefined for every other. */
export function inCase(name: string): string | undefined {
  return IN_CASE.exec(name)?.[1];
}
