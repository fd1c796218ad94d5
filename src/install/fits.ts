/**
 * Whether an image goes with what is asked of its install, before anything is begun. What an image of its kind takes no heed of is
 * refused and not passed over in silence; how many disks it takes, and which, is asked of a machine's last report. Pure.
 */
import type { ImageKind } from '../inventory/images.ts';
import { ANY_ONE_DISK, type DiskRule } from './disk-rule.ts';
import { disksOf, LAYOUTS, type Layout } from './layout.ts';

export interface AskedOfInstall {
  readonly layout?: Layout | undefined;
  readonly disks?: DiskRule | undefined;
  readonly network?: unknown;
  readonly userData?: string | undefined;
  readonly verify: 'sample' | 'full';
}

export interface Misplaced {
  readonly param: string;
  readonly detail: string;
}

/** What has no meaning for an image of this kind; `undefined` when all has. */
export function misplacedFor(
  { name, kind }: { readonly name: string; readonly kind: ImageKind },
  asked: AskedOfInstall,
): Misplaced | undefined {
  if (kind === 'installer') {
    const param = (['layout', 'disks', 'network', 'userData'] as const).find(
      (each) => asked[each] !== undefined,
    );
    const detail = `${name} is an installer: its template says this, and may have it from metadata.`;
    if (param !== undefined) return { param, detail };
  }
  if (kind === 'raw' && asked.layout !== undefined)
    return { param: 'layout', detail: `${name} is a raw disk and brings its own layout.` };
  if (kind !== 'raw' && asked.verify === 'full')
    return { param: 'verify', detail: `${name} is no raw disk: there is no whole to compare.` };
  return undefined;
}

export interface DisksWanted {
  readonly rule: DiskRule;
  readonly count: number;
}

/** @returns undefined for an installer, which chooses its disks by itself */
export function disksWanted(kind: ImageKind, asked: AskedOfInstall): DisksWanted | undefined {
  if (kind === 'installer') return undefined;
  const count = kind === 'raw' ? 1 : disksOf(asked.layout ?? LAYOUTS.plain);
  return { rule: asked.disks ?? ANY_ONE_DISK, count };
}
