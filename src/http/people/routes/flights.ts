/** Why machines did not boot: diagnoses, the records behind them, what was learned of hardware, and how long boots take. */
import { z } from 'zod';
import { isValueOf } from '../../../boot/quirks.ts';
import type { Flight } from '../../../diagnose/flight.ts';
import { DIAGNOSES, RULES, ruleOf } from '../../../diagnose/table.ts';
import { AppError } from '../../../errors.ts';
import type { Principal } from '../../../inventory/access.ts';
import { QUIRK_TRAITS } from '../../../inventory/quirks.ts';
import { limit } from '../../../limits.ts';
import { captureOf } from '../../../recorder/export.ts';
import type { KeptDiagnosis } from '../../../recorder/store.ts';
import type { BootId, Hardwarename } from '../../../wire/ids.ts';
import { parseMac } from '../../../wire/mac.ts';
import { mayReadConsole } from '../access-rules.ts';
import { principalOf } from '../authenticate.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import { answers, idParams, nothing } from '../schemas.ts';

const time = z.number().int().describe('Milliseconds since 1970, UTC');
const document = z.record(z.string(), z.unknown());

const diagnosisView = z
  .object({
    id: z.number().int(),
    boot: z.string().describe('Empty: it was switched on, and no boot came of it'),
    mac: z.string(),
    hardwarename: z.string(),
    name: z.string().describe('A row of docs/diagnoses.md'),
    title: z.string(),
    confidence: z.string(),
    place: z.string().describe('How far the boot got'),
    evidence: z.array(z.string()),
    says: z.string(),
    next: z.string(),
    not: z.record(z.string(), z.string()).describe('What looks like it, and how it differs'),
    also: z.array(z.string()).describe('Others that fit'),
    at: time,
    endedAt: time.nullable().describe('When the machine went on after all'),
    site: z.string(),
    rack: z.string(),
    switch: z.string(),
    port: z.string(),
    model: z.string(),
  })
  .meta({ id: 'Diagnosis' });

const ruleView = z.object({
  name: z.string(),
  title: z.string(),
  confidence: z.string(),
  says: z.string(),
  next: z.string(),
  not: z.record(z.string(), z.string()),
  remedy: z.string(),
});

const quirkKey = {
  scope: z.enum(['machine', 'model']),
  subject: z.string().min(1).max(200).describe('A MAC, or vendor / product / firmware'),
  trait: z.enum(QUIRK_TRAITS),
  value: z.string().min(1).max(128),
};
const quirkBody = z.strictObject({
  ...quirkKey,
  outcome: z.enum(['works', 'fails']),
  why: z.string().min(1).max(500),
});
const quirkView = z
  .object({
    ...quirkKey,
    outcome: z.string(),
    source: z.string().describe('learned, or who wrote it'),
    why: z.string(),
    times: z.number().int(),
    at: time,
  })
  .meta({ id: 'Quirk' });

/** A kept row with the words of its rule. */
export function showDiagnosis(kept: KeptDiagnosis): z.output<typeof diagnosisView> {
  const rule = ruleOf(kept.name);
  return {
    ...kept,
    boot: kept.boot ?? '',
    title: rule?.title ?? kept.name,
    says: rule?.says ?? '',
    next: rule?.next ?? '',
    not: { ...rule?.not },
    evidence: [...kept.evidence],
    also: [...kept.also],
    endedAt: kept.endedAt ?? null,
  };
}

function recorderOf({ recorder }: PeopleContext) {
  if (!recorder) throw new AppError('NOT_HERE', { detail: 'No flight recorder runs here.' });
  return recorder;
}

/** A record without its console for whoever may not read that console (routes/console.ts). */
function shownTo({ inventory }: PeopleContext, principal: Principal, flight: Flight): Flight {
  const recording = inventory.consoles.ofBoot(flight.boot);
  const machine = recording && inventory.machines.record(recording.hardwarename as Hardwarename);
  if (mayReadConsole(principal, machine?.squad ?? '')) return flight;
  return { ...flight, entries: flight.entries.filter(({ kind }) => kind !== 'console') };
}

