/**
 * The BMC port over an IPMI session.
 */
import { AppError } from '../errors.ts';
import { ipmiAccounts } from './accounts.ts';
import type { Bmc, BmcInventory, BootWish } from './bmc.ts';
import { setBootDevice } from './boot-device.ts';
import { type BmcSession, openSession } from './client.ts';
import { getDeviceId, getSystemGuid, guidSpellings } from './commands/device-id.ts';
import { chassisIdentify } from './commands/identify.ts';
import { CompletionError } from './completion.ts';
import { readFruInventory } from './fru-inventory.ts';
import { findLanChannel, readLan } from './lan.ts';
import type { SessionSettings } from './options.ts';
import type { Address, IpmiPorts } from './ports.ts';
import { powerIsOn, setPower, startedSince, startMark } from './power.ts';
import { readSel } from './sel-log.ts';
import { readSensors } from './sensors.ts';
import { ipmiUpkeep } from './upkeep.ts';

/** Opens a session that is kept alive until `close`. @throws AppError as `openSession` */
export async function openIpmiBmc(
  ports: IpmiPorts,
  bmc: Address,
  settings: SessionSettings,
): Promise<Bmc> {
  const session = await openSession(ports, bmc, { keepAlive: true, ...settings });
  return {
    protocol: 'ipmi',
    powerOn: () => powerIsOn(session),
    setPower: (action) => setPower(session, ports.timers, action),
    startMark: () => startMark(session),
    startedSince: (mark) => startedSince(session, mark),
    setBoot: (wish) => setBoot(session, wish, settings),
    identify: (seconds) => session.call(chassisIdentify, { seconds }),
    sensors: () => readSensors(session, { thresholds: true }),
    inventory: () => inventory(session),
    async log() {
      const entries = await readSel(session);
      return entries.map(({ id, seconds, sinceStart, sensor, event, asserted }) => ({
        id: String(id),
        text: `${sensor}: ${event}${asserted ? '' : ' (over)'}`,
        ...(seconds === undefined || sinceStart ? {} : { seconds }),
      }));
    },
    accounts: ipmiAccounts(session),
    upkeep: ipmiUpkeep(session),
    close: () => session.close(),
  };
}

async function setBoot(session: BmcSession, wish: BootWish, settings: SessionSettings) {
  const { target: device, uefi, persistent } = wish;
  if (device === 'http') {
    throw new AppError('BMC_REFUSED', { detail: 'IPMI has no boot device for UEFI HTTP Boot.' });
  }
  const quirks = new Set(settings.quirks);
  const { verified, expires } = await setBootDevice(session, { device, uefi, persistent }, quirks);
  return { verified, expires };
}

async function inventory(session: BmcSession): Promise<BmcInventory> {
  const device = await session.call(getDeviceId, undefined);
  const guid = await optional(() => session.call(getSystemGuid, undefined));
  const fru = await optional(() => readFruInventory(session));
  const { product, board, chassis } = fru ?? {};
  return {
    manufacturer: product?.manufacturer || board?.manufacturer || '',
    product: product?.name || board?.product || '',
    serial: product?.serial || chassis?.serial || board?.serial || '',
    assetTag: product?.assetTag ?? '',
    uuids: guid ? guidSpellings(guid) : [],
    bmcFirmware: device.firmware,
    biosVersion: '',
    macs: [],
    bmcMac:
      (await optional(async () => readLan(session, await findLanChannel(session))))?.mac ?? '',
  };
}

/** A BMC without this is no failure. */
async function optional<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof CompletionError) return undefined;
    throw error;
  }
}
