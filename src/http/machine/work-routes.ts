/**
 * The work of an agent: the order, how far it has got, and its last word; for installs also the plan.
 *
 * Every request shows a token of that work (inventory/work.ts) and is refused from the moment that its job has ended: an agent
 * that hears 410 stops what it is doing. Progress is gathered, the last word is told once however often it is posted.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import type { NewEvent } from '../../events.ts';
import { parseInstallDetail } from '../../install/detail.ts';
import { planFor } from '../../install/plan.ts';
import { seenSchema } from '../../install/seen.ts';
import { isForInstaller, type WorkToken } from '../../inventory/work.ts';
import { type AgentResult, progressSchema, resultSchema } from '../../inventory/work-report.ts';
import { limit } from '../../limits.ts';
import { parseBody } from './body.ts';
import { type MachineAppOptions, type TokenParams, urlOf } from './holder.ts';
import { planOfRecycle } from './recycle-routes.ts';
import { holderOfLiveWork, holderOfWork } from './work-holder.ts';

type Asked = FastifyRequest<TokenParams>;

/** One whose work goes on, and it is an agent that is to do it. */
function holderOfAgentWork(options: MachineAppOptions, request: Asked): WorkToken {
  const token = holderOfLiveWork(options, request);
  if (isForInstaller(token.order)) throw new AppError('TOKEN_PURPOSE');
  return token;
}

export function addWorkRoutes(app: FastifyInstance, options: MachineAppOptions): void {
  app.get<TokenParams>('/agent/:token/work', { exposeHeadRoute: false }, (request, reply) => {
    const token = holderOfAgentWork(options, request);
    options.inventory.transaction(() => options.inventory.work.fetched(token));
    return sendLines(reply, orderLines(token));
  });
  app.post<TokenParams>(
    '/agent/:token/plan',
    { bodyLimit: limit('reportBytesMax') },
    (request, reply) => {
      const token = holderOfAgentWork(options, request);
      if (token.purpose === 'recycle')
        return sendPlan(
          reply,
          options.inventory.transaction(() => planOfRecycle(options, token, request.body)),
        );
      if (token.purpose !== 'install') throw new AppError('TOKEN_PURPOSE');
      const seen = parseBody(seenSchema, request.body);
      const { inventory } = options;
      const text = inventory.transaction(() => {
        const { job, hardwarename } = token.order;
        const plan = planFor({
          detail: parseInstallDetail(token.order.detail),
          ...{ seen, job, hardwarename },
          url: urlOf(request),
          token: token.token,
          metadataToken: inventory.work.metadataToken(job),
        });
        // Whoever holds the plan may write: from here on the machine is no longer as it was.
        inventory.work.destroys(job);
        inventory.machines.write(hardwarename, { mayHoldData: true });
        return plan;
      });
      return sendPlan(reply, text);
    },
  );
  app.post<TokenParams>(
    '/agent/:token/result',
    { bodyLimit: limit('workResultBytesMax') },
    (request, reply) => {
      const token = holderOfWork(options, request);
      const result = parseBody(resultSchema, request.body);
      options.inventory.transaction(() => conclude(options, token, result));
      return reply.code(204).send();
    },
  );
}

export function takeProgress(
  options: MachineAppOptions,
  { request, reply }: { request: Asked; reply: FastifyReply },
): FastifyReply {
  const token = holderOfLiveWork(options, request);
  const progress = parseBody(progressSchema, request.body);
  const { inventory } = options;
  inventory.transaction(() => {
    if (!inventory.work.progressed(token, progress)) return;
    const { step, note = '', percent, bytes, etaSeconds, activity } = progress;
    tell(options, token, {
      name: 'agent.progress',
      data: {
        ...{ phase: step, message: note, level: 'info', job: token.order.job },
        ...(percent === undefined ? {} : { percent }),
        ...(bytes === undefined ? {} : { bytes }),
        ...(etaSeconds === undefined ? {} : { etaSeconds }),
        ...(activity === undefined ? {} : { activity }),
      },
    });
  });
  return reply.code(204).send();
}

function sendPlan(reply: FastifyReply, text: string): FastifyReply {
  return reply.type('text/plain; charset=utf-8').header('cache-control', 'no-store').send(text);
}

/** An agent that says that all went well, of disks that are not all proven clean, is wrong. */
function proven(options: MachineAppOptions, token: WorkToken, result: AgentResult): AgentResult {
  if (token.purpose !== 'recycle') return result;
  const unproven = (detail: string): AgentResult =>
    result.ok ? { ok: false, step: result.step, code: 'DISK_FAILED', detail } : result;
  if (!options.recycle) return unproven('This appliance certifies nothing.');
  const { result: found, text } = options.recycle.concluded(token, result);
  if (found === 'sanitized') return result;
  return unproven((JSON.parse(text) as { fault: string }).fault.slice(0, 1000));
}

function conclude(options: MachineAppOptions, token: WorkToken, said: AgentResult): void {
  const result = proven(options, token, said);
  if (!options.inventory.work.concluded(token, result)) return;
  const { job, purpose, round } = token.order;
  const about = { job, purpose, round };
  if (result.ok) {
    const { measurements = {} } = result;
    tell(options, token, { name: 'agent.finished', data: { ...about, measurements } });
    return;
  }
  const { step, code = 'AGENT_FAILED', detail = '', retry = false, log = '' } = result;
  const data = { ...about, step, code, detail, retry, log };
  tell(options, token, { name: 'agent.failed', data });
}

function tell(
  { inventory }: MachineAppOptions,
  { boot, mac, order }: WorkToken,
  event: Pick<NewEvent, 'name' | 'data'>,
): void {
  const { hardwarename } = order;
  inventory.events.append({ ...event, boot, mac, hardwarename } as NewEvent);
  if (boot && inventory.boots.touch(boot))
    inventory.events.append({
      ...{ name: 'boot.resumed', boot, mac, hardwarename },
      data: { after: event.name },
    } as NewEvent);
}

/** What every agent needs, then the lines that the job wrote for this purpose. */
function orderLines({ order, expiresAt }: WorkToken): Readonly<Record<string, string | number>> {
  const { purpose, job, round, hardwarename, detail } = order;
  const lines =
    detail !== null && typeof detail === 'object' && 'lines' in detail
      ? (detail.lines as Record<string, string | number>)
      : {};
  return { work: purpose, job, round, hardwarename, expiresAt, ...lines };
}

/** `name: value` lines; a value is one line of printable text. */
function sendLines(
  reply: FastifyReply,
  lines: Readonly<Record<string, string | number | boolean>>,
): FastifyReply {
  const text = Object.entries(lines)
    .map(([name, value]) => `${name}: ${String(value).replace(/[^\x20-\x7e]+/g, ' ')}\n`)
    .join('');
  return reply.type('text/plain; charset=utf-8').header('cache-control', 'no-store').send(text);
}
