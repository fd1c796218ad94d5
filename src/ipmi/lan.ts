/**
 * The BMC's own network settings and its users, read whole.
 */
import { formatIpv4, ipv4FromBytes } from '../wire/ipv4.ts';
import { macFromBytes } from '../wire/mac.ts';
import type { Caller } from './command.ts';
import { getChannelInfo } from './commands/channel-info.ts';
import { getLanParameter, LAN_PARAMETER } from './commands/lan-config.ts';
import { getUserAccess, getUserName } from './commands/users.ts';
import { CompletionError } from './completion.ts';

export interface LanSettings {
  readonly channel: number;
  readonly source: string;
  readonly address: string;
  readonly mask: string;
  readonly mac: string;
  readonly gateway: string;
  /** Absent when the BMC is on no VLAN. */
  readonly vlan?: number;
  /** Ids of the cipher suites that the channel has. */
  readonly suites: readonly number[];
}

const SOURCES = ['unspecified', 'static', 'dhcp', 'bios', 'other'];
const CHANNEL_MAX = 11;

/** The first channel that is a LAN: 1 on most BMCs, 2 or 8 on some of HPE and Lenovo. */
export async function findLanChannel(caller: Caller): Promise<number> {
  for (let channel = 1; channel <= CHANNEL_MAX; channel++) {
    const info = await unlessRefused(() => caller.call(getChannelInfo, { channel }));
    if (info?.medium === 'lan' || info?.medium === 'other-lan') return channel;
  }
  return 1;
}

/** Parameters that the BMC does not have are empty. */
export async function readLan(caller: Caller, channel: number): Promise<LanSettings> {
  const ask = async (parameter: number): Promise<Uint8Array> => {
    const bytes = await unlessRefused(() => caller.call(getLanParameter, { channel, parameter }));
    return bytes ?? new Uint8Array();
  };
  const address = (bytes: Uint8Array) =>
    bytes.length >= 4 ? formatIpv4(ipv4FromBytes(bytes)) : '';
  const [source = 0] = await ask(LAN_PARAMETER.source);
  const ip = address(await ask(LAN_PARAMETER.ip));
  const mask = address(await ask(LAN_PARAMETER.mask));
  const mac = await ask(LAN_PARAMETER.mac);
  const gateway = address(await ask(LAN_PARAMETER.gateway));
  const [vlanLow = 0, vlanHigh = 0] = await ask(LAN_PARAMETER.vlan);
  const suites = await ask(LAN_PARAMETER.suites);
  return {
    channel,
    source: SOURCES[source & 0x0f] ?? 'other',
    address: ip,
    mask,
    mac: mac.length >= 6 ? macFromBytes(mac) : '',
    gateway,
    ...(vlanHigh & 0x80 ? { vlan: vlanLow | ((vlanHigh & 0x0f) << 8) } : {}),
    suites: [...suites.subarray(1)],
  };
}

export interface BmcUser {
  readonly id: number;
  readonly name: string;
  /** Absent on BMCs that do not say. */
  readonly enabled?: boolean;
  readonly messaging: boolean;
  /** `callback` ... `administrator`, or `none`. */
  readonly privilege: string;
}

const PRIVILEGES = ['none', 'callback', 'user', 'operator', 'administrator', 'oem'];

export async function readUsers(caller: Caller, channel: number): Promise<readonly BmcUser[]> {
  const users: BmcUser[] = [];
  let usersMax = 1;
  for (let id = 1; id <= usersMax; id++) {
    const access = await unlessRefused(() => caller.call(getUserAccess, { channel, user: id }));
    if (!access) continue;
    usersMax = Math.max(usersMax, access.usersMax);
    // An unnamed user is refused on some BMCs instead of having an empty name.
    const name = (await unlessRefused(() => caller.call(getUserName, { user: id }))) ?? '';
    const privilege = PRIVILEGES[access.privilege] ?? 'none';
    const enabled = access.enabled === undefined ? {} : { enabled: access.enabled };
    users.push({ id, name, ...enabled, messaging: access.messaging, privilege });
  }
  return users;
}

async function unlessRefused<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof CompletionError) return undefined;
    throw error;
  }
}
