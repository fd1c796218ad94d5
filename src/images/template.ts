/**
 * Renders what an installer is told: preseed, kickstart, autoinstall and Ignition, from a flat text with places in it.
 *
 * `{{ hostname }}` is a place. There is no condition and no loop, so a template does not become a program, and each one is
 * parsed whole when it comes into the store: a place that nobody fills is found then, not by a machine at night. What is put
 * in is escaped for the format that it stands in; `{{ sshKeys | json }}` asks for another escape by name. A value that cannot
 * be written safely there is an error: a newline in a preseed line would be a second line of it.
 */
import type { TemplateFormat } from '../inventory/images.ts';

/** Every place that a template may have, and `metadata.NAME` for what a job was given. */
const TEMPLATE_VALUES = [
  'hardwarename',
  'hostname',
  'domain',
  'role',
  'squad',
  'site',
  'rack',
  'sshKeys',
  'metadataUrl',
  'phoneHomeUrl',
  'installedUrl',
] as const;

export type TemplateValue = string | readonly string[];
export type TemplateValues = Readonly<Record<string, TemplateValue>>;

type Escape = (value: TemplateValue) => string;

const ESCAPES = { line, shell, json, yaml: json, url, base64 } as const satisfies Record<
  string,
  Escape
>;
export type EscapeName = keyof typeof ESCAPES;

/** How a value is written where the template says nothing. */
const USUAL: Readonly<Record<TemplateFormat, EscapeName>> = {
  preseed: 'line',
  kickstart: 'shell',
  autoinstall: 'yaml',
  ignition: 'json',
};

export type Part =
  | { readonly text: string }
  | { readonly value: string; readonly escape: EscapeName };

const PLACE = /\{\{([^{}\n]*)\}\}/g;
const INSIDE = /^ *([A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z0-9_-]+)?) *(?:\| *([a-z0-9]+) *)?$/;

/** @throws Error that names the line and what is wrong with it */
export function parseTemplate(format: TemplateFormat, text: string): Part[] {
  const parts: Part[] = [];
  let from = 0;
  const wrong = (at: number, why: string): Error =>
    new Error(`line ${text.slice(0, at).split('\n').length}: ${why}`);
  const plain = (to: number): void => {
    const piece = text.slice(from, to);
    const stray = piece.search(/\{\{|\}\}/);
    if (stray >= 0) throw wrong(from + stray, 'a place is {{ name }}, on one line');
    if (piece !== '') parts.push({ text: piece });
  };
  for (const match of text.matchAll(PLACE)) {
    plain(match.index);
    const [, value = '', named = USUAL[format]] = INSIDE.exec(match[1] ?? '') ?? [];
    if (!isKnown(value))
      throw wrong(match.index, `'${(match[1] ?? '').trim()}' is none of ${KNOWN}`);
    if (!isEscape(named))
      throw wrong(match.index, `'${named}' is none of ${Object.keys(ESCAPES).join(', ')}`);
    parts.push({ value, escape: named });
    from = match.index + match[0].length;
  }
  plain(text.length);
  return parts;
}

/**
 * The template of an image.
 * @throws Error as `parseTemplate`, and when no install by it could ever end
 */
export function parseImageTemplate(format: TemplateFormat, text: string): Part[] {
  const parts = parseTemplate(format, text);
  if (parts.some((part) => 'value' in part && part.value === 'phoneHomeUrl')) return parts;
  throw new Error('It has no {{ phoneHomeUrl }}, which the installed system is to POST to.');
}

const KNOWN = `${TEMPLATE_VALUES.join(', ')}, metadata.NAME`;

function isKnown(name: string): boolean {
  return (TEMPLATE_VALUES as readonly string[]).includes(name) || /^metadata\../.test(name);
}

function isEscape(name: string): name is EscapeName {
  return Object.hasOwn(ESCAPES, name);
}

