/**
 * The table behind `reveille bmc`: each command's value, and how a person reads it.
 */
import { AppError } from '../errors.ts';
import { readBootFlags, setBootDevice } from '../ipmi/boot-device.ts';
import { BOOT_DEVICES, type BootDevice } from '../ipmi/commands/boot-options.ts';
import { getChassisStatus } from '../ipmi/commands/chassis-status.ts';
import {
  coldReset,
  getDeviceId,
  getSystemGuid,
  guidSpellings,
  manufacturerName,
} from '../ipmi/commands/device-id.ts';
import { chassisIdentify } from '../ipmi/commands/identify.ts';
import { deactivateSol } from '../ipmi/commands/payload.ts';
import { chassisControl } from '../ipmi/commands/power-control.ts';
import { getSelInfo } from '../ipmi/commands/sel.ts';
import { readFruInventory } from '../ipmi/fru-inventory.ts';
import { findLanChannel, readLan, readUsers } from '../ipmi/lan.ts';
import { type PowerAction, powerIsOn, setPower } from '../ipmi/power.ts';
import { clearWholeSel, readSel, type SelEntry } from '../ipmi/sel-log.ts';
import { readSensors, type SensorValue } from '../ipmi/sensors.ts';
import type { Act, CommandOutput, Context } from './bmc-command.ts';
import { SETTINGS_COMMANDS } from './bmc-settings-commands.ts';
import { USER_COMMANDS } from './bmc-user-commands.ts';
import { columns, properties } from './table.ts';

/** Command words to what they do. */
export const COMMANDS: Readonly<Record<string, { readonly act: Act }>> = {
  'power status': { act: powerStatus },
  'power on': { act: power('on') },
  'power off': { act: power('off') },
  'power cycle': { act: power('cycle') },
  'power reset': { act: power('reset') },
  'power soft': { act: power('soft') },
  'power diag': { act: nmi },
  'chassis status': { act: chassisStatus },
  'chassis identify': { act: identify },
  'chassis bootdev': { act: bootDevice },
  'chassis bootparam': { act: bootFlags },
  'mc info': { act: mcInfo },
  'mc guid': { act: guid },
  'mc reset': { act: mcReset },
  'sel info': { act: selInfo },
  'sel list': { act: selList },
  'sel clear': { act: selClear },
  'sensor list': { act: sensorsWithThresholds },
  'sdr list': { act: sensors },
  'fru print': { act: fru },
  'lan print': { act: lanPrint },
  'user list': { act: userList },
  'sol deactivate': { act: solDeactivate },
  ...SETTINGS_COMMANDS,
  ...USER_COMMANDS,
};

async function powerStatus({ session }: Context): Promise<CommandOutput> {
  const on = await powerIsOn(session);
  return { value: { power: on ? 'on' : 'off' }, text: `Chassis Power is ${on ? 'on' : 'off'}` };
}

const POWER_TEXT = {
  done: 'done',
  already: 'nothing to do',
  uncertain: 'sent, but the reply was lost: look at the machine',
} as const;

function power(action: PowerAction): Act {
  return async ({ session, timers }) => {
    const outcome = await setPower(session, timers, action);
    return {
      value: outcome,
      text: `Chassis Power Control: ${action}, ${POWER_TEXT[outcome.outcome]}`,
    };
  };
}

async function nmi({ session }: Context): Promise<CommandOutput> {
  await session.call(chassisControl, { control: 'nmi' });
  return { value: { outcome: 'done' }, text: 'Chassis Power Control: diagnostic interrupt, done' };
}

async function chassisStatus({ session }: Context): Promise<CommandOutput> {
  const status = await session.call(getChassisStatus, undefined);
  return { value: status, text: properties(status) };
}

async function identify({ session, words }: Context): Promise<CommandOutput> {
  const [word = '15'] = words;
  const seconds = word === 'force' ? 'forever' : Number(word);
  if (seconds !== 'forever' && !(seconds >= 0 && seconds <= 255)) {
    invalid(`'${word}' is neither 0 to 255 seconds nor 'force'.`);
  }
  await session.call(chassisIdentify, { seconds });
  return { value: { identify: seconds }, text: `Chassis identify interval: ${seconds}` };
}

async function bootDevice({ session, words, quirks }: Context): Promise<CommandOutput> {
  const [device = '', ...rest] = words;
  if (!(device in BOOT_DEVICES)) {
    invalid(`'${device}' is no boot device; there are: ${Object.keys(BOOT_DEVICES).join(', ')}.`);
  }
  const flags = rest.flatMap((word) => word.replace(/^options=/, '').split(','));
  const odd = flags.find((flag) => !['efiboot', 'persistent', 'legacy'].includes(flag));
  if (odd !== undefined) invalid(`'${odd}' is no option; there are: efiboot, persistent, legacy.`);
  const request = {
    device: device as BootDevice,
    uefi: flags.includes('efiboot'),
    persistent: flags.includes('persistent'),
  };
  const outcome = await setBootDevice(session, request, quirks);
  const doubts = [
    ...(outcome.verified ? [] : ['but reading it back gives something else']),
    ...(outcome.expires ? ['and the BMC forgets it in 60 seconds'] : []),
  ];
  return { value: outcome, text: [`Set Boot Device to ${device}`, ...doubts].join(', ') };
}

