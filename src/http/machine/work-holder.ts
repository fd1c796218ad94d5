/** Whose work a request is of: the token that it shows (inventory/work.ts). */
import type { FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import type { WorkToken } from '../../inventory/work.ts';
import { parseBootToken } from '../../wire/ids.ts';
import type { MachineAppOptions, TokenParams } from './holder.ts';

type Asked = FastifyRequest<TokenParams>;

/** The token in the path when it is one of work, whatever it still opens. @throws AppError for one that has ended */
export function workTokenOf(
  { inventory }: MachineAppOptions,
  request: Asked,
): WorkToken | undefined {
  const text = parseBootToken(request.params.token);
  if (!text || inventory.tokens.find(text)) return undefined;
  return inventory.work.find(text);
}

/** @throws AppError TOKEN_UNKNOWN, TOKEN_EXPIRED, TOKEN_PURPOSE, WORK_ENDED */
export function holderOfWork(options: MachineAppOptions, request: Asked): WorkToken {
  const token = workTokenOf(options, request);
  if (!token || token.purpose === 'metadata') throw new AppError('TOKEN_PURPOSE');
  return token;
}

/** As above, and its agent has not had its last word. */
export function holderOfLiveWork(options: MachineAppOptions, request: Asked): WorkToken {
  const token = holderOfWork(options, request);
  if (token.order.state !== 'armed') throw new AppError('WORK_ENDED');
  return token;
}
