/**
 * The past and the future of what machines are answered: what one was offered and served at a moment (time travel), and what would
 * change over the whole fleet if the configuration, records, templates or channels were others, before anybody applies it.
 */
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import { parseMoment } from '../../../inventory/past.ts';
import { RECORD_SCHEMAS, type RecordKind, recordName } from '../../../inventory/record-kinds.ts';
import { IMAGE_VERSION, parseImageRef } from '../../../wire/image-ref.ts';
import { needRole } from '../access-rules.ts';
import { principalOf } from '../authenticate.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import { answers } from '../schemas.ts';

const time = z.number().int().describe('Milliseconds since 1970, UTC');
const number = z.number().int();

const past = z
  .object({
    mac: z.string().describe('The NIC that it booted from then'),
    hardwarename: z.string().nullable().describe('Whose NIC that is now'),
    at: time,
    state: z.string().describe('Of the machine, then; `unknown` before it was registered'),
    boot: z.object({ id: z.string(), startedAt: time, arch: z.string() }).nullable(),
    answers: z.array(z.object({ at: time, what: z.string(), detail: z.string() })),
  })
  .meta({ id: 'PastMoment' });

const difference = z.object({
  ...{ machine: z.string(), mac: z.string(), what: z.string() },
  ...{ before: z.string(), after: z.string() },
});

const fleetDiff = z
  .object({
    differences: z.array(difference),
    leases: z.array(difference).describe('Leases that another segment, or none, would look after'),
    zones: z.array(
      z.object({ zone: z.string(), removed: z.array(z.string()), added: z.array(z.string()) }),
    ),
    faults: z.array(z.string()).describe('Why the new zones would be refused'),
    asked: number.describe('Machines asked about: fewer than `machines` when the time was over'),
    machines: number,
    counts: z
      .object({ answers: number, machines: number, leases: number, records: number })
      .describe('Of all that changes, also where the lists are cut'),
  })
  .meta({ id: 'FleetDiff' });

const imageRef = z
  .string()
  .refine((text) => parseImageRef(text) !== undefined, 'debian-12/stable or debian-12@VERSION');

const KINDS = Object.keys(RECORD_SCHEMAS) as [RecordKind, ...RecordKind[]];

const proposal = z
  .strictObject({
    config: z.string().optional().describe('The whole configuration file to be, YAML'),
    records: z
      .array(
        z.strictObject({
          kind: z.enum(KINDS),
          name: recordName,
          doc: z
            .record(z.string(), z.unknown())
            .nullable()
            .describe('As its own route takes it; null: deleted'),
        }),
      )
      .max(100)
      .optional(),
    scripts: z
      .record(z.string().max(64), z.string())
      .optional()
      .describe('Templates of iPXE scripts by the names of their files'),
    templates: z
      .record(imageRef, z.string())
      .optional()
      .describe('Templates of installers by their images, as installs ask for them'),
    channels: z
      .record(imageRef, z.string().regex(IMAGE_VERSION))
      .optional()
      .describe('Versions that channels of images would point to'),
  })
  .refine(
    (proposed) => Object.values(proposed).some((part) => part !== undefined),
    'names nothing that would change',
  );

export function addBeforeAfterRoutes(app: PeopleServer, context: PeopleContext): void {
  app.route({
    method: 'GET',
    url: '/api/v1/past',
    config: { access: 'read' },
    schema: {
      tags: ['boots'],
      summary: 'What a machine was offered and served at a moment of the past, and why',
      querystring: z.strictObject({
        subject: z.string().min(1).max(63).describe('A MAC address or a hardwarename'),
        at: z.string().min(1).max(40).describe('2026-01-31T03:12Z, or milliseconds since 1970'),
      }),
      response: answers(past),
    },
    handler: async ({ query: { subject, at } }) => {
      const moment = parseMoment(at);
      if (moment === undefined)
        throw new AppError('REQUEST_INVALID', {
          detail: `'${at}' is no time such as 2026-01-31T03:12Z.`,
          path: '/at',
        });
      const found = context.inventory.past(subject, moment);
      if (found) return { ...found, answers: found.answers.map((one) => ({ ...one })) };
      const detail = `'${subject}' is neither a MAC address nor a machine on record.`;
      throw new AppError('NOT_FOUND', { detail });
    },
  });
  app.route({
    method: 'POST',
    url: '/api/v1/configuration/diff',
    config: { access: 'operator' },
    schema: {
      tags: ['operations'],
      summary:
        'What would change over the whole fleet (offers, scripts, types, next installs, leases, zones) with another configuration, record, template or channel; changes nothing',
      body: proposal,
      response: answers(fleetDiff),
    },
    handler: async (request) => {
      const { config, scripts } = request.body;
      // They are the appliance's own files, and name others.
      if (config !== undefined || scripts) needRole(principalOf(request), '', 'admin');
      if (!context.fleetDiff)
        throw new AppError('NOT_HERE', { detail: 'Nothing boots from here.' });
      return (await context.fleetDiff(request.body)) as z.output<typeof fleetDiff>;
    },
  });
}
