/** Schemas that several routes share. What is documented here is what validates and what the typed client is made from. */
import { z } from 'zod';
import { ROLES } from '../../inventory/access.ts';
import { FIELD_NAMES, type FieldName, MACHINE_FIELDS } from '../../inventory/machine-fields.ts';
import { recordName, text } from '../../inventory/record-kinds.ts';
import { MACHINE_STATES } from '../../inventory/states.ts';
import { limit } from '../../limits.ts';

const time = z.number().int().describe('Milliseconds since 1970, UTC');

const OUTPUT = {
  text: z.string(),
  date: z.string(),
  integer: z.number().int(),
  time: time.nullable(),
  flag: z.boolean(),
  list: z.array(z.string()),
  map: z.record(z.string(), z.string()),
} as const;

const outputOf = (name: FieldName) => {
  const { type, says } = MACHINE_FIELDS[name];
  return OUTPUT[type].describe(says);
};

const nicView = z
  .object({
    mac: z.string(),
    name: z.string(),
    address: z.string(),
    subnet: z.string(),
    switch: z.string(),
    port: z.string(),
    speedMbps: z.number().int(),
  })
  .meta({ id: 'Nic' });

/** A machine as lists show it; `hardware` where it was asked for. */
export const machineView = z
  .object({
    ...Object.fromEntries(FIELD_NAMES.map((name) => [name, outputOf(name)])),
    nics: z.array(nicView),
    hardware: z.record(z.string(), z.unknown()).optional().describe('The last report.'),
  })
  .meta({ id: 'Machine' });

const problemView = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    code: z.string().describe('Stable; docs/errors.md lists every one.'),
    detail: z.string().optional(),
    path: z.string().optional().describe('JSON pointer to the part that failed.'),
    requestId: z.string(),
  })
  .catchall(z.unknown())
  .meta({ id: 'Problem' });

export const eventView = z
  .object({
    id: z.number().int(),
    at: time,
    name: z.string(),
    data: z.record(z.string(), z.unknown()),
    mac: z.string().optional(),
    boot: z.string().optional(),
    hardwarename: z.string().optional(),
  })
  .meta({ id: 'Event' });

export const hardwarenameText = z.string().min(1).max(63);
export const machineParams = z.object({ hardwarename: hardwarenameText });
export const nameParams = z.object({ name: recordName });
export const idParams = z.object({ id: z.string().min(1).max(64) });
export const stateName = z.enum(MACHINE_STATES);
export const why = text.min(1).describe('Why: it stands in the history.');
export const whyQuery = z.strictObject({ why: why.optional() });
export const role = z.enum(ROLES);
export const squadRoles = z
  .record(recordName, role)
  .refine((squads) => Object.keys(squads).length <= 100, 'too many squads');

export const pageSize = (fallback: number) =>
  z.coerce.number().int().min(1).max(limit('listPageMax')).default(fallback);

export const pageQuery = { limit: pageSize(100) };

/** Each kind of answer that a route may give, with the problem document for all that is not 2xx. */
export function answers<Schema extends z.ZodType>(schema: Schema, status = 200) {
  return { [status]: schema, default: problem } as const;
}

const problem = {
  description: 'Anything else, as a problem document',
  content: { 'application/problem+json': { schema: problemView } },
} as const;

export const nothing = z.undefined().describe('Done; nothing to say.');
