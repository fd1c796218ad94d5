/**
 * The one configuration file: YAML, schema-checked, unknown keys refused with the likely misspelling.
 *
 * With no file the daemon serves the virtual lab, so every default below is a lab default. Parsing ends in readonly,
 * branded values; nothing behind this file sees text that could be wrong.
 */
import { readFileSync } from 'node:fs';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { bmcSchema } from './bmc/settings.ts';
import { bootSchema } from './boot/settings.ts';
import { consolesSchema } from './console/settings.ts';
import { dhcpSchema } from './dhcp/settings.ts';
import { dnsSchema } from './dns/settings.ts';
import { AppError, unreadable } from './errors.ts';
import { oidcSchema } from './http/people/oidc-settings.ts';
import { imagesSchema } from './images/settings.ts';
import { jobsSchema } from './jobs/settings.ts';
import { provisioningSchema } from './provisioning/settings.ts';
import { standbySchema } from './standby/settings.ts';
import { type Cidr, formatCidr, formatIpv4, type Ipv4 } from './wire/ipv4.ts';
import { cidrSchema, ipv4Schema } from './wire/schema.ts';

const port = z.number().int().min(1).max(65_535);

/** A PEM file, or one for each type of key. */
const pemFiles = z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(4)]);

const schema = z.strictObject({
  site: z.string().min(1).max(63).default('lab'),
  log: z
    .strictObject({
      level: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info'),
      file: z.string().optional(),
    })
    .prefault({}),
  database: z
    .strictObject({
      file: z.string().default('var/reveille.db'),
      keyFile: z.string().default(''),
      backups: z.string().default(''),
    })
    .prefault({}),
  events: z
    .strictObject({
      keepBootDays: z.number().int().min(1).max(36_500).default(90),
      keepDays: z.number().int().min(1).max(36_500).default(1095),
    })
    .prefault({}),
  recorder: z
    .strictObject({
      enabled: z.boolean().default(true),
      quietSeconds: z.number().int().min(1).max(3600).default(120),
    })
    .prefault({}),
  dhcp: dhcpSchema.prefault({}),
  tftp: z.strictObject({ port: port.default(69) }).prefault({}),
  dns: dnsSchema.prefault({}),
  boot: bootSchema.prefault({}),
  jobs: jobsSchema.prefault({}),
  images: imagesSchema.prefault({}),
  bmc: bmcSchema.prefault({}),
  federation: z
    .strictObject({
      folder: z.string().default(''),
      /** What images of the fleet may take of the way to central; 0 sets no bound. */
      imagesMbps: z.number().int().min(0).max(1_000_000).default(200),
    })
    .prefault({}),
  standby: standbySchema.optional(),
  consoles: consolesSchema.prefault({}),
  provisioning: provisioningSchema.prefault({}),
  machineHttp: z
    .strictObject({
      port: port.default(8080),
      tls: z
        .strictObject({
          port: port.default(8443),
          cert: pemFiles,
          key: pemFiles,
          ca: z.string().min(1),
          offer: z.boolean().default(false),
          offerFirmware: z.boolean().default(false),
        })
        .optional(),
    })
    .prefault({}),
  peopleHttp: z
    .strictObject({
      address: ipv4Schema.prefault('0.0.0.0'),
      port: port.default(8081),
      ui: z.string().default('build/ui'),
      anonymousRead: z
        .union([z.boolean(), z.array(cidrSchema).max(64)], {
          error: 'is true, false or a list of networks such as 10.20.0.0/16',
        })
        .prefault(['127.0.0.0/8']),
      webhookNetworks: z.array(cidrSchema).max(64).prefault([]),
      requestsPerSecond: z.number().int().min(1).max(1_000_000).default(200),
      oidc: oidcSchema.optional(),
      tls: z
        .strictObject({ cert: pemFiles, key: pemFiles, redirectPort: port.optional() })
        .optional(),
    })
    .prefault({}),
});

export type Config = z.output<typeof schema>;

