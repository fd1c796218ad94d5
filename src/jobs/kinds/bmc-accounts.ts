/** What kinds have in common that manage accounts on a BMC. */
import { AppError } from '../../errors.ts';
import type { StepContext } from '../definition.ts';

/** The account of a stored credential. None for one that nobody has stored: a policy's list may name such. */
export function accountOf(context: Pick<StepContext, 'login'>, credential: string): string[] {
  try {
    return [context.login(credential).username];
  } catch (error) {
    if (error instanceof AppError && error.code === 'NOT_FOUND') return [];
    throw error;
  }
}

/** @throws AppError BMC_REFUSED where accounts cannot be managed over what the BMC speaks */
export function managed<Accounts>(accounts: Accounts | undefined): Accounts {
  if (accounts) return accounts;
  throw new AppError('BMC_REFUSED', { detail: 'Its accounts cannot be managed from here.' });
}