export function addDiagnosisRoutes(app: PeopleServer, context: PeopleContext): void {
  app.route({
    method: 'GET',
    url: '/api/v1/diagnoses',
    config: { access: 'read' },
    schema: {
      tags: ['boots'],
      summary: 'Why boots stopped, the newest first',
      querystring: z.strictObject({
        hardwarename: z.string().max(63).optional(),
        mac: z.string().max(17).optional(),
        boot: z.string().max(12).optional(),
        name: z.string().max(64).optional(),
        open: z.enum(['true', 'false']).optional().describe('Only those that have not ended'),
        limit: z.coerce.number().int().min(1).max(limit('listPageMax')).default(100),
      }),
      response: answers(z.object({ diagnoses: z.array(diagnosisView) })),
    },
    handler: async (request, reply) => {
      const { open, ...query } = request.query;
      const kept = recorderOf(context).store.list({ ...query, open: open === 'true' });
      return reply.send({ diagnoses: kept.map(showDiagnosis) });
    },
  });
  app.route({
    method: 'GET',
    url: '/api/v1/diagnoses/counts',
    config: { access: 'read' },
    schema: {
      tags: ['boots'],
      summary: 'How often each was made, by rack, switch and model',
      response: answers(
        z.object({
          counts: z.array(
            z.object({
              ...{ name: z.string(), site: z.string(), rack: z.string() },
              ...{ switch: z.string(), model: z.string() },
              ...{ total: z.number().int(), open: z.number().int() },
            }),
          ),
        }),
      ),
    },
    handler: async (_request, reply) =>
      reply.send({ counts: recorderOf(context).store.counts(limit('listPageMax')) }),
  });
  app.route({
    method: 'GET',
    url: '/api/v1/diagnoses/rules',
    config: { access: 'read' },
    schema: {
      tags: ['boots'],
      summary: 'Every diagnosis that there is',
      response: answers(z.object({ rules: z.array(ruleView) })),
    },
    handler: async (_request, reply) =>
      reply.send({
        rules: DIAGNOSES.flatMap((name) => {
          const rule = RULES.find((one) => one.name === name);
          if (!rule) return [];
          const { title, confidence, says, next, not, remedy = '' } = rule;
          return [{ name, title, confidence, says, next, not: { ...not }, remedy }];
        }),
      }),
  });
}

export function addFlightRoutes(app: PeopleServer, context: PeopleContext): void {
  app.route({
    method: 'GET',
    url: '/api/v1/boots/:id/flight',
    config: { access: 'read' },
    schema: {
      tags: ['boots'],
      summary:
        'The flight record of a boot: every wire it crossed, in the order of time; the console for technicians',
      params: idParams,
      response: answers(document),
    },
    handler: async (request, reply) => {
      const flight = recorderOf(context).flight(request.params.id as BootId);
      if (!flight) throw new AppError('NOT_FOUND', { detail: `No boot ${request.params.id}.` });
      return reply.send(shownTo(context, principalOf(request), flight) as never);
    },
  });
  app.route({
    method: 'GET',
    url: '/api/v1/boots/:id/capture',
    config: { access: 'read' },
    schema: {
      tags: ['boots'],
      summary: 'The packets of a boot as pcapng, in base64',
      params: idParams,
      response: answers(z.object({ boot: z.string(), pcapng: z.string() })),
    },
    handler: async (request, reply) => {
      const recorder = recorderOf(context);
      const id = request.params.id as BootId;
      const flight = recorder.flight(id);
      if (!flight) throw new AppError('NOT_FOUND', { detail: `No boot ${id}.` });
      const bytes = captureOf(flight, recorder.packets(id));
      return reply.send({ boot: id, pcapng: Buffer.from(bytes).toString('base64') });
    },
  });
}

/** A MAC, or a model, in the one spelling in which it is looked up. */
const spelled = (subject: string) => parseMac(subject) ?? subject.trim().replace(/\s+/g, ' ');

