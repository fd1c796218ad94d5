/**
 * Machines of all sites, or of those that pass the filters of the list, as a sheet in the appliance's columns, with how fresh each row is behind
 * them, and how many they are.
 */
import { Readable } from 'node:stream';
import { z } from 'zod';
import { siteName } from '../federation/protocol.ts';
import { renderCsvRow } from '../http/people/csv.ts';
import { columnsOf, rowOf } from '../http/people/machine-sheet.ts';
import type { MachineNic } from '../inventory/machines.ts';
import { limit } from '../limits.ts';
import type { FleetApp, FleetAppParts } from './app.ts';
import type { FleetMachine, FleetView, MachineFilter } from './fleet-view.ts';
import { recordOf } from './orders.ts';

const word = z.string().max(63).optional();

/** What machines of the fleet are found by. */
export const fleetFilter = {
  ...{ site: siteName.optional(), state: word, hardwareType: word },
  ...{ role: word, squad: word, rack: word },
};

export function addSheet(app: FleetApp, { view }: FleetAppParts): void {
  app.get(
    '/api/v1/machines/count',
    { config: { fleetRole: 'viewer' }, schema: { querystring: z.strictObject(fleetFilter) } },
    async (request) => ({ count: await view.count(request.query), sites: await view.sites() }),
  );
  app.get(
    '/api/v1/machines.csv',
    { config: { fleetRole: 'viewer' }, schema: { querystring: z.strictObject(fleetFilter) } },
    (request, reply) => {
      reply.header('content-disposition', 'attachment; filename="machines.csv"');
      reply.type('text/csv; charset=utf-8');
      return reply.send(Readable.from(lines(view, request.query)));
    },
  );
}

async function* lines(view: FleetView, filter: MachineFilter): AsyncGenerator<string> {
  const custom = new Set<string>();
  for await (const page of pages(view, filter))
    for (const machine of page)
      for (const name of Object.keys(recordOf(machine).custom ?? {})) custom.add(name);
  const columns = columnsOf([...custom].sort());
  yield renderCsvRow([...columns, 'freshness', 'asOf']);
  for await (const page of pages(view, filter))
    yield page.map((one) => line(columns, one)).join('');
}

function line(columns: readonly string[], machine: FleetMachine): string {
  const { nics = [] } = machine as { readonly nics?: readonly MachineNic[] };
  const { freshness, asOf } = machine;
  return renderCsvRow([...rowOf(columns, recordOf(machine), nics), freshness, String(asOf)]);
}

async function* pages(view: FleetView, filter: MachineFilter): AsyncGenerator<FleetMachine[]> {
  for (let cursor: string | undefined; ; ) {
    const { machines, next } = await view.machines(filter, {
      count: limit('fleetPageMax'),
      cursor,
    });
    yield machines;
    if (next === undefined) return;
    cursor = next;
  }
}
