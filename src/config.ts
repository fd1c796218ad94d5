/**
 * The one configuration file: YAML, schema-checked, unknown keys refused with the likely misspelling.
 *
 * With no file the daemon serves the virtual lab, so every default below is a lab default. Parsing ends in readonly,
 * branded values; nothing behind this file sees text that could be wrong.
 */
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { bmcSchema } from './bmc/settings.ts';
import { bootSchema } from './boot/settings.ts';
import { consolesSchema } from './console/settings.ts';
import { dhcpSchema } from './dhcp/settings.ts';
import { dnsSchema } from './dns/settings.ts';
import { oidcSchema } from './http/people/oidc-settings.ts';
import { imagesSchema } from './images/settings.ts';
import { jobsSchema } from './jobs/settings.ts';
import {
  keysOf,
  parseSettings,
  readSettings,
  readSettingsFile,
  type SettingsRead,
} from './platform/settings-text.ts';
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

/** Parses configuration text. @throws AppError CONFIG_INVALID naming each place and, for an unknown key, the likely one. */
export function parseConfig(text: string): Config {
  return parseSettings(schema, text);
}

/** What it says, or all that is wrong with it. */
export const readConfig = (text: string): SettingsRead<Config> => readSettings(schema, text);

/** Reads a configuration file; with no file, the lab's defaults. */
export function loadConfig(file: string | undefined): Config {
  return parseConfig(file === undefined ? '' : readSettingsFile(file));
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
export const configKeys = (): string[] => keysOf(schema);