async function bootFlags({ session }: Context): Promise<CommandOutput> {
  const flags = await readBootFlags(session);
  return { value: flags ?? null, text: flags ? properties(flags) : 'The BMC does not say.' };
}

async function mcInfo({ session }: Context): Promise<CommandOutput> {
  const device = await session.call(getDeviceId, undefined);
  const value = { ...device, manufacturer: manufacturerName(device.manufacturerId) };
  return { value, text: properties(value) };
}

async function guid({ session }: Context): Promise<CommandOutput> {
  const [ipmi, plain, smbios] = guidSpellings(await session.call(getSystemGuid, undefined));
  const value = { ipmi, plain, smbios };
  return { value, text: properties(value) };
}

async function mcReset({ session, words }: Context): Promise<CommandOutput> {
  if (words[0] !== 'cold') invalid("say 'mc reset cold'; a warm reset does nothing on most BMCs.");
  // It restarts instead of answering.
  await session.call(coldReset, undefined).catch((error) => {
    if (!(error instanceof AppError && error.code === 'BMC_TIMEOUT')) throw error;
  });
  return { value: { outcome: 'done' }, text: 'Sent cold reset command to the BMC' };
}

async function selInfo({ session }: Context): Promise<CommandOutput> {
  const info = await session.call(getSelInfo, undefined);
  return { value: info, text: properties(info) };
}

async function selList({ session }: Context): Promise<CommandOutput> {
  const entries = await readSel(session);
  const rows = entries.map((entry) => [
    String(entry.id),
    timeOf(entry),
    entry.sensor,
    entry.event,
    entry.asserted ? 'asserted' : 'deasserted',
  ]);
  return { value: entries, text: rows.length > 0 ? columns(rows) : 'SEL has no entries' };
}

function timeOf({ seconds, sinceStart }: SelEntry): string {
  if (seconds === undefined) return '';
  if (sinceStart) return `start + ${seconds} s`;
  return new Date(seconds * 1000).toISOString().replace('T', ' ').replace('.000Z', ' UTC');
}

async function selClear({ session, timers }: Context): Promise<CommandOutput> {
  await clearWholeSel(session, timers);
  return { value: { outcome: 'done' }, text: 'SEL cleared' };
}

async function sensors({ session }: Context): Promise<CommandOutput> {
  const values = await readSensors(session);
  const rows = values.map((each) => [each.name, readingOf(each), each.health]);
  return { value: values, text: columns(rows) };
}

/** Lower failed, critical, warning, then the upper ones, as ipmitool lines them up. */
async function sensorsWithThresholds({ session }: Context): Promise<CommandOutput> {
  const values = await readSensors(session, { thresholds: true });
  const rows = values.map((each) => {
    const { lowerFailed, lowerCritical, lowerWarning, ...upper } = each.thresholds ?? {};
    const { upperWarning, upperCritical, upperFailed } = upper;
    const six = [
      lowerFailed,
      lowerCritical,
      lowerWarning,
      upperWarning,
      upperCritical,
      upperFailed,
    ];
    const limits = six.map((value) => (value === undefined ? 'na' : String(value)));
    return [each.name, readingOf(each), each.health, ...limits];
  });
  return { value: values, text: columns(rows) };
}

function readingOf({ value, unit, states, health }: SensorValue): string {
  if (value !== undefined) return `${Number(value.toPrecision(6))} ${unit ?? ''}`.trim();
  return health === 'none' ? 'no reading' : states.join(', ');
}

async function fru({ session, words }: Context): Promise<CommandOutput> {
  const inventory = await readFruInventory(session, Number(words[0] ?? 0));
  if (!inventory) return { value: null, text: 'The FRU device has no inventory.' };
  const { chassis, board, product, warnings } = inventory;
  const parts = Object.entries({ chassis, board, product }).flatMap(([area, part]) =>
    part ? [`${area}\n${properties(part)}`] : [],
  );
  return { value: inventory, text: [...parts, ...warnings].join('\n') };
}

async function lanPrint({ session, words }: Context): Promise<CommandOutput> {
  const channel = words[0] === undefined ? await findLanChannel(session) : Number(words[0]);
  const settings = await readLan(session, channel);
  return { value: settings, text: properties({ ...settings, suites: settings.suites.join(',') }) };
}

async function userList({ session, words }: Context): Promise<CommandOutput> {
  const channel = words[0] === undefined ? await findLanChannel(session) : Number(words[0]);
  const users = await readUsers(session, channel);
  // Dozens of slots are empty; the JSON has them all.
  const used = users.filter((user) => user.name !== '' || user.privilege !== 'none');
  const rows = used.map((user) => [
    String(user.id),
    user.name,
    user.enabled === undefined ? '?' : user.enabled ? 'enabled' : 'disabled',
    user.privilege,
  ]);
  return { value: users, text: columns(rows) };
}

async function solDeactivate({ session }: Context): Promise<CommandOutput> {
  await session.call(deactivateSol, { instance: 1 });
  return { value: { outcome: 'done' }, text: 'SOL deactivated' };
}

function invalid(detail: string): never {
  throw new AppError('REQUEST_INVALID', { detail });
}