/** @throws AppError REQUEST_INVALID for what would never be looked up, or never be used */
function checkedQuirk(quirk: z.output<typeof quirkBody>): z.output<typeof quirkBody> {
  const { scope, subject, trait, value } = quirk;
  if (scope === 'machine' && !parseMac(subject)) {
    const detail = `'${subject}' is no MAC address.`;
    throw new AppError('REQUEST_INVALID', { detail, path: '/subject' });
  }
  if (!isValueOf(trait, value)) {
    const detail = `'${value}' is no value of ${trait}.`;
    throw new AppError('REQUEST_INVALID', { detail, path: '/value' });
  }
  return { ...quirk, subject: spelled(subject) };
}

export function addQuirkRoutes(app: PeopleServer, context: PeopleContext): void {
  const { quirks } = context.inventory.serverdb;
  app.route({
    method: 'GET',
    url: '/api/v1/quirks',
    config: { access: 'read' },
    schema: {
      tags: ['boots'],
      summary: 'What worked and failed on machines and models',
      response: answers(z.object({ quirks: z.array(quirkView) })),
    },
    handler: async (_request, reply) => reply.send({ quirks: quirks.list() }),
  });
  app.route({
    method: 'PUT',
    url: '/api/v1/quirks',
    config: { access: 'operator' },
    schema: {
      tags: ['boots'],
      summary: 'Write what works or fails; learning never changes it',
      body: quirkBody,
      response: answers(quirkView),
    },
    handler: async (request, reply) => {
      const { who } = principalOf(request);
      const quirk = checkedQuirk(request.body);
      return reply.send(await context.durably(() => quirks.put(quirk, who)));
    },
  });
  app.route({
    method: 'DELETE',
    url: '/api/v1/quirks',
    config: { access: 'operator' },
    schema: {
      tags: ['boots'],
      summary: 'Forget one: the next attempt is free to try it again',
      querystring: z.strictObject(quirkKey),
      response: answers(nothing, 204),
    },
    handler: async (request, reply) => {
      const { who } = principalOf(request);
      const key = { ...request.query, subject: spelled(request.query.subject) };
      const there = await context.durably(() => quirks.remove(key, who));
      if (!there) throw new AppError('NOT_FOUND', { detail: 'There is no such quirk.' });
      return reply.code(204).send();
    },
  });
}

export function addExpectedTimeRoutes(app: PeopleServer, context: PeopleContext): void {
  const number = z.number().int();
  app.route({
    method: 'GET',
    url: '/api/v1/boots/:id/phases',
    config: { access: 'read' },
    schema: {
      tags: ['boots'],
      summary: 'How long each phase of a boot took, beside what boots of its model take',
      params: idParams,
      response: answers(
        z.object({
          phases: z.array(
            z.object({
              ...{ phase: z.string(), tookMs: number },
              boots: number.describe('That the figures are from'),
              ...{ medianMs: number, p95Ms: number },
              slow: z.boolean().describe('Unusually long for its model'),
            }),
          ),
        }),
      ),
    },
    handler: async ({ params: { id } }) => {
      const phases = recorderOf(context).phasesOf(id as BootId);
      if (!phases) throw new AppError('NOT_FOUND', { detail: `No boot ${id}.` });
      return { phases: phases.map((one) => ({ ...one })) };
    },
  });
  app.route({
    method: 'GET',
    url: '/api/v1/expected-times',
    config: { access: 'read' },
    schema: {
      tags: ['boots'],
      summary: 'How long each phase of a boot takes, by model',
      response: answers(
        z.object({
          times: z.array(
            z.object({
              ...{ model: z.string(), phase: z.string(), boots: number },
              ...{ medianMs: number, p95Ms: number, p99Ms: number },
            }),
          ),
        }),
      ),
    },
    handler: async (_request, reply) => reply.send({ times: recorderOf(context).expectedTimes() }),
  });
}