export interface ConfigFault {
  /** `dhcp.segments.0.address`, or `the top level`. */
  readonly path: string;
  readonly problem: string;
}

/** Parses configuration text. @throws AppError CONFIG_INVALID naming each place and, for an unknown key, the likely one. */
export function parseConfig(text: string): Config {
  const result = readConfig(text);
  if (result.config) return result.config;
  throw invalidConfig(result.faults);
}

export function invalidConfig(faults: readonly ConfigFault[]): AppError {
  const lines = faults.map(({ path, problem }) => `\n  ${path}: ${problem}`);
  return new AppError('CONFIG_INVALID', { detail: lines.join('') });
}

/** What it says, or all that is wrong with it. */
export function readConfig(
  text: string,
): { readonly config: Config } | { readonly config?: undefined; readonly faults: ConfigFault[] } {
  let document: unknown;
  try {
    document = parseYaml(text) ?? {};
  } catch (cause) {
    return { faults: [{ path: 'the file', problem: `is no YAML: ${(cause as Error).message}` }] };
  }
  const result = schema.safeParse(document);
  if (result.success) return { config: result.data };
  const faults = result.error.issues.flatMap((issue): ConfigFault[] => {
    const path = issue.path.join('.') || 'the top level';
    if (issue.code !== 'unrecognized_keys')
      return [{ path, problem: wordsOf(issue, issue.path.reduce(valueAt, document)) }];
    return issue.keys.map((key) => ({
      ...{ path, problem: `unknown key '${key}'${suggestion(key, issue.path)}` },
    }));
  });
  return { faults };
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

/** Reads a configuration file; with no file, the lab's defaults. */
export function loadConfig(file: string | undefined): Config {
  return parseConfig(file === undefined ? '' : readConfigFile(file));
}

/** @throws AppError CONFIG_UNREADABLE */
export function readConfigFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

export interface ConfigRow {
  /** `dhcp.segments.0.iface` */
  readonly key: string;
  /** As JSON; what is secret shows as …. */
  readonly value: string;
  readonly origin: 'file' | 'default';
}

/** Where a number is an IPv4 address, as the schemas have it. */
const ADDRESS = /\.(?:address|first|last|via)$|\.(?:routers|dns|ntp|logServers|ipv4)\.\d+$/;
const cidrShape = z.strictObject({ network: z.number(), prefixBits: z.number() });

/** As the file would say it: networks and addresses are numbers only in here. */
function asWritten(value: unknown, key: string): unknown {
  if (typeof value === 'number') return ADDRESS.test(key) ? formatIpv4(value as Ipv4) : value;
  const cidr = cidrShape.safeParse(value);
  return cidr.success ? formatCidr(cidr.data as Cidr) : value;
}

const SECRET = /(?:secret|password|passphrase)$/i;

/** Every value that is in force, and whether it was written in the file. @param text the file, '' for none */
export function describeConfig(config: Config, text: string): ConfigRow[] {
  const rows: ConfigRow[] = [];
  const walk = (inForce: unknown, written: unknown, key: string): void => {
    const value = asWritten(inForce, key);
    if (typeof value === 'object' && value !== null && Object.keys(value).length > 0) {
      const below = typeof written === 'object' && written !== null ? written : {};
      for (const [name, child] of Object.entries(value))
        walk(child, (below as Record<string, unknown>)[name], key ? `${key}.${name}` : name);
      return;
    }
    const plain = (JSON.stringify(value) ?? '').replace(/:\/\/[^/@]*@/, '://…@');
    const shown = SECRET.test(key) && plain !== '' ? '…' : plain;
    rows.push({ key, value: shown, origin: written === undefined ? 'default' : 'file' });
  };
  walk(config, parseYaml(text) ?? {}, '');
  return rows;
}

/** Every key that the file may hold, as dotted paths (`dhcp.segments.iface`); docs/configuration.md lists the same. */
export function configKeys(): string[] {
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
function suggestion(key: string, path: readonly PropertyKey[]): string {
  const place = path.filter((part) => typeof part === 'string');
  const paths = configKeys().map((each) => each.split('.'));
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
