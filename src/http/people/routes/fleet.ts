/**
 * What the board keeps of every machine: a few fields of each, in pages large enough that a site of thousands is there in a
 * second. The feed tells what changes afterwards.
 */
import { z } from 'zod';
import type { Deliveries } from '../../../inventory/deliveries.ts';
import type { MachineRecord } from '../../../inventory/machine-fields.ts';
import { limit } from '../../../limits.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import { answers, stateName } from '../schemas.ts';
import { finish } from '../slices.ts';

const fleetMachine = z
  .object({
    hardwarename: z.string(),
    serial: z.string(),
    manufacturer: z.string(),
    product: z.string(),
    hardwareType: z.string(),
    state: stateName,
    stateWhy: z.string(),
    stateNext: z.string(),
    stateAt: z.number().int(),
    overdue: z.boolean(),
    reported: z.boolean(),
    conflictWith: z.string(),
    hostname: z.string(),
    role: z.string(),
    squad: z.string(),
    hall: z.string(),
    row: z.string(),
    rack: z.string(),
    unit: z.number().int(),
    height: z.number().int(),
    orderNumber: z.string(),
    bootMac: z.string(),
    bmcAddress: z.string(),
    createdAt: z.number().int(),
  })
  .meta({ id: 'FleetMachine' });

export type FleetMachine = z.output<typeof fleetMachine>;

const FIELDS = Object.keys(fleetMachine.shape) as (keyof FleetMachine)[];

function shown(deliveries: Deliveries, record: MachineRecord): FleetMachine {
  const fields = FIELDS.map((name) => [name, record[name]]);
  // A machine that a packing list names belongs to that delivery, whoever has written so or not.
  const orderNumber = record.orderNumber || deliveries.ofSerial(record.serial);
  return { ...(Object.fromEntries(fields) as FleetMachine), orderNumber };
}

export function addFleetRoutes(app: PeopleServer, context: PeopleContext): void {
  const { inventory, clock, site } = context;
  const { deliveries } = inventory.serverdb;
  app.route({
    method: 'GET',
    url: '/api/v1/board/machines',
    config: { access: 'read' },
    schema: {
      tags: ['boots'],
      summary:
        'What a board keeps of every machine, a page at a time; the feed goes on from `cursor`',
      querystring: z.strictObject({
        after: z.string().max(2048).optional().describe('`next` of the page before'),
        names: z.string().max(8192).optional().describe('Only these, divided by commas'),
      }),
      response: answers(
        z.object({
          site: z.string(),
          now: z.number().int(),
          cursor: z.number().int(),
          machines: z.array(fleetMachine),
          next: z.string().optional(),
        }),
      ),
    },
    handler: async ({ query }) => {
      // Taken before the first row is read: an event that comes meanwhile is told again, which changes nothing.
      const cursor = inventory.events.lastId();
      const values = query.names?.split(',');
      const { records, next } = await finish(
        inventory.serverdb.query.page({
          filters: values ? [{ field: 'hardwarename', op: 'is', values }] : [],
          sort: 'hardwarename',
          descending: false,
          count: limit('listPageMax'),
          cursor: query.after,
        }),
      );
      const page = {
        site,
        now: clock(),
        cursor,
        machines: records.map((record) => shown(deliveries, record)),
      };
      return next === undefined ? page : { ...page, next };
    },
  });
}
