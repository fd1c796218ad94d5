/**
 * Renders a boot decision as a script of GRUB, from the flat templates in `grub-scripts/`: for machines whose Secure Boot starts
 * Debian's shim, which starts Debian's GRUB, which starts Debian's kernel, and nobody's iPXE (docs/boot-files.md).
 *
 * A template holds each value between single quotes, within which GRUB takes everything as it is (GRUB manual, 16.3, Quoting),
 * and no value has a quote or a line end in it. A command line becomes words, each between quotes of its own.
 *
 * GRUB asks for its files by TFTP: below the folder with the token that it was itself fetched from (token-path.ts).
 */
import type { BootDecision } from './decide.ts';
import { inert, inertWords, loadTemplates, type Scripts, valuesOf } from './templates.ts';

const TEMPLATES = {
  pxeimage: 'pxeimage.cfg',
  installer: 'installer.cfg',
  nothing: 'nothing.cfg',
  refusal: 'refusal.cfg',
  'local-disk': 'local-disk.cfg',
  'local-disk exit': 'local-disk-exit.cfg',
} as const;
/** What every GRUB asks for first, whoever it is: it leads to the machine's own script. */
const START = 'start.cfg';

function templateOf({ target, delivery }: BootDecision): keyof typeof TEMPLATES {
  if (delivery.kind === 'refusal') return 'refusal';
  if (target.kind !== 'local-disk') return target.kind;
  return target.method.startsWith('exit') ? 'local-disk exit' : 'local-disk';
}

export interface GrubScripts extends Scripts {
  readonly start: string;
}

/**
 * @param read the text of a template by its file name; throws when there is none.
 * @throws Error for an unknown placeholder
 */
export function loadGrubScripts(read: (name: string) => string): GrubScripts {
  const fill = loadTemplates(TEMPLATES, read);
  return {
    start: read(START),
    render(decision, values) {
      const all = valuesOf(decision, values);
      return fill(templateOf(decision), (name) => {
        switch (name) {
          case 'kernelArguments':
            return quoted(inert(all[name]).split(/ +/).filter(Boolean));
          case 'installerArguments':
            return quoted(inertWords(all[name]));
          default:
            return inert(all[name]);
        }
      });
    },
  };
}

const quoted = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(' ');