/** @throws Error that names the value which is missing, or which cannot stand where it would */
export function renderTemplate(parts: readonly Part[], values: TemplateValues): string {
  return parts
    .map((part) => {
      if ('text' in part) return part.text;
      const value = Object.hasOwn(values, part.value) ? values[part.value] : undefined;
      if (value === undefined) throw new Error(`there is no value for ${part.value}`);
      try {
        return ESCAPES[part.escape](value);
      } catch (cause) {
        throw new Error(`${part.value}: ${(cause as Error).message}`, { cause });
      }
    })
    .join('');
}

/**
 * A command line for a kernel, with `{{ url }}` and the like in it: iPXE and the kernel split at blanks and know no quotes.
 * @throws Error
 */
export function renderArguments(text: string, values: TemplateValues): string {
  return text.replaceAll(/\{\{ *([A-Za-z0-9._-]*) *\}\}/g, (_place, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (typeof value !== 'string' || !/^[A-Za-z0-9:/._~-]*$/.test(value))
      throw new Error(`'${name}' has no value that can stand on a kernel's command line`);
    return value;
  });
}

/** Places that a command line has beside those of a template: where the rendered template is, as a file or as NoCloud's folder. */
const ARGUMENT_PLACES = ['url', 'seedUrl'];

/**
 * iPXE splits a command line at blanks, expands `$` and ends a command at `;`, `||` and `&&`; there is no way to quote.
 * @throws Error that says what cannot stand there
 */
export function checkArguments(text: string): void {
  const rest = text.replaceAll(/\{\{ *([A-Za-z0-9._-]*) *\}\}/g, (_place, name: string) => {
    if (isKnown(name) || ARGUMENT_PLACES.includes(name)) return '';
    throw new Error(`'${name}' is none of ${ARGUMENT_PLACES.join(', ')}, ${KNOWN}`);
  });
  const odd = /[^A-Za-z0-9 ._:,/=+@()~;-]/.exec(rest)?.[0];
  if (odd !== undefined) throw new Error(`'${odd}' cannot stand on iPXE's command line`);
  if (rest.split(' ').includes(';')) throw new Error("';' alone ends the command");
  // One that never asks for its template could write the disks without our ever knowing that it has begun.
  if (!/\{\{ *(?:url|seedUrl) *\}\}/.test(text))
    throw new Error('it names neither {{ url }} nor {{ seedUrl }}, where the template is');
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/** One value on one line, which takes the rest of it as it is: debconf's, for one. */
function line(value: TemplateValue): string {
  if (typeof value !== 'string')
    throw new Error('a list cannot stand on a line; use shell or json');
  if (CONTROL.test(value)) throw new Error('it has a line break or another control character');
  return value;
}

/** POSIX.1-2017, Shell 2.2.2: within single quotes nothing has a meaning. */
function shell(value: TemplateValue): string {
  const words = typeof value === 'string' ? [value] : value;
  return words
    .map((word) => {
      if (word.includes('\0')) throw new Error('no shell can hold a NUL');
      return `'${word.replaceAll("'", `'\\''`)}'`;
    })
    .join(' ');
}

/**
 * Quotes included. Also for YAML, which takes JSON's strings and lists (1.2, section 1.3), once the line breaks that only
 * YAML 1.1 knows are escaped.
 */
function json(value: TemplateValue): string {
  return JSON.stringify(value).replaceAll(
    /[\u007f-\u009f\u2028\u2029\ufeff]/g,
    (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** As one part of a URL (RFC 3986 section 2.3): a data URL of Ignition, a query. */
function url(value: TemplateValue): string {
  return encodeURIComponent(typeof value === 'string' ? value : value.join('\n')).replaceAll(
    /[!'()*]/g,
    (found) => `%${found.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function base64(value: TemplateValue): string {
  return Buffer.from(typeof value === 'string' ? value : value.join('\n'), 'utf8').toString(
    'base64',
  );
}
