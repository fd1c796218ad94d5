/**
 * What a site wants of every BMC beside its accounts: what the machine does when power comes back, a clock that is right, an
 * address by DHCP, no watchdog that an earlier system left behind. Each looks first and writes only what differs, so that
 * it may be done again.
 */
import type { BmcUpkeep, RestoreWish } from './bmc.ts';
import type { Caller } from './command.ts';
import { getChassisStatus } from './commands/chassis-status.ts';
import { LAN_PARAMETER, setLanParameter } from './commands/lan-config.ts';
import { setRestorePolicy } from './commands/power-control.ts';
import { getSelTime, setSelTime } from './commands/sel.ts';
import { getWatchdog, stopWatchdog } from './commands/watchdog.ts';
import { CompletionError } from './completion.ts';
import { findLanChannel, readLan } from './lan.ts';

/** The clock has whole seconds, and asking takes some of one. */
const SKEW_SECONDS = 2;

export function ipmiUpkeep(session: Caller): BmcUpkeep {
  return {
    async restorePolicy(wish: RestoreWish) {
      const { restorePolicy } = await session.call(getChassisStatus, undefined);
      if (restorePolicy === wish) return false;
      await session.call(setRestorePolicy, { policy: wish });
      return true;
    },
    async setClock(seconds) {
      const there = await session.call(getSelTime, undefined);
      const skewSeconds = there.seconds - seconds;
      if (Math.abs(skewSeconds) > SKEW_SECONDS) await session.call(setSelTime, { seconds });
      return { skewSeconds };
    },
    useDhcp: () => setAddressSource(session, 'dhcp'),
    async calmWatchdog() {
      try {
        const { running, use } = await session.call(getWatchdog, undefined);
        // The firmware's own (FRB2, POST) guards its start and ends by itself.
        if (!running || (use !== 'os-load' && use !== 'sms-os')) return false;
        await session.call(stopWatchdog, undefined);
        return true;
      } catch (error) {
        // Optional (section 27): a BMC without one has none that runs.
        if (error instanceof CompletionError) return false;
        throw error;
      }
    },
  };
}

/** Parameter 4 (section 23.1): 1 is static, 2 is DHCP. */
const SOURCE = { static: 1, dhcp: 2 } as const;
export type AddressSource = keyof typeof SOURCE;

/**
 * Between "set in progress" and "complete" (parameter 0), which BMCs without it refuse: then it is left out.
 * @returns whether it was another one
 */
export async function setAddressSource(
  session: Caller,
  source: AddressSource,
  on?: number,
): Promise<boolean> {
  const channel = on ?? (await findLanChannel(session));
  if ((await readLan(session, channel)).source === source) return false;
  await setLan(session, channel, [[LAN_PARAMETER.source, Uint8Array.of(SOURCE[source])]]);
  return true;
}

/** Writes parameters in this order. @throws CompletionError */
export async function setLan(
  session: Caller,
  channel: number,
  parameters: readonly (readonly [number, Uint8Array])[],
): Promise<void> {
  const progress = async (state: number) => {
    try {
      const data = Uint8Array.of(state);
      await session.call(setLanParameter, {
        channel,
        parameter: LAN_PARAMETER.setInProgress,
        data,
      });
    } catch (error) {
      if (!(error instanceof CompletionError)) throw error;
    }
  };
  await progress(1);
  try {
    for (const [parameter, data] of parameters)
      await session.call(setLanParameter, { channel, parameter, data });
  } finally {
    await progress(0);
  }
}
