/**
 * What a machine's role brings to each install of it: metadata, keys, user-data. What a job itself is given comes before it.
 *
 * A role here is what a machine does (`fancydb`), not what a person may. Its record is optional, and only read when an install
 * begins: what is changed later reaches a machine with its next install. It is as public as all records are, so secrets do not
 * belong in it.
 */
import { z } from 'zod';
import { limit } from '../limits.ts';

const USER_DATA_CHARS_MAX = 65_536;
const METADATA_CHARS_MAX = 16_384;

/** What NoCloud's meta-data says of each machine by itself; a second key of that name would replace it. */
const TAKEN: readonly string[] = [
  ...['instance-id', 'local-hostname', 'public-keys', 'hardwarename', 'role', 'squad', 'site'],
];

/** RFC 4253 section 6.6 and what OpenSSH writes before it; one line, because the file has one key a line. */
const SSH_KEY =
  /^(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com) [A-Za-z0-9+/]{40,}={0,3}( [\x20-\x7e]{0,200})?$/;

/** It comes as JSON, or is YAML that the command line has read: its values are JSON's. */
export const metadataSchema = z
  .record(z.string().regex(/^[A-Za-z][A-Za-z0-9_.-]{0,62}$/), z.unknown())
  .refine((value) => JSON.stringify(value).length <= METADATA_CHARS_MAX, 'too large')
  .refine(
    (value) => !Object.keys(value).some((name) => TAKEN.includes(name)),
    `these are said of each machine by itself: ${TAKEN.join(', ')}`,
  );

export const sshKeysSchema = z.array(z.string().max(2000).regex(SSH_KEY, 'one public key')).max(64);

export const userDataSchema = z.string().max(USER_DATA_CHARS_MAX);

export const roleSchema = z.strictObject({
  metadata: metadataSchema.default({}),
  sshKeys: sshKeysSchema.default([]),
  /** For cloud-init, where the job brings none. */
  userData: userDataSchema.default(''),
  notes: z.string().max(limit('notesCharsMax')).default(''),
});

export type RoleRecord = z.output<typeof roleSchema>;
