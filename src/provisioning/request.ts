/**
 * What is asked for: so many machines of a role at a site, with this hardware and this image. Requests and pools share the
 * form; a pool is a wish that lasts. Parsed at the door into one document that is kept as it is.
 */
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { recordName, text } from '../inventory/record-kinds.ts';
import { limit } from '../limits.ts';
import { hardwareSchema } from './hardware.ts';
import { HARDWARE_TEXT_SAYS, parseHardware } from './hardware-text.ts';

/** As naming rules have it (inventory/record-kinds.ts). */
const pattern = z
  .string()
  .min(1)
  .max(128)
  .regex(
    /^(?:[a-z0-9.-]|\{(?:role|site|serial|n(?::[1-9])?|random:(?:[3-9]|1[0-6]))\})+$/,
    'only a-z 0-9 . - and {role} {site} {serial} {n} {n:4} {random:5}',
  )
  .refine((value) => /\{(?:n|random|serial)/.test(value), 'needs {n}, {random} or {serial}');

const spreadSchema = z.strictObject({
  perRackMax: z.number().int().min(1).max(1000).optional().describe('At most so many in one rack'),
  even: z.boolean().optional().describe('As even over the racks as possible, before all else'),
});

/** What requests and pools have in common. */
export const templateFields = {
  site: text.min(1).max(63).optional().describe('Datacenter; the appliance’s own when absent'),
  hall: text.min(1).optional(),
  racks: z.array(recordName).min(1).max(500).optional().describe('Only in these'),
  role: recordName.describe('What the machines will do: e.g. fancydb'),
  squad: recordName.optional().describe('The team that gets them'),
  owner: text.max(100).optional().describe('The person to ask; whoever asks when absent'),
  hardware: z
    .union([z.string().max(1000), hardwareSchema])
    .default({})
    .describe('In words ("2 NVMe >= 1 TB, 256 GB memory") or as JSON; docs/provisioning.md'),
  spread: spreadSchema.default({}),
  image: z.string().min(1).max(130).describe('debian-12/stable, or debian-12@VERSION'),
  sshKeys: z.array(z.string().max(2000)).max(64).default([]),
  install: z
    .record(z.string().max(63), z.unknown())
    .default({})
    .describe('More parameters of the install job: layout, disks, metadata, userData, ...'),
  hostname: z
    .strictObject({ pattern, first: z.number().int().min(0).max(999_999_999).default(1) })
    .optional()
    .describe('How they are called; the naming rule of role and site when absent'),
  parallel: z
    .number()
    .int()
    .min(1)
    .max(1000)
    .default(100)
    .describe('At most so many installs at once'),
};

export const requestSchema = z.strictObject({
  ...templateFields,
  count: z.number().int().min(1).max(limit('requestMachinesMax')),
  priority: z.number().int().min(-1000).max(1000).default(0).describe('Higher goes first'),
  why: text.default('').describe('Stands in the history'),
});

export type RequestBody = z.output<typeof requestSchema>;

/** A wish as it is kept: the hardware parsed, the site known, the image a version that stays. */
export interface RequestDoc
  extends Omit<RequestBody, 'hardware' | 'site' | 'squad' | 'owner' | 'image'> {
  readonly hardware: z.output<typeof hardwareSchema>;
  readonly site: string;
  readonly squad: string;
  readonly owner: string;
  /** `NAME@VERSION`: all machines of a request get the same. */
  readonly image: string;
  /** As it was asked for, perhaps a channel. */
  readonly imageAsked: string;
}

/** @throws AppError REQUEST_INVALID that points at the place in the text */
export function readHardware(
  given: string | z.output<typeof hardwareSchema>,
): z.output<typeof hardwareSchema> {
  if (typeof given !== 'string') return given;
  if (given.trim() === '') return {};
  const parsed = parseHardware(given);
  if (parsed.ok) return parsed.value;
  const rest = given.slice(parsed.at, parsed.at + 20);
  const where = rest === '' ? 'at the end' : `at character ${parsed.at + 1}, '${rest}'`;
  throw new AppError('REQUEST_INVALID', {
    detail: `Hardware, ${where}: ${HARDWARE_TEXT_SAYS[parsed.code]}.`,
    path: '/hardware',
    more: { at: parsed.at },
  });
}
