/**
 * Accounts of a BMC over IPMI (2.0 sections 22.26 to 22.30): one that is there is changed, else the first free id is taken.
 *
 * The order of the writes is such that an account is never enabled before it has its password. Many BMCs answer "no such
 * user" to the name of an id that was never used (0xcc or 0xcb): that id is free.
 */
import { AppError } from '../errors.ts';
import type { BmcAccounts } from './bmc.ts';
import type { Caller } from './command.ts';
import {
  getUserAccess,
  getUserName,
  setUserAccess,
  setUserName,
  setUserPassword,
} from './commands/users.ts';
import { CompletionError } from './completion.ts';
import { findLanChannel } from './lan.ts';

const ADMINISTRATOR = 4;
/** Id 1 is the anonymous user, whose name is fixed. */
const FIRST_ID = 2;

export function ipmiAccounts(session: Caller): BmcAccounts {
  return {
    async put({ name, password }) {
      const channel = await findLanChannel(session);
      const names = await namesOf(session, channel);
      const known = names.get(name);
      const user = known ?? firstFree(names);
      await session.call(setUserName, { user, name });
      const bytes = Uint8Array.from(Buffer.from(password, 'utf8'));
      await session.call(setUserPassword, { operation: 'set', user, password: bytes });
      const access = { channel, user, messaging: true, link: true, privilege: ADMINISTRATOR };
      await session.call(setUserAccess, access);
      await session.call(setUserPassword, { operation: 'enable', user });
      return known === undefined ? 'made' : 'changed';
    },
    async disable(name) {
      const channel = await findLanChannel(session);
      const user = (await namesOf(session, channel)).get(name);
      if (user === undefined) return false;
      const { enabled } = await session.call(getUserAccess, { channel, user });
      if (enabled === false) return false;
      await session.call(setUserPassword, { operation: 'disable', user });
      return true;
    },
  };
}

/** Ids by name; free ids under ''. */
async function namesOf(session: Caller, channel: number): Promise<Map<string, number>> {
  const { usersMax } = await session.call(getUserAccess, { channel, user: 1 });
  const names = new Map<string, number>();
  for (let user = FIRST_ID; user <= usersMax; user++) {
    const name = await nameOf(session, user);
    if (!names.has(name)) names.set(name, user);
  }
  return names;
}

async function nameOf(session: Caller, user: number): Promise<string> {
  try {
    return await session.call(getUserName, { user });
  } catch (error) {
    if (error instanceof CompletionError) return '';
    throw error;
  }
}

function firstFree(names: ReadonlyMap<string, number>): number {
  const free = names.get('');
  if (free !== undefined) return free;
  throw new AppError('BMC_REFUSED', { detail: 'It has no free account.' });
}
