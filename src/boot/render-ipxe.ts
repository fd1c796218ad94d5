/**
 * Renders a boot decision as an iPXE script, from the flat templates in `ipxe-scripts/`.
 *
 * A template is text with `{{name}}` in it and nothing else: no conditions, no loops, no code. Values may only hold
 * characters that mean nothing to iPXE (no `$`, `|`, `&`, `#`, quotes or line ends), so no value can become a command.
 * Every template is read and checked once, when the daemon starts: a missing value is a failed start, not a failed boot.
 */
import { type Mac, macDigits } from '../wire/mac.ts';
import { type BootDecision, targetWord } from './decide.ts';

export interface ScriptValues {
  /** `http://10.77.0.1:8080` */
  readonly url: string;
  readonly token: string;
  readonly mac: Mac;
  /** What the machine is called so far: its hardwarename, or its MAC. */
  readonly machine: string;
  readonly kernelArguments: string;
  /** Of a target that is an installer: the token of its work, and its own command line. */
  readonly installer?: { readonly work: string; readonly kernelArguments: string } | undefined;
}

export interface Scripts {
  render(decision: BootDecision, values: ScriptValues): string;
}

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

const PLACEHOLDERS = [
  'url',
  'token',
  'mode',
  'bootif',
  'machine',
  'why',
  'refusal',
  'kernelArguments',
  'work',
  'installerArguments',
] as const;
type Placeholder = (typeof PLACEHOLDERS)[number];

/**
 * @param read the text of a template by its file name; throws when there is none.
 * @throws Error for an unknown placeholder
 */
export function loadScripts(read: (name: string) => string): Scripts {
  const templates = Object.fromEntries(
    Object.entries(TEMPLATES).map(([kind, name]) => [kind, checkTemplate(name, read(name))]),
  ) as Record<keyof typeof TEMPLATES, string>;
  return {
    render(decision, values) {
      const all: Record<Placeholder, string> = {
        url: values.url,
        token: values.token,
        mode: targetWord(decision.target),
        bootif: `01-${(macDigits(values.mac).match(/../g) ?? []).join('-')}`,
        machine: values.machine,
        why: decision.reasons[0] ?? '',
        refusal: decision.delivery.kind === 'refusal' ? decision.delivery.why : '',
        kernelArguments: values.kernelArguments,
        work: values.installer?.work ?? '',
        installerArguments: values.installer?.kernelArguments ?? '',
      };
      return templates[templateOf(decision, values.url)].replace(
        /\{\{(\w+)\}\}/g,
        (_, name: Placeholder) =>
          name === 'installerArguments' ? inertWords(all[name]) : inert(all[name]),
      );
    },
  };
}

/** Keeps what iPXE takes as plain text; every other character becomes a full stop. */
export function inert(value: string): string {
  return value.replace(/[^A-Za-z0-9 ._:,/=+@()-]/g, '.');
}

/** Of an installer's command line, where iPXE takes `;` for the end of a command only as a word of its own. */
export function inertWords(value: string): string {
  return value
    .split(/ +/)
    .filter((word) => word !== '' && word !== ';')
    .map((word) => word.replace(/[^A-Za-z0-9._:,/=+@()~;-]/g, '.'))
    .join(' ');
}

function checkTemplate(name: string, text: string): string {
  for (const [, placeholder] of text.matchAll(/\{\{(.*?)\}\}/g)) {
    if (!PLACEHOLDERS.includes(placeholder as Placeholder)) {
      throw new Error(
        `${name}: unknown placeholder '${placeholder}', known: ${PLACEHOLDERS.join(', ')}`,
      );
    }
  }
  return text;
}
