/**
 * Settings in a file: YAML, held against a schema, with what is wrong said in words of the file. The appliance's configuration and
 * central's are both read by it.
 */
import { readFileSync } from 'node:fs';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { AppError, unreadable } from '../errors.ts';

export interface SettingsFault {
  /** `dhcp.segments.0.address`, or `the top level`. */
  readonly path: string;
  readonly problem: string;
}

export type SettingsRead<T> =
  | { readonly value: T; readonly faults: readonly [] }
  | { readonly value: undefined; readonly faults: readonly SettingsFault[] };

/** @throws AppError CONFIG_UNREADABLE */
export function readSettingsFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

/** @throws AppError CONFIG_INVALID naming each place and, for an unknown key, the likely one */
export function parseSettings<S extends z.ZodType>(schema: S, text: string): z.output<S> {
  const { value, faults } = readSettings(schema, text);
  if (faults.length > 0) throw invalidSettings(faults);
  return value as z.output<S>;
}

export function invalidSettings(faults: readonly SettingsFault[]): AppError {
  const lines = faults.map(({ path, problem }) => `\n  ${path}: ${problem}`);
  return new AppError('CONFIG_INVALID', { detail: lines.join('') });
}

export function readSettings<S extends z.ZodType>(
  schema: S,
  text: string,
): SettingsRead<z.output<S>> {
  let document: unknown;
  try {
    document = parseYaml(text) ?? {};
  } catch (cause) {
    const problem = `is no YAML: ${(cause as Error).message}`;
    return { value: undefined, faults: [{ path: 'the file', problem }] };
  }
  const result = schema.safeParse(document);
  if (result.success) return { value: result.data, faults: [] };
  const faults = result.error.issues.flatMap((issue): SettingsFault[] => {
    const path = issue.path.join('.') || 'the top level';
    if (issue.code !== 'unrecognized_keys')
      return [{ path, problem: wordsOf(issue, issue.path.reduce(valueAt, document)) }];
    return issue.keys.map((key) => ({
      ...{ path, problem: `unknown key '${key}'${suggestion(schema, key, issue.path)}` },
    }));
  });
  return { value: undefined, faults };
}

const valueAt = (value: unknown, key: PropertyKey): unknown =>
  (value as Record<PropertyKey, unknown> | null | undefined)?.[key];

const KINDS: Readonly<Record<string, string>> = {
  ...{ object: 'a group of keys', array: 'a list', string: 'text', number: 'a number' },
  ...{ int: 'a whole number', boolean: 'true or false' },
};

/** What is wrong with a value, for who wrote it; where a schema has words of its own, these. */
function wordsOf(issue: z.core.$ZodIssue, value: unknown): string {
  if (!/^(Invalid (input|option)|Too (big|small))/.test(issue.message)) return issue.message;
  if (value === undefined) return 'is missing';
  if (value === null) return 'has no value: leave the key out for its default';
  switch (issue.code) {
    case 'invalid_type': {
      const quoted = issue.expected === 'number' && typeof value === 'string';
      return `has to be ${KINDS[issue.expected] ?? issue.expected}${quoted ? ', without quotes' : ''}`;
    }
    case 'invalid_value':
      return typeof value === 'object'
        ? `has to be one of ${issue.values.join(', ')}`
        : `'${value}' is none of ${issue.values.join(', ')}`;
    case 'too_big':
      return `has to be ${boundOf(issue.origin)}at most ${issue.maximum}`;
    case 'too_small':
      return `has to be ${boundOf(issue.origin)}at least ${issue.minimum}`;
    default:
      return issue.message;
  }
}

/** Of text and lists the length is bounded, of numbers the value. */
const boundOf = (origin: string): string =>
  origin === 'string' ? 'of a length of ' : origin === 'array' ? 'a list of ' : '';

/** Every key that a file may hold, as dotted paths (`dhcp.segments.iface`). */
export function keysOf(schema: z.ZodType): string[] {
  const keys: string[] = [];
  const walk = (node: unknown, prefix: string): void => {
    const { properties, items } = node as { properties?: Record<string, unknown>; items?: unknown };
    if (items) walk(items, prefix);
    for (const [name, child] of Object.entries(properties ?? {})) {
      const path = prefix ? `${prefix}.${name}` : name;
      const before = keys.length;
      walk(child, path);
      if (keys.length === before) keys.push(path);
    }
  };
  walk(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }), '');
  return keys;
}

/** The likely one of the keys that may stand there; of all, where what may stand there is one of several forms. */
function suggestion(schema: z.ZodType, key: string, path: readonly PropertyKey[]): string {
  const place = path.filter((part) => typeof part === 'string');
  const paths = keysOf(schema).map((each) => each.split('.'));
  const there = paths.filter((each) => place.every((part, at) => each[at] === part));
  const names = new Set(there.flatMap((each) => each[place.length] ?? []));
  if (names.size === 0) for (const name of paths.flat()) names.add(name);
  names.delete(key);
  const nearest = [...names]
    .map((name) => ({ name, distance: editDistance(key.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0];
  return nearest && nearest.distance <= Math.max(2, key.length / 3)
    ? ` (did you mean '${nearest.name}'?)`
    : '';
}

/** Levenshtein's distance: insertions, deletions and replacements. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
