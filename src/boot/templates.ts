/**
 * Flat templates of the scripts that boot loaders are given: text with `{{name}}` in it and nothing else, no conditions, no loops,
 * no code. All are read and checked once, when the daemon starts: a missing value is a failed start, not a failed boot. How a
 * value is written so that it cannot become a command is up to the language (render-ipxe.ts, render-grub.ts).
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
export type Placeholder = (typeof PLACEHOLDERS)[number];

export type Values = Readonly<Record<Placeholder, string>>;

/** What the placeholders stand for, as it is: nothing of it is safe in a script yet. */
export function valuesOf(decision: BootDecision, values: ScriptValues): Values {
  return {
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
}

/** Fills one template: `written` says how a value is put down in this language. */
export type Fill<Kind extends string> = (
  kind: Kind,
  written: (name: Placeholder) => string,
) => string;

/**
 * @param names the files of the templates
 * @param read the text of a template by its file name; throws when there is none
 * @throws Error for an unknown placeholder
 */
export function loadTemplates<Kind extends string>(
  names: Readonly<Record<Kind, string>>,
  read: (name: string) => string,
): Fill<Kind> {
  const templates = new Map(
    Object.entries<string>(names).map(([kind, name]) => [kind, checked(name, read(name))]),
  );
  return (kind, written) =>
    (templates.get(kind) ?? '').replace(/\{\{(\w+)\}\}/g, (_, name: Placeholder) => written(name));
}

/** Keeps what a loader takes as plain text inside of a word or of quotes; every other character becomes a full stop. */
export function inert(value: string): string {
  return value.replace(/[^A-Za-z0-9 ._:,/=+@()-]/g, '.');
}

/** The words of an installer's command line, which may hold more: `~` and `;` are plain within a word. */
export function inertWords(value: string): string[] {
  return value
    .split(/ +/)
    .filter((word) => word !== '' && word !== ';')
    .map((word) => word.replace(/[^A-Za-z0-9._:,/=+@()~;-]/g, '.'));
}

function checked(name: string, text: string): string {
  for (const [, placeholder] of text.matchAll(/\{\{(.*?)\}\}/g)) {
    if (!PLACEHOLDERS.includes(placeholder as Placeholder)) {
      throw new Error(
        `${name}: unknown placeholder '${placeholder}', known: ${PLACEHOLDERS.join(', ')}`,
      );
    }
  }
  return text;
}
