/** What is asked of many machines at once, at an appliance and at central: which they are, and one edit or one change of state. */
import { z } from 'zod';
import { changesSchema } from '../../inventory/machine-schema.ts';
import { limit } from '../../limits.ts';
import { hardwarenameText, stateName, why } from './schemas.ts';

/** @param filter as the query of the list */
export const bulkMachinesBody = <Filter extends z.ZodRawShape>(filter: Filter) =>
  z
    .strictObject({
      machines: z.array(hardwarenameText).min(1).max(limit('bulkItemsMax')).optional(),
      filter: z
        .strictObject(filter)
        .refine((given) => Object.keys(given).length > 0, 'a filter has a field')
        .optional()
        .describe('As the query of the list'),
      edit: changesSchema.optional(),
      move: z
        .strictObject({
          to: stateName,
          release: z
            .array(hardwarenameText)
            .max(limit('bulkItemsMax'))
            .default([])
            .describe('The hardwarenames of the machines in use that are released'),
        })
        .optional(),
      why,
      confirm: z.number().int().min(1).optional().describe('How many machines it will change'),
      dryRun: z.boolean().default(false),
    })
    .refine(({ machines, filter: given }) => (machines === undefined) !== (given === undefined), {
      message: 'either machines or filter',
      path: ['machines'],
    })
    .refine(({ edit, move }) => (edit === undefined) !== (move === undefined), {
      message: 'either edit or move',
      path: ['edit'],
    });
