/**
 * Renders a boot decision as an iPXE script, from the flat templates in `ipxe-scripts/`.
 *
 * Values may only hold characters that mean nothing to iPXE (no `$`, `|`, `&`, `#`, quotes or line ends), so no value can become a
 * command. In an installer's command line `;` is kept: iPXE takes it for the end of a command only as a word of its own.
 */
import type { BootDecision } from './decide.ts';
import { inert, inertWords, loadTemplates, type Scripts, valuesOf } from './templates.ts';

const TEMPLATES = {
  pxeimage: 'pxeimage.ipxe',
  'pxeimage tls': 'pxeimage-tls.ipxe',
  installer: 'installer.ipxe',
  nothing: 'nothing.ipxe',
  refusal: 'refusal.ipxe',
  'local-disk auto': 'local-disk.ipxe',
  'local-disk exit': 'local-disk-exit.ipxe',
  'local-disk exit-success': 'local-disk-exit-success.ipxe',
  'local-disk sanboot': 'local-disk-sanboot.ipxe',
} as const;

function templateOf({ target, delivery }: BootDecision, url: string): keyof typeof TEMPLATES {
  if (delivery.kind === 'refusal') return 'refusal';
  if (target.kind === 'pxeimage' && url.startsWith('https:')) return 'pxeimage tls';
  return target.kind === 'local-disk' ? `local-disk ${target.method}` : target.kind;
}

/**
 * @param read the text of a template by its file name; throws when there is none.
 * @throws Error for an unknown placeholder
 */
export function loadScripts(read: (name: string) => string): Scripts {
  const fill = loadTemplates(TEMPLATES, read);
  return {
    render(decision, values) {
      const all = valuesOf(decision, values);
      return fill(templateOf(decision, values.url), (name) =>
        name === 'installerArguments' ? inertWords(all[name]).join(' ') : inert(all[name]),
      );
    },
  };
}
