/**
 * The `dns` part of the configuration file: parsed once, with the lab's defaults.
 */
import { z } from 'zod';
import { TTL_MAX } from './types.ts';

const ttl = z.number().int().min(0).max(TTL_MAX);
const port = z.number().int().min(1).max(65_535);
const name = z.string().min(1).max(253);

const nameserver = z.strictObject({ name, addresses: z.array(z.string()).default([]) });
const secondary = z.strictObject({
  address: z.string(),
  port: port.default(53),
  key: z.string().optional(),
});
const key = z.strictObject({
  name,
  algorithm: z.enum(['hmac-sha256', 'hmac-sha512']).default('hmac-sha256'),
  /** Base64. RFC 8945 section 6: at least as long as the hash's output halved. */
  secret: z.base64().min(22),
});
const alias = z.strictObject({ role: z.string().min(1), name });
const service = z.strictObject({
  role: z.string().min(1),
  name,
  port,
  priority: z.number().int().min(0).max(65_535).default(0),
  weight: z.number().int().min(0).max(65_535).default(0),
});

const days = z.number().min(0).max(3650);

const dnssec = z.strictObject({
  enabled: z.boolean().default(false),
  /** Relative to the domain, or absolute with a final dot; none: all but the catalog. */
  zones: z.array(name).default([]),
  /** Age at which a zone-signing key is replaced; 0 for only on command. */
  zskDays: days.default(90),
  kskDays: days.default(0),
  /** How long a signature is valid. A secondary that cannot reach us must not outlive it. */
  signatureDays: z.number().min(1).max(90).default(21),
  /** How often secondaries get new ones. */
  renewDays: z.number().min(0.5).max(30).default(7),
  /** Until every secondary has a change. */
  propagationSeconds: z.number().int().min(0).max(604_800).default(3600),
  /** TTL of DS records at the parent. */
  dsTtlSeconds: z.number().int().min(0).max(604_800).default(86_400),
  /** Until every server of the parent has a change of the parent's. */
  parentPropagationSeconds: z.number().int().min(0).max(604_800).default(3600),
});

export const dnsSchema = z.strictObject({
  enabled: z.boolean().default(true),
  /** Addresses to listen on; none: those of the DHCP segments. */
  listen: z.array(z.string()).default([]),
  port: port.default(53),
  /** UDP threads for each address. */
  threads: z.number().int().min(1).max(64).default(1),
  /** None: that of the first DHCP segment. */
  domain: name.optional(),
  bmcSubdomain: name.default('bmc'),
  contact: name.optional(),
  nameservers: z.array(nameserver).default([]),
  /** Networks whose reverse zones are ours; none: those of the DHCP segments. */
  networks: z.array(z.string()).default([]),
  ttl: z
    .strictObject({
      hostname: ttl.default(300),
      hardwarename: ttl.default(300),
      bmc: ttl.default(3600),
      reverse: ttl.default(300),
      role: ttl.default(60),
      infrastructure: ttl.default(3600),
    })
    .prefault({}),
  aliases: z.array(alias).default([]),
  services: z.array(service).default([]),
  catalog: name.optional(),
  secondaries: z.array(secondary).default([]),
  keys: z.array(key).default([]),
  /** Networks that may transfer zones without a key. */
  transferTo: z.array(z.string()).default([]),
  dnssec: dnssec.prefault({}),
  shrinkShareMax: z.number().min(0).max(1).default(0.2),
  responsesPerSecond: z.number().int().min(0).max(1_000_000).default(1000),
  version: z.string().max(255).optional(),
  nsid: z.string().max(64).optional(),
});

export type DnsSettings = z.output<typeof dnsSchema>;
