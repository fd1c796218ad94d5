/**
 * The agent's routes: the recon report, progress, and the question what to do next.
 *
 * A machine that waits asks by long poll, so that it takes work within a moment of a job's having some. What it is told is
 * the boot decision's (boot/next.ts); the work itself is in work-routes.ts.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { type Instruction, nextInstruction, renderInstruction } from '../../boot/next.ts';
import type { EventData } from '../../events.ts';
import type { Boot } from '../../inventory/boots.ts';
import { machineOfReport } from '../../inventory/ingest.ts';
import type { Inventory } from '../../inventory/inventory.ts';
import { limit } from '../../limits.ts';
import type { Hardwarename } from '../../wire/ids.ts';
import { parseBody } from './body.ts';
import { holder, type MachineAppOptions, note, type TokenParams } from './holder.ts';
import { workTokenOf } from './work-holder.ts';
import { takeProgress } from './work-routes.ts';

const progressBody = z.strictObject({
  phase: z.string().min(1).max(64),
  message: z.string().max(limit('reportTextCharsMax') * 4),
  level: z.enum(['info', 'warn', 'error']),
  percent: z.number().min(0).max(100).optional(),
});

export function addReconRoute(app: FastifyInstance, options: MachineAppOptions): void {
  const { inventory } = options;
  app.post<TokenParams>('/recon/:token', (request, reply) => {
    const { token, boot } = holder(options, request, ['boot']);
    const body = request.body instanceof Buffer ? request.body : Buffer.alloc(0);
    const { machine } = inventory.ingest({ token, body });
    const facts = { machine, boot: { reportDigest: 'reported' } };
    const next = nextInstruction({ ...facts, ...workOf(inventory, machine?.hardwarename) });
    return sendInstruction(options, reply, { next, boot });
  });
}

export function addAgentRoutes(app: FastifyInstance, options: MachineAppOptions): void {
  const { inventory } = options;
  app.post<TokenParams>(
    '/agent/:token/progress',
    { bodyLimit: limit('progressBytesMax') },
    (request, reply) => {
      if (workTokenOf(options, request)) return takeProgress(options, { request, reply });
      const { boot } = holder(options, request, ['boot', 'wait']);
      const { percent, ...rest } = parseBody(progressBody, request.body);
      const data: EventData['agent.progress'] = percent === undefined ? rest : { ...rest, percent };
      note(options, boot, { name: 'agent.progress', data });
      return reply.code(204).send();
    },
  );

  app.get<TokenParams>('/agent/:token/next', { exposeHeadRoute: false }, async (request, reply) => {
    const { token, boot } = holder(options, request, ['boot', 'wait']);
    inventory.transaction(() => inventory.tokens.renew(token.token));
    const look = (): Instruction => {
      const now = inventory.boots.byId(boot.id) ?? boot;
      const { machines } = inventory;
      const machine = machineOfReport(now, machines) ?? machines.byMac(boot.mac);
      return nextInstruction({ machine, boot: now, ...workOf(inventory, machine?.hardwarename) });
    };
    const next = await untilOtherThanWait(inventory, { request, boot, look });
    return sendInstruction(options, reply, { next, boot });
  });
}

/** Holds a heartbeat until there is something to do, the machine hangs up, or the long poll's time is over. */
function untilOtherThanWait(
  inventory: Inventory,
  { request, boot, look }: { request: FastifyRequest; boot: Boot; look: () => Instruction },
): Promise<Instruction> {
  const first = look();
  if (first.instruction !== 'wait') return Promise.resolve(first);
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      unfollow();
      request.raw.socket.off('close', giveUp);
      settle();
    };
    const check = (last: boolean) => {
      try {
        const next = look();
        if (last || next.instruction !== 'wait') finish(() => resolve(next));
      } catch (error) {
        finish(() => reject(error));
      }
    };
    const giveUp = () => finish(() => resolve(first));
    const unfollow = followMachine(inventory, boot, () => check(false));
    const timer = setTimeout(() => check(true), limit('heartbeatMs'));
    request.raw.socket.once('close', giveUp);
  });
}

/** Wakes on what happens to this machine only: thousands wait, and something happens to one of them all the time. */
function followMachine(inventory: Inventory, boot: Boot, wake: () => void): () => void {
  const hardwarename = inventory.machines.stateByMac(boot.mac)?.hardwarename ?? boot.hardwarename;
  const unfollow = [inventory.events.followOne(boot.mac, wake)];
  if (hardwarename) unfollow.push(inventory.events.followOne(hardwarename, wake));
  return () => unfollow.forEach((stop) => void stop());
}

/** What a job has this machine do, as the boot desk sees it too. */
function workOf({ work }: Inventory, hardwarename: Hardwarename | undefined) {
  if (hardwarename === undefined) return { work: undefined, installed: false };
  return work.standing(hardwarename);
}

/**
 * A machine that waits holds a token of its own for that, so that its boot token can end with the boot; it keeps it while it
 * works. An instruction to work is handed out with the token of that work, or not at all.
 */
function sendInstruction(
  { inventory }: MachineAppOptions,
  reply: FastifyReply,
  { next, boot }: { next: Instruction; boot: Boot },
): FastifyReply {
  const { instruction } = next;
  const answer = inventory.transaction((): Instruction => {
    if (instruction === 'recon') return next;
    if (instruction === 'reboot' || instruction === 'poweroff') {
      inventory.tokens.gone(boot.mac, limit('heartbeatMs') + limit('heartbeatGraceMs'));
      return next;
    }
    const { token } = inventory.tokens.mint(boot.id, boot.mac, 'wait');
    if (instruction === 'wait') return { ...next, token };
    const order = next.hardwarename && inventory.work.liveOf(next.hardwarename);
    const taken =
      order?.purpose === instruction
        ? inventory.work.take(order, { boot: boot.id, mac: boot.mac })
        : undefined;
    if (taken) return { ...next, token, work: taken.token };
    const message = `no work any more: ${instruction} was called off`;
    return { ...next, instruction: 'wait', token, message };
  });
  return reply
    .type('text/plain; charset=utf-8')
    .header('cache-control', 'no-store')
    .send(renderInstruction(answer));
}
