/** The line to central, as this appliance sees it: what central sees of the site is asked there. */
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import type { FleetLine, PeopleContext, PeopleServer } from '../context.ts';
import { answers } from '../schemas.ts';

const status = z
  .object({
    line: z
      .enum(['none', 'open', 'closed', 'refused'])
      .describe('none: it has joined no fleet; closed: it is dialled again and again'),
    site: z.string().describe("What this appliance is to the fleet; '' for none, as below"),
    central: z.string().describe('Where it dials'),
    since: z.number().describe('Since when the line is so'),
    heardAt: z.number().describe('When central was last heard; 0: not since the start'),
    behind: z
      .number()
      .int()
      .nullable()
      .describe('Events that central has not said to have kept, where that is known'),
    code: z.string().describe('Of a refusal, as CERTIFICATE_UNKNOWN'),
    why: z.string().describe('What was said of a line that is not open'),
    certificateEndsAt: z.number().describe('Renewed each month, while the line is open'),
  })
  .meta({ id: 'FleetLine' });

const NONE = {
  ...{ line: 'none', site: '', central: '', code: '', why: '', behind: null },
  ...{ since: 0, heardAt: 0, certificateEndsAt: 0 },
} as const satisfies Omit<FleetLine, 'line'> & { readonly line: 'none' };

export function addFederationRoutes(app: PeopleServer, { federation }: PeopleContext): void {
  app.route({
    method: 'GET',
    url: '/api/v1/federation',
    config: { access: 'read' },
    schema: {
      tags: ['operations'],
      summary: 'How the line to central stands',
      response: answers(status),
    },
    handler: async () => {
      if (!federation)
        throw new AppError('NOT_HERE', { detail: 'The active one of the two holds the line.' });
      return federation() ?? NONE;
    },
  });
}
