/**
 * Accounts of a BMC over IPMI (2.0 sections 22.26 to 22.30): one that is there is changed, else the first free id is taken.
 *
 * The order of the writes is such that an account is never enabled before it has its password. Many BMCs answer "no such
 * user" to the name of an id that was never used (0xcc or 0xcb): that id is free. Any other refusal says nothing about the
 * id, and an id that may be somebody's is never written over. An account that is made may use the serial console too
 * (section 24.6); BMCs that keep no rights for it refuse the command, and need none.
 */
import { AppError } from '../errors.ts';
import type { BmcAccounts, Closing } from './bmc.ts';
import type { Caller } from './command.ts';
import { getPayloadAccess, setPayloadAccess } from './commands/payload.ts';
import {
  assertNameFits,
  assertPasswordFits,
  getUserAccess,
  getUserName,
  setUserAccess,
  setUserName,
  setUserPassword,
} from './commands/users.ts';
import { COMPLETION, CompletionError } from './completion.ts';
import { findLanChannel } from './lan.ts';

const ADMINISTRATOR = 4;
/** Mostly the anonymous user, whose name is empty and fixed; some BMCs have a named one there. */
const ANONYMOUS_ID = 1;

/**
 * Before anything of it is on the BMC. The same over Redfish: the account is the one that opens the serial console, and what
 * a BMC is spoken to with may change.
 * @throws AppError REQUEST_INVALID
 */
export function assertAccountFits({
  name,
  password,
}: {
  readonly name: string;
  readonly password: string;
}): void {
  assertNameFits(name);
  assertPasswordFits(Uint8Array.from(Buffer.from(password, 'utf8')));
}

export function ipmiAccounts(session: Caller): BmcAccounts {
  return {
    async put({ name, password }) {
      const bytes = Uint8Array.from(Buffer.from(password, 'utf8'));
      assertAccountFits({ name, password });
      const channel = await findLanChannel(session);
      // Whoever is at id 1 keeps it.
      const users = (await usersOf(session, channel)).filter(({ id }) => id !== ANONYMOUS_ID);
      const known = users.find((user) => user.name === name)?.id;
      const user = known ?? firstFree(users);
      await session.call(setUserName, { user, name });
      await session.call(setUserPassword, { operation: 'set', user, password: bytes });
      const access = { channel, user, messaging: true, link: true, privilege: ADMINISTRATOR };
      await session.call(setUserAccess, access);
      await allowSol(session, { channel, user });
      await session.call(setUserPassword, { operation: 'enable', user });
      return known === undefined ? 'made' : 'changed';
    },
    async disable(name) {
      const channel = await findLanChannel(session);
      const users = (await usersOf(session, channel)).filter((user) =>
        name === '' ? user.id === ANONYMOUS_ID && user.name === '' : user.name === name,
      );
      let closing: Closing = users.length > 0 ? 'was-closed' : 'not-found';
      for (const { id } of users)
        if (await close(session, { channel, user: id })) closing = 'closed';
      return closing;
    },
    closeOthers: (keep) => closeOthers(session, keep),
  };
}

/** One without a name is a free id, unless it is enabled: then everybody is let in. */
async function closeOthers(session: Caller, keep: readonly string[]): Promise<readonly string[]> {
  const channel = await findLanChannel(session);
  const kept = new Set<string>();
  const closed: string[] = [];
  for (const { id, name } of await usersOf(session, channel)) {
    if (keep.includes(name) && !kept.has(name)) {
      kept.add(name);
      continue;
    }
    const who = { channel, user: id };
    if (name === '' && !(await isEnabled(session, who))) continue;
    if (await close(session, who)) closed.push(name || `the user without a name at id ${id}`);
  }
  return closed;
}

async function isEnabled(
  session: Caller,
  who: { readonly channel: number; readonly user: number },
): Promise<boolean> {
  try {
    return (await session.call(getUserAccess, who)).enabled === true;
  } catch (error) {
    if (error instanceof CompletionError && NEVER_USED.includes(error.completion)) return false;
    throw error;
  }
}

/** @returns false for one that was closed already */
async function close(
  session: Caller,
  who: { readonly channel: number; readonly user: number },
): Promise<boolean> {
  const { enabled } = await session.call(getUserAccess, who);
  if (enabled === false) return false;
  await session.call(setUserPassword, { operation: 'disable', user: who.user });
  const after = await session.call(getUserAccess, who);
  if (after.enabled === true) {
    const detail = 'It says that it has disabled the account, and the account is still enabled.';
    throw new AppError('BMC_REFUSED', { detail });
  }
  return true;
}

/** What Get User Name answers for an id that was never used. */
const NEVER_USED: readonly number[] = [COMPLETION.notPresent, COMPLETION.invalidField];

interface User {
  readonly id: number;
  /** '': the id is free, or it is the anonymous user's. */
  readonly name: string;
}

async function usersOf(session: Caller, channel: number): Promise<readonly User[]> {
  const { usersMax } = await session.call(getUserAccess, { channel, user: ANONYMOUS_ID });
  const users: User[] = [];
  for (let id = ANONYMOUS_ID; id <= usersMax; id++)
    users.push({ id, name: await nameOf(session, id) });
  return users;
}

async function nameOf(session: Caller, user: number): Promise<string> {
  try {
    return await session.call(getUserName, { user });
  } catch (error) {
    if (error instanceof CompletionError && NEVER_USED.includes(error.completion)) return '';
    throw error;
  }
}

const NO_SUCH_RIGHTS: readonly number[] = [COMPLETION.invalidCommand, COMPLETION.invalidField];

/** Looks first: a BMC that gives every user the console is not written to. */
async function allowSol(
  session: Caller,
  who: { readonly channel: number; readonly user: number },
): Promise<void> {
  try {
    const { sol } = await session.call(getPayloadAccess, who);
    if (!sol) await session.call(setPayloadAccess, { ...who, sol: true });
  } catch (error) {
    if (error instanceof CompletionError && NO_SUCH_RIGHTS.includes(error.completion)) return;
    throw error;
  }
}

function firstFree(users: readonly User[]): number {
  const free = users.find(({ name }) => name === '');
  if (free) return free.id;
  throw new AppError('BMC_REFUSED', { detail: 'It has no free account.' });
}
