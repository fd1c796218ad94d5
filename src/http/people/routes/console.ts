/**
 * Serial consoles: live over a WebSocket, and what machines have printed while they booted.
 *
 * A console shows and takes whatever its machine does, so all of it is for technicians of the site or of the machine's squad;
 * nothing of it is for the anonymous reader. Who was there, for how long and how much they typed is an event; what was typed
 * or printed is in none.
 */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { AppError } from '../../../errors.ts';
import { type ConsoleRecording, consoleText } from '../../../inventory/consoles.ts';
import type { MachineRecord } from '../../../inventory/machine-fields.ts';
import { isAtLeast, needRole } from '../access-rules.ts';
import { principalOf, stillThere, whileAllowed } from '../authenticate.ts';
import { serveConsole } from '../console-socket.ts';
import type { PeopleContext, PeopleServer } from '../context.ts';
import { answers, hardwarenameText, machineParams } from '../schemas.ts';
import type { Upgrades } from '../upgrade.ts';
import { machineOf } from './bmcs.ts';

const tags = ['consoles'];

const recordingView = z.object({
  number: z.number().int(),
  hardwarename: z.string(),
  boot: z.string().describe("The boot's id; '' for one that asked for no address"),
  why: z.string().describe('What began it: the action of a job, or `boot`'),
  startedAt: z.number().int(),
  lastAt: z.number().int().describe('Of the last byte'),
  endedAt: z.number().int().describe('0 while it goes on'),
  ended: z.string().describe('Why it ended'),
  heardBytes: z.number().int(),
  keptBytes: z.number().int().describe('The beginning and the end; what lay between is gone'),
});

const consoleView = z.object({
  open: z.boolean().describe('Whether the line is open: watched or recorded'),
  watchers: z.number().int(),
  writer: z.string().describe("Who types; '' for nobody"),
  recordings: z.array(recordingView).describe('Newest first'),
});

const transcriptView = z.object({
  recording: recordingView,
  text: z.string().describe('As printed, escape sequences and all; boot tokens are hidden'),
});

const liveQuery = z.strictObject({
  mode: z.enum(['write', 'watch']).default('write').describe('Whether to type, when nobody does'),
  takeOver: z
    .enum(['true', 'false'])
    .default('false')
    .describe("Ends another program's session with the console at the BMC"),
});

export function addConsoleRoutes(
  app: PeopleServer,
  context: PeopleContext & { readonly upgrades: Upgrades },
): void {
  const { consoles: store } = context.inventory;
  app.route({
    method: 'GET',
    url: '/api/v1/machines/:hardwarename/console',
    config: { access: 'any' },
    schema: {
      tags,
      summary: "A machine's serial console: as a WebSocket it is open, else what is known of it",
      params: machineParams,
      querystring: liveQuery,
      response: answers(consoleView),
    },
    handler: async (request, reply) => {
      const machine = reachable(context, request, request.params.hardwarename);
      if (context.upgrades.wanted(request)) {
        const { mode, takeOver } = request.query;
        const wish = { write: mode === 'write', takeOver: takeOver === 'true' };
        await visit(context, { request, reply: reply as never, machine, wish });
        return reply;
      }
      const line = context.consoles?.existing(machine.hardwarename);
      return reply.send({
        open: line !== undefined,
        watchers: line?.watched ?? 0,
        writer: line?.writtenBy ?? '',
        recordings: store.ofMachine(machine.hardwarename),
      });
    },
  });
  for (const { path, summary, params, find } of TRANSCRIPTS) {
    app.route({
      method: 'GET',
      url: `/api/v1/machines/:hardwarename/console/${path}`,
      config: { access: 'any' },
      schema: { tags, summary, params, response: answers(transcriptView) },
      handler: async (request, reply) => {
        const asked = request.params as { hardwarename: string; which?: string };
        const { hardwarename } = reachable(context, request, asked.hardwarename);
        const recording = find(context, hardwarename, asked.which ?? '');
        if (recording?.hardwarename !== hardwarename)
          throw new AppError('NOT_FOUND', { detail: 'No such recording of its console.' });
        const text = consoleText(store.parts(recording.number));
        return reply.send({ recording, text } as never);
      },
    });
  }
}

/** How a recording is named. */
const TRANSCRIPTS: readonly {
  readonly path: string;
  readonly summary: string;
  readonly params: z.ZodType;
  find(
    context: PeopleContext,
    hardwarename: MachineRecord['hardwarename'],
    which: string,
  ): ConsoleRecording | undefined;
}[] = [
  {
    path: 'last',
    summary: 'What the machine printed when it last booted',
    params: machineParams,
    find: ({ inventory }, hardwarename) =>
      inventory.consoles.ofMachine(hardwarename).find(({ heardBytes }) => heardBytes > 0),
  },
  {
    path: 'boots/:which',
    summary: 'What it printed in one boot, by the id of the boot',
    params: z.object({ hardwarename: hardwarenameText, which: z.string().min(1).max(64) }),
    find: ({ inventory }, _, which) => inventory.consoles.ofBoot(which),
  },
  {
    path: 'recordings/:which',
    summary: 'One recording, by its number',
    params: z.object({ hardwarename: hardwarenameText, which: z.string().regex(/^\d{1,15}$/) }),
    find: ({ inventory }, _, which) => inventory.consoles.get(Number(which)),
  },
];

/** @throws AppError MACHINE_UNKNOWN, FORBIDDEN to whoever is no technician of the site or of its squad */
function reachable(
  context: PeopleContext,
  request: FastifyRequest,
  hardwarename: string,
): MachineRecord {
  const machine = machineOf(context, hardwarename);
  const principal = principalOf(request);
  if (!isAtLeast(principal.role, 'technician')) needRole(principal, machine.squad, 'technician');
  return machine;
}

async function visit(
  context: PeopleContext & { readonly upgrades: Upgrades },
  asked: {
    request: FastifyRequest;
    reply: Parameters<Upgrades['accept']>[1];
    machine: MachineRecord;
    wish: { write: boolean; takeOver: boolean };
  },
): Promise<void> {
  const { consoles, inventory, log, upgrades } = context;
  const { request, reply, machine, wish } = asked;
  const { hardwarename } = machine;
  if (!consoles) throw new AppError('NOT_HERE', { detail: 'This process speaks to no BMCs.' });
  const { who } = principalOf(request);
  const socket = await upgrades.accept(request, reply);
  try {
    inventory.transaction(() =>
      inventory.events.append({
        name: 'console.opened',
        hardwarename,
        data: { who, from: request.ip, ...wish },
      }),
    );
  } catch (error) {
    // Nobody is there without a record of it.
    socket.terminate();
    throw error;
  }
  const allowed = (): boolean => {
    if (!stillThere(context, request)) return false;
    try {
      reachable(context, request, hardwarename);
      return true;
    } catch {
      return false;
    }
  };
  serveConsole(socket, {
    ...{ who, wish, openLine: () => consoles.line(hardwarename) },
    watched: (end) => whileAllowed(context, allowed, end),
    onLeft(visited) {
      try {
        inventory.transaction(() =>
          inventory.events.append({
            name: 'console.closed',
            hardwarename,
            data: { who, ...visited },
          }),
        );
      } catch (err) {
        log.error({ err }, 'the end of a visit to a console was not recorded');
      }
    },
  });
}
