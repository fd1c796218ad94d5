/**
 * The commands of `reveille bmc` that set up the BMC itself: what happens when mains power comes back, its clock, its address,
 * its watchdog. The words are ipmitool's.
 */
import { AppError } from '../errors.ts';
import { getChannelAccess, getChannelInfo } from '../ipmi/commands/channel-info.ts';
import { getChassisStatus, getRestartCause } from '../ipmi/commands/chassis-status.ts';
import { LAN_PARAMETER } from '../ipmi/commands/lan-config.ts';
import { setRestorePolicy } from '../ipmi/commands/power-control.ts';
import { getSdrInfo } from '../ipmi/commands/sdr.ts';
import { getSelTime, setSelTime } from '../ipmi/commands/sel.ts';
import { getWatchdog, resetWatchdog, stopWatchdog } from '../ipmi/commands/watchdog.ts';
import { CompletionError } from '../ipmi/completion.ts';
import { findLanChannel, readLan } from '../ipmi/lan.ts';
import { setAddressSource, setLan } from '../ipmi/upkeep.ts';
import { ipv4ToBytes, parseIpv4 } from '../wire/ipv4.ts';
import type { Act, CommandOutput, Context } from './bmc-command.ts';
import { properties } from './table.ts';

export const SETTINGS_COMMANDS: Readonly<Record<string, { readonly act: Act }>> = {
  'chassis policy': { act: restorePolicy },
  'chassis restart_cause': { act: restartCause },
  'mc watchdog': { act: watchdog },
  'sel time': { act: selTime },
  'sdr info': { act: sdrInfo },
  'lan set': { act: lanSet },
  'channel info': { act: channelInfo },
};

const POLICIES = ['always-off', 'previous', 'always-on'] as const;

async function restorePolicy({ session, words }: Context): Promise<CommandOutput> {
  const [word = 'list'] = words;
  const policy = POLICIES.find((name) => name === word);
  if (word !== 'list' && !policy)
    invalid(`'${word}' is no policy; there are: ${POLICIES.join(', ')}, and list.`);
  if (policy) await session.call(setRestorePolicy, { policy });
  const { restorePolicy: now } = await session.call(getChassisStatus, undefined);
  return { value: { restorePolicy: now }, text: `Power restore policy: ${now}` };
}

async function restartCause({ session }: Context): Promise<CommandOutput> {
  const value = await session.call(getRestartCause, undefined);
  return { value, text: `System restart cause: ${value.cause}` };
}

async function watchdog({ session, words }: Context): Promise<CommandOutput> {
  const [word = 'get'] = words;
  if (!['get', 'off', 'reset'].includes(word))
    invalid(`'${word}' is nothing to do with a watchdog; there are: get, off, reset.`);
  if (word === 'off') await session.call(stopWatchdog, undefined);
  if (word === 'reset') await session.call(resetWatchdog, undefined);
  const timer = await session.call(getWatchdog, undefined);
  return { value: timer, text: properties(timer) };
}

async function selTime({ session, words, nowSeconds }: Context): Promise<CommandOutput> {
  const [word = 'get', when = 'now'] = words;
  if (word !== 'get' && word !== 'set') invalid(`'${word}' is neither get nor set.`);
  if (word === 'set') {
    const seconds = when === 'now' ? nowSeconds() : Math.floor(Date.parse(when) / 1000);
    if (!Number.isInteger(seconds) || seconds < 0 || seconds > 0xffff_ffff)
      invalid(`'${when}' is neither now nor a time such as 2026-01-31T12:00:00Z.`);
    await session.call(setSelTime, { seconds });
  }
  const { seconds } = await session.call(getSelTime, undefined);
  const aheadSeconds = seconds - nowSeconds();
  const time = new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
  return {
    value: { time, aheadSeconds },
    text: `${time}, ${aheadSeconds} s ahead of this machine`,
  };
}

async function sdrInfo({ session }: Context): Promise<CommandOutput> {
  const info = await session.call(getSdrInfo, undefined);
  return { value: info, text: properties(info) };
}

const ADDRESSES = {
  ipaddr: LAN_PARAMETER.ip,
  netmask: LAN_PARAMETER.mask,
  'defgw ipaddr': LAN_PARAMETER.gateway,
} as const;

/** `lan set [CHANNEL] ipsrc dhcp|static`, `lan set [CHANNEL] ipaddr|netmask|defgw ipaddr ADDRESS`. */
async function lanSet({ session, words }: Context): Promise<CommandOutput> {
  const given = /^\d+$/.test(words[0] ?? '') ? Number(words[0]) : undefined;
  const rest = given === undefined ? words : words.slice(1);
  const channel = given ?? (await findLanChannel(session));
  const [name, value = ''] = [rest.slice(0, -1).join(' '), rest.at(-1)];
  if (name === 'ipsrc') {
    if (value !== 'dhcp' && value !== 'static') invalid(`'${value}' is neither dhcp nor static.`);
    await setAddressSource(session, value, channel);
  } else {
    const parameter = ADDRESSES[name as keyof typeof ADDRESSES];
    const address = parseIpv4(value);
    if (parameter === undefined || address === undefined)
      invalid('say ipsrc dhcp|static, or ipaddr, netmask or defgw ipaddr and an address.');
    await setLan(session, channel, [[parameter, ipv4ToBytes(address)]]);
  }
  const settings = await readLan(session, channel);
  return { value: settings, text: properties({ ...settings, suites: settings.suites.join(',') }) };
}

async function channelInfo({ session, words }: Context): Promise<CommandOutput> {
  const channel = Number(words[0] ?? 0x0e);
  const info = await session.call(getChannelInfo, { channel });
  const access = await session.call(getChannelAccess, { channel }).catch((error) => {
    if (error instanceof CompletionError) return {};
    throw error;
  });
  const value = { ...info, ...access };
  return { value, text: properties(value) };
}

function invalid(detail: string): never {
  throw new AppError('REQUEST_INVALID', { detail });
}
