/**
 * The commands of `reveille bmc` for the accounts of a BMC: names, passwords, rights, and who may use the serial console. The
 * words are ipmitool's, but for passwords: a new one comes from the environment (`IPMI_NEW_PASSWORD`) or from a file
 * (`--new-password-file`), never from an argument, because arguments are in every process list.
 */
import { AppError } from '../errors.ts';
import { getPayloadAccess, setPayloadAccess } from '../ipmi/commands/payload.ts';
import {
  getUserAccess,
  setUserAccess,
  setUserName,
  setUserPassword,
} from '../ipmi/commands/users.ts';
import { findLanChannel } from '../ipmi/lan.ts';
import type { Act, CommandOutput, Context } from './bmc-command.ts';

export const USER_COMMANDS: Readonly<Record<string, { readonly act: Act }>> = {
  'user set': { act: setUser },
  'user enable': { act: switchUser('enable') },
  'user disable': { act: switchUser('disable') },
  'user priv': { act: setPrivilege },
  'user test': { act: testPassword },
  'sol payload': { act: solPayload },
};

/** Six bits (section 22.26). */
const USER_ID_MAX = 63;
const LEVELS = { callback: 1, user: 2, operator: 3, administrator: 4, none: 15 } as const;

function userOf(word: string | undefined): number {
  const user = Number(word);
  if (Number.isInteger(user) && user >= 1 && user <= USER_ID_MAX) return user;
  return invalid(
    `'${word ?? ''}' is no id of a user: 1 to ${USER_ID_MAX}, as 'user list' has them.`,
  );
}

const done = (text: string): CommandOutput => ({ value: { outcome: 'done' }, text });

/** `user set name ID NAME`, `user set password ID`. */
async function setUser({ session, words, newPassword }: Context): Promise<CommandOutput> {
  const [what, id, name = ''] = words;
  const user = userOf(id);
  if (what === 'password') {
    const password = bytesOf(newPassword());
    await session.call(setUserPassword, { operation: 'set', user, password });
    return done(`Set user ${user}'s password`);
  }
  if (what !== 'name' || name === '') invalid("say 'set name ID NAME' or 'set password ID'.");
  await session.call(setUserName, { user, name });
  return done(`Set user ${user}'s name to ${name}`);
}

function switchUser(operation: 'enable' | 'disable'): Act {
  return async ({ session, words }) => {
    const user = userOf(words[0]);
    await session.call(setUserPassword, { operation, user });
    return done(`User ${user} is ${operation}d`);
  };
}

/** `user priv ID LEVEL [CHANNEL]`: the rest of the access stays as it is. */
async function setPrivilege({ session, words }: Context): Promise<CommandOutput> {
  const [id, level = ''] = words;
  const user = userOf(id);
  const privilege = LEVELS[level as keyof typeof LEVELS];
  if (privilege === undefined)
    invalid(`'${level}' is no level; there are: ${Object.keys(LEVELS).join(', ')}.`);
  const channel = words[2] === undefined ? await findLanChannel(session) : Number(words[2]);
  const { messaging, link } = await session.call(getUserAccess, { channel, user });
  await session.call(setUserAccess, { channel, user, messaging, link, privilege });
  return done(`User ${user} has the rights of ${level} on channel ${channel}`);
}

/** `user test ID`: whether the user's password is this one, without a session of its own. */
async function testPassword({ session, words, newPassword }: Context): Promise<CommandOutput> {
  const user = userOf(words[0]);
  const password = bytesOf(newPassword());
  await session.call(setUserPassword, { operation: 'test', user, password });
  return done(`User ${user} has this password`);
}

/** `sol payload status|enable|disable ID [CHANNEL]`. */
async function solPayload({ session, words }: Context): Promise<CommandOutput> {
  const [what = 'status', id] = words;
  if (!['status', 'enable', 'disable'].includes(what))
    invalid(`'${what}' is none of: status, enable, disable.`);
  const user = userOf(id);
  const channel = words[2] === undefined ? await findLanChannel(session) : Number(words[2]);
  if (what !== 'status')
    await session.call(setPayloadAccess, { channel, user, sol: what === 'enable' });
  const { sol } = await session.call(getPayloadAccess, { channel, user });
  const text = `User ${user} ${sol ? 'may' : 'may not'} use the serial console on channel ${channel}`;
  return { value: { user, channel, sol }, text };
}

function bytesOf(password: string): Uint8Array {
  const bytes = Uint8Array.from(Buffer.from(password, 'utf8'));
  if (bytes.length === 0)
    invalid('The password is missing: IPMI_NEW_PASSWORD, or --new-password-file.');
  return bytes;
}

function invalid(detail: string): never {
  throw new AppError('REQUEST_INVALID', { detail });
}
