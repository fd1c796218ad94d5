/** Health, readiness and metrics; online backups; and what Puppet asks for (an external node classifier). */
import { stringify } from 'yaml';
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import type { Hardwarename } from '../../../wire/ids.ts';
import { principalOf } from '../authenticate.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import { answers } from '../schemas.ts';

export interface OperationsOptions {
  /** Each check by name; ready when all are true. */
  readiness(): Record<string, boolean>;
  /** Prometheus text. */
  metrics(): Promise<{ contentType: string; text: string }>;
}

export function addOperationsRoutes(app: PeopleServer, options: OperationsOptions): void {
  app.get('/healthz', { config: { access: 'open' } }, async () => ({ status: 'alive' }));
  app.get('/readyz', { config: { access: 'open' } }, async (_request, reply) => {
    const checks = options.readiness();
    const ready = Object.values(checks).every(Boolean);
    return reply.code(ready ? 200 : 503).send({ ready, checks });
  });
  app.get('/metrics', { config: { access: 'read' } }, async (_request, reply) => {
    const { contentType, text } = await options.metrics();
    return reply.type(contentType).send(text);
  });
}

export function addBackupRoutes(app: PeopleServer, context: PeopleContext): void {
  app.route({
    method: 'POST',
    url: '/api/v1/backups',
    config: { access: 'admin' },
    schema: {
      tags: ['operations'],
      summary: 'Write a consistent copy of the database on the appliance, while it goes on working',
      response: answers(z.object({ file: z.string(), sizeBytes: z.number().int() }), 201),
    },
    handler: async (request, reply) => {
      if (!context.backup) throw new AppError('NOT_HERE', { detail: 'There is no file to copy.' });
      const made = await context.backup();
      context.log.info({ ...made, who: principalOf(request).who }, 'backup written');
      return reply.code(201).send(made);
    },
  });
}

const classification = z.object({
  environment: z.string(),
  classes: z.record(z.string(), z.record(z.string(), z.unknown())),
  parameters: z.record(z.string(), z.unknown()),
});

export function addClassifierRoutes(app: PeopleServer, context: PeopleContext): void {
  const { machines } = context.inventory;
  app.route({
    method: 'GET',
    url: '/api/v1/enc/:name',
    config: { access: 'read' },
    schema: {
      tags: ['operations'],
      summary: 'How configuration management classifies a machine: by hostname or hardwarename',
      params: z.object({ name: z.string().min(1).max(253) }),
      response: {
        ...answers(classification),
        200: {
          description: 'The classification',
          content: {
            'application/json': { schema: classification },
            'application/yaml': { schema: z.string() },
          },
        },
      },
    },
    handler: async (request, reply) => {
      const { name } = request.params;
      const machine =
        machines.byHostname(name.toLowerCase()) ?? machines.byHardwarename(name as Hardwarename);
      if (!machine) throw new AppError('MACHINE_UNKNOWN', { detail: name.slice(0, 64) });
      const { role, squad, site, rack, hostname, hardwarename, hardwareType, tags, custom } =
        machine;
      const answer = {
        environment: custom.environment ?? 'production',
        classes: role === '' ? {} : { [`role::${role.replaceAll(/[^a-z0-9_]+/gi, '_')}`]: {} },
        parameters: {
          ...{ hardwarename, hostname, role, squad, site: site || context.site, rack },
          ...{ hardware_type: hardwareType, tags: [...tags], custom: { ...custom } },
        },
      };
      if (!request.headers.accept?.includes('yaml')) return reply.send(answer as never);
      return reply.type('application/yaml; charset=utf-8').send(stringify(answer) as never);
    },
  });
}
