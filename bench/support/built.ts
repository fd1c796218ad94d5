/** What is built or fetched before a bench or a scenario can begin. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

/** A file, from the root of the repository, and what makes it. */
export type Built = readonly [file: string, remedy: string];

export const BOOT_FILES: Built = ['build/boot/ipxe.lkrn', 'make pxeimage'];
export const PXEIMAGE: Built = ['build/pxeimage/lab/initrd.img', 'make pxeimage'];
export const UI: Built = ['build/ui/index.html', 'make ui'];

const ROOT = resolve(import.meta.dirname, '..', '..');

/** One line for each that is missing, with what makes it. */
export function missingFiles(built: readonly Built[]): string[] {
  return built
    .filter(([file]) => !existsSync(resolve(ROOT, file)))
    .map(([file, remedy]) => `${file}: ${remedy}`);
}

/** @throws Error naming every one that is missing, and what makes it */
export function requireBuilt(...built: Built[]): void {
  const missing = missingFiles(built);
  if (missing.length > 0) throw new Error(`not built: ${missing.join('; ')}`);
}
