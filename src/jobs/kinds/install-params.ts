/**
 * What an install is asked for with. Parsed at the door, kept with the job as it was given, and read again by whoever
 * carries it out; nothing here is secret but what `userData` and `metadata` are given, and those are read by the machine
 * alone, with a token of this job.
 */
import { z } from 'zod';
import { diskRuleSchema } from '../../install/disk-rule.ts';
import { layoutSchema } from '../../install/layout.ts';
import { isHostname } from '../../inventory/hostnames.ts';
import { parseImageRef } from '../../wire/image-ref.ts';
import { parseIpv4 } from '../../wire/ipv4.ts';

const USER_DATA_CHARS_MAX = 65_536;
const METADATA_CHARS_MAX = 16_384;

/** RFC 4253 section 6.6 and what OpenSSH writes before it; one line, because the file has one key a line. */
const SSH_KEY =
  /^(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com) [A-Za-z0-9+/]{40,}={0,3}( [\x20-\x7e]{0,200})?$/;

const address = z.string().refine((text) => parseIpv4(text) !== undefined, 'an IPv4 address');

const staticNetwork = z.strictObject({
  kind: z.literal('static'),
  address: z
    .string()
    .regex(/^[0-9.]+\/([89]|[12][0-9]|3[0-2])$/, 'as 10.0.0.5/24')
    .refine((text) => parseIpv4(text.split('/')[0] ?? '') !== undefined, 'as 10.0.0.5/24'),
  gateway: address.optional(),
  dns: z.array(address).max(4).default([]),
});

export const networkSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('dhcp') }),
  staticNetwork,
]);
export type InstallNetwork = z.output<typeof networkSchema>;

export const installParams = z.strictObject({
  image: z
    .string()
    .refine((text) => parseImageRef(text) !== undefined, 'debian-12/stable or debian-12@VERSION')
    .describe('A channel (debian-12/stable) or a version (debian-12@20261121)'),
  hostname: z.string().refine(isHostname, 'a host name in lower case').optional(),
  role: z.string().max(100).optional(),
  layout: layoutSchema.optional().describe('A name (plain, lvm, raid1), or the layout itself'),
  disks: diskRuleSchema.optional().describe('Which disks; without a rule the machine has just one'),
  sshKeys: z.array(z.string().max(2000).regex(SSH_KEY, 'one public key')).max(64).default([]),
  metadata: z
    .record(z.string().regex(/^[A-Za-z][A-Za-z0-9_.-]{0,62}$/), z.json())
    .refine((value) => JSON.stringify(value).length <= METADATA_CHARS_MAX, 'too large')
    .optional()
    .describe('For configuration management; in the meta-data of cloud-init too'),
  userData: z.string().max(USER_DATA_CHARS_MAX).optional().describe('For cloud-init, as it is'),
  network: networkSchema.optional(),
  verify: z
    .enum(['sample', 'full'])
    .default('sample')
    .describe('full: every block of a raw image is read back and hashed'),
});

export type InstallParams = z.output<typeof installParams>;
/** As people and provisioning requests write it. */
export type InstallParamsInput = z.input<typeof installParams>;
