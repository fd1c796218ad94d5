/**
 * What an install is asked for with. Parsed at the door, kept with the job as it was given, and read again by whoever
 * carries it out; nothing here is secret but what `userData` and `metadata` are given, and those are read by the machine
 * alone, with a token of this job.
 */
import { z } from 'zod';
import { diskRuleSchema } from '../../install/disk-rule.ts';
import { layoutSchema } from '../../install/layout.ts';
import { isHostname } from '../../inventory/hostnames.ts';
import { metadataSchema, sshKeysSchema, userDataSchema } from '../../inventory/role-record.ts';
import { parseImageRef } from '../../wire/image-ref.ts';
import { parseIpv4 } from '../../wire/ipv4.ts';

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

const networkSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('dhcp') }),
  staticNetwork,
]);

export const installParams = z.strictObject({
  image: z
    .string()
    .refine((text) => parseImageRef(text) !== undefined, 'debian-12/stable or debian-12@VERSION')
    .describe('A channel (debian-12/stable) or a version (debian-12@20261121)'),
  hostname: z.string().refine(isHostname, 'a host name in lower case').optional(),
  role: z.string().max(100).optional(),
  layout: layoutSchema.optional().describe('A name (plain, lvm, raid1), or the layout itself'),
  disks: diskRuleSchema.optional().describe('Which disks; without a rule the machine has just one'),
  sshKeys: sshKeysSchema.default([]).describe('Beside those of the role'),
  metadata: metadataSchema
    .optional()
    .describe("For configuration management, and in cloud-init's meta-data; over the role's"),
  userData: userDataSchema.optional().describe("For cloud-init, as it is; instead of the role's"),
  network: networkSchema.optional(),
  verify: z
    .enum(['sample', 'full'])
    .default('sample')
    .describe('full: every block of a raw image is read back and hashed'),
});

export type InstallParams = z.output<typeof installParams>;
