/**
 * The agent's part of a recycle: its disks are answered with the plan, and each disk that is over is told of once. The
 * certificate is made with its last word (work-routes.ts).
 */
import { randomBytes } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { AppError } from '../../errors.ts';
import type { WorkToken } from '../../inventory/work.ts';
import { limit } from '../../limits.ts';
import type { RecycleDesk } from '../../recycle/desk.ts';
import { parseRecycleDetail, recyclePlan } from '../../recycle/plan.ts';
import { erasedSchema, seenForRecycle } from '../../recycle/seen.ts';
import { parseBody } from './body.ts';
import type { MachineAppOptions, TokenParams } from './holder.ts';
import { holderOfWork } from './work-holder.ts';

/** @throws AppError NOT_FOUND where nothing can be certified */
function recycleDeskOf({ recycle }: MachineAppOptions): RecycleDesk {
  if (!recycle) throw new AppError('NOT_FOUND', { detail: 'This appliance recycles nothing.' });
  return recycle;
}

/** In the caller's transaction: whoever holds the plan may write. */
export function planOfRecycle(options: MachineAppOptions, { order }: WorkToken, body: unknown) {
  recycleDeskOf(options);
  const plan = recyclePlan({
    detail: parseRecycleDetail(order.detail),
    seen: parseBody(seenForRecycle, body),
    job: order.job,
    random: () => randomBytes(4).readUInt32LE(0) / 2 ** 32,
  });
  options.inventory.work.destroys(order.job);
  return plan;
}

export function addRecycleRoutes(app: FastifyInstance, options: MachineAppOptions): void {
  app.post<TokenParams>(
    '/agent/:token/erased',
    { bodyLimit: limit('progressBytesMax') },
    (request, reply) => {
      const token = holderOfWork(options, request);
      if (token.purpose !== 'recycle') throw new AppError('TOKEN_PURPOSE');
      const disk = parseBody(erasedSchema, request.body);
      options.inventory.transaction(() => recycleDeskOf(options).erased(token, disk));
      return reply.code(204).send();
    },
  );
}
