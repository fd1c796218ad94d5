/**
 * The BMC port over Redfish. Ids of resources are found by following links from the root, never assumed: every vendor has
 * its own. A chassis with several machines needs the id of the one that is meant.
 */
import { AppError } from '../../errors.ts';
import { limit } from '../../limits.ts';
import type {
  Bmc,
  BmcAccounts,
  BmcInventory,
  BmcLogEntry,
  BmcUpkeep,
  BootTarget,
  BootWish,
} from '../bmc.ts';
import type { Timers } from '../ports.ts';
import { type PowerAction, type PowerOutcome, settleDoubt } from '../power.ts';
import { sleep } from '../sleep.ts';
import { type Credentials, type HttpPort, RedfishError, RedfishHttp } from './http.ts';
import { at, type Json, linkAt, listAt, textAt, textsAt } from './json.ts';
import { redfishAccounts } from './redfish-accounts.ts';
import { readRedfishSensors } from './redfish-sensors.ts';
import { redfishUpkeep } from './redfish-upkeep.ts';

export interface RedfishTarget {
  readonly http: HttpPort;
  readonly timers: Timers;
  readonly credentials: Credentials;
  /** The id of the machine, where there are several behind one BMC. */
  readonly systemId?: string | undefined;
}

/** @throws AppError BMC_UNREACHABLE, BMC_PASSWORD, BMC_PROTOCOL, REQUEST_INVALID for an ambiguous machine */
export async function openRedfishBmc(target: RedfishTarget): Promise<Bmc> {
  const root = await RedfishHttp.root(target.http);
  if (!root) throw new AppError('BMC_PROTOCOL', { detail: 'There is no Redfish service root.' });
  const http = new RedfishHttp(target.http, target.timers, target.credentials);
  const system = await findSystem(http, root, target.systemId);
  return new RedfishBmc(http, target.timers, { root, system });
}

async function findSystem(http: RedfishHttp, root: Json, id: string | undefined): Promise<string> {
  const systems = await http.members(linkAt(root, 'Systems'));
  const wanted = id === undefined ? systems : systems.filter((path) => lastWord(path) === id);
  const [system] = wanted;
  if (system !== undefined && wanted.length === 1) return system;
  await http.close();
  const names = systems.map(lastWord).join(', ');
  throw new AppError('REQUEST_INVALID', { detail: `Name one machine of this BMC: ${names}.` });
}

function lastWord(path: string): string {
  return path.replace(/\/$/, '').split('/').at(-1) ?? '';
}

const RESET_TYPES: Readonly<Record<Exclude<PowerAction, 'cycle'>, readonly string[]>> = {
  on: ['On', 'ForceOn'],
  off: ['ForceOff'],
  soft: ['GracefulShutdown', 'PushPowerButton'],
  reset: ['ForceRestart', 'PowerCycle'],
};

const TARGETS: Readonly<Record<BootTarget, string>> = {
  none: 'None',
  pxe: 'Pxe',
  disk: 'Hdd',
  cdrom: 'Cd',
  bios: 'BiosSetup',
  http: 'UefiHttp',
};

class RedfishBmc implements Bmc {
  readonly protocol = 'redfish';
  readonly accounts: BmcAccounts;
  readonly upkeep: BmcUpkeep;
  private readonly http: RedfishHttp;
  private readonly timers: Timers;
  private readonly system: string;

  constructor(http: RedfishHttp, timers: Timers, at: { root: Json; system: string }) {
    this.http = http;
    this.timers = timers;
    this.system = at.system;
    this.accounts = redfishAccounts(http, at.root);
    this.upkeep = redfishUpkeep(http, at.system);
  }

  async powerOn(): Promise<boolean> {
    return isOn((await this.http.get(this.system)).json);
  }

  async setPower(action: PowerAction): Promise<PowerOutcome> {
    const on = await this.powerOn();
    switch (action) {
      case 'on':
      case 'off':
        if (on === (action === 'on')) return { outcome: 'already', sent: 'nothing' };
        return this.switchTo(action);
      case 'soft':
        if (!on) return { outcome: 'already', sent: 'nothing' };
        return this.once('soft');
      case 'reset':
        return on ? this.resetOnce() : this.switchTo('on');
      case 'cycle': {
        if (!on) return this.switchTo('on');
        await this.switchTo('off');
        await sleep(this.timers, limit('powerOffPauseMs'));
        await this.switchTo('on');
        return { outcome: 'done', sent: 'cycle' };
      }
    }
  }

  /** LastResetTime (ComputerSystem 1.12): when its processors were last started; '' on older services. */
  async startMark(): Promise<string> {
    return textAt((await this.http.get(this.system)).json, 'LastResetTime');
  }

  async startedSince(mark: string): Promise<boolean> {
    const now = await this.startMark();
    return mark !== '' && now !== '' && now !== mark;
  }

  async setBoot(wish: BootWish): Promise<{ verified: boolean; expires: boolean }> {
    const target = TARGETS[wish.target];
    const enabled = wish.target === 'none' ? 'Disabled' : wish.persistent ? 'Continuous' : 'Once';
    const { json, etag } = await this.http.get(this.system);
    const allowed = textsAt(json, 'Boot', 'BootSourceOverrideTarget@Redfish.AllowableValues');
    if (allowed.length > 0 && !allowed.includes(target)) {
      const detail = `It boots from ${allowed.join(', ')}, not from ${target}.`;
      throw new AppError('BMC_REFUSED', { detail });
    }
    // AMI boards want all three every time.
    const fields = { BootSourceOverrideEnabled: enabled, BootSourceOverrideTarget: target };
    const mode = wish.target === 'http' || wish.uefi ? 'UEFI' : 'Legacy';
    const full = { Boot: { ...fields, BootSourceOverrideMode: mode } };
    await this.patchBoot(full, { Boot: fields }, etag);
    const after = at((await this.http.get(this.system)).json, 'Boot');
    const verified =
      textAt(after, 'BootSourceOverrideEnabled') === enabled &&
      (enabled === 'Disabled' || textAt(after, 'BootSourceOverrideTarget') === target) &&
      ['', mode].includes(textAt(after, 'BootSourceOverrideMode'));
    return { verified, expires: false };
  }

  /** HP DL160 Gen10 and Supermicro X10 refuse the mode: then it is left out. */
  private async patchBoot(full: Json, withoutMode: Json, etag: string): Promise<void> {
    try {
      await this.http.patch(this.system, full, etag);
    } catch (error) {
      if (!(error instanceof RedfishError) || error.status !== 400) throw error;
      await this.http.patch(this.system, withoutMode, (await this.http.get(this.system)).etag);
    }
  }

  async identify(seconds: number): Promise<void> {
    const lit = seconds > 0;
    const { json, etag } = await this.http.get(this.system);
    if (at(json, 'LocationIndicatorActive') !== undefined) {
      await this.http.patch(this.system, { LocationIndicatorActive: lit }, etag);
    } else if (at(json, 'IndicatorLED') !== undefined) {
      await this.http.patch(this.system, { IndicatorLED: lit ? 'Lit' : 'Off' }, etag);
    } else {
      throw new AppError('BMC_REFUSED', { detail: 'This machine has no light to identify it.' });
    }
  }

  async sensors() {
    const { json } = await this.http.get(this.system);
    const chassis = listAt(json, 'Links', 'Chassis').map((link) => linkAt(link));
    return readRedfishSensors(this.http, chassis);
  }

  async inventory(): Promise<BmcInventory> {
    const { json } = await this.http.get(this.system);
    const nics = linkAt(json, 'EthernetInterfaces');
    const macs: string[] = [];
    for (const path of nics === '' ? [] : await this.http.members(nics)) {
      const nic = (await this.http.get(path)).json;
      const mac = textAt(nic, 'PermanentMACAddress') || textAt(nic, 'MACAddress');
      if (mac) macs.push(mac.toLowerCase());
    }
    const manager = linkAt(listAt(json, 'Links', 'ManagedBy')[0]);
    const managerJson = manager === '' ? undefined : (await this.http.get(manager)).json;
    const uuid = textAt(json, 'UUID').toLowerCase();
    return {
      manufacturer: textAt(json, 'Manufacturer'),
      product: textAt(json, 'Model'),
      // Dell's service tag, which is on the machine, is the SKU; its SerialNumber is the board's.
      serial:
        (/dell/i.test(textAt(json, 'Manufacturer')) && textAt(json, 'SKU')) ||
        textAt(json, 'SerialNumber'),
      assetTag: textAt(json, 'AssetTag'),
      uuids: uuid ? [uuid] : [],
      bmcFirmware: textAt(managerJson, 'FirmwareVersion'),
      biosVersion: textAt(json, 'BiosVersion'),
      macs,
      bmcMac: manager === '' ? '' : await this.macOf(managerJson),
    };
  }

  /** The first NIC of the manager that names an address of its own. */
  private async macOf(manager: Json | undefined): Promise<string> {
    const path = linkAt(manager, 'EthernetInterfaces');
    for (const nic of path === '' ? [] : await this.http.members(path)) {
      const { json } = await this.http.get(nic);
      const mac = textAt(json, 'PermanentMACAddress') || textAt(json, 'MACAddress');
      if (mac) return mac.toLowerCase();
    }
    return '';
  }

  async log(): Promise<readonly BmcLogEntry[]> {
    const { json } = await this.http.get(this.system);
    const manager = linkAt(listAt(json, 'Links', 'ManagedBy')[0]);
    const managerJson = manager === '' ? undefined : (await this.http.get(manager)).json;
    const services = [linkAt(json, 'LogServices'), linkAt(managerJson, 'LogServices')];
    const logs: string[] = [];
    for (const path of services) if (path) logs.push(...(await this.http.members(path)));
    // The one that is the SEL, by the names that vendors give it; else the first.
    const sel = logs.find((path) => /^(sel|iel|log1|eventlog)$/i.test(lastWord(path))) ?? logs[0];
    if (sel === undefined) return [];
    const entries = linkAt((await this.http.get(sel)).json, 'Entries');
    return entries === '' ? [] : this.entries(entries);
  }

  close(): Promise<void> {
    return this.http.close();
  }

  /** Entries come inside their collection, page by page. */
  private async entries(path: string): Promise<readonly BmcLogEntry[]> {
    const entries: BmcLogEntry[] = [];
    const seen = new Set<string>();
    for (let page = path; page !== '' && !seen.has(page); ) {
      seen.add(page);
      const { json } = await this.http.get(page);
      for (const entry of listAt(json, 'Members')) {
        const seconds = Date.parse(textAt(entry, 'Created')) / 1000;
        entries.push({
          id: textAt(entry, 'Id'),
          text: textAt(entry, 'Message'),
          ...(Number.isFinite(seconds) ? { seconds } : {}),
        });
      }
      if (entries.length >= limit('selEntriesMax')) break;
      page = textAt(json, 'Members@odata.nextLink');
    }
    return entries;
  }

  private async resetOnce(): Promise<PowerOutcome> {
    const mark = await this.startMark();
    const sent = await this.once('reset');
    if (sent.outcome !== 'uncertain') return sent;
    return settleDoubt(sent, () => this.startedSince(mark));
  }

  private async switchTo(state: 'on' | 'off'): Promise<PowerOutcome> {
    const { outcome } = await this.once(state);
    // "On" and "off" can be said again: a second one changes nothing if the first arrived.
    if (outcome === 'uncertain' && (await this.powerOn()) !== (state === 'on'))
      await this.once(state);
    const untilMs = this.timers.nowMs() + limit('powerSettleMs');
    while ((await this.powerOn()) !== (state === 'on')) {
      if (this.timers.nowMs() >= untilMs) {
        throw new AppError('BMC_TIMEOUT', { detail: `The power is not ${state} after a minute.` });
      }
      await sleep(this.timers, limit('powerPollMs'));
    }
    return { outcome: 'done', sent: state };
  }

  private async once(action: keyof typeof RESET_TYPES): Promise<PowerOutcome> {
    const { json } = await this.http.get(this.system);
    const reset = at(json, 'Actions', '#ComputerSystem.Reset');
    const path = textAt(reset, 'target') || `${this.system}/Actions/ComputerSystem.Reset`;
    const allowed = await this.allowedResets(reset);
    const type = RESET_TYPES[action].find((each) => allowed.length === 0 || allowed.includes(each));
    if (type === undefined) {
      const detail = `It can do ${allowed.join(', ')}, which is no ${action}.`;
      throw new AppError('BMC_REFUSED', { detail });
    }
    try {
      await this.http.post(path, { ResetType: type });
    } catch (error) {
      if (isDoubtful(error)) return { outcome: 'uncertain', sent: action };
      // "Already in that state" comes as 400 or 409: then it is what was wanted.
      const state = action === 'on' ? true : action === 'off' ? false : undefined;
      const conflict = error instanceof RedfishError && [400, 409].includes(error.status);
      if (!conflict || state === undefined || (await this.powerOn()) !== state) throw error;
      return { outcome: 'already', sent: action };
    }
    return { outcome: 'done', sent: action };
  }

  private async allowedResets(reset: Json | undefined): Promise<readonly string[]> {
    const direct = textsAt(reset, 'ResetType@Redfish.AllowableValues');
    const info = textAt(reset, '@Redfish.ActionInfo');
    if (direct.length > 0 || info === '') return direct;
    const { json } = await this.http.get(info);
    const parameter = listAt(json, 'Parameters').find(
      (each) => textAt(each, 'Name') === 'ResetType',
    );
    return textsAt(parameter, 'AllowableValues');
  }
}

/** No answer, or a fault of the service: it may have been carried out. A refusal (below 500) says that it was not. */
function isDoubtful(error: unknown): boolean {
  if (error instanceof RedfishError) return error.status >= 500;
  return error instanceof AppError && error.code !== 'BMC_PASSWORD' && error.code !== 'BMC_BUSY';
}

/** A machine that is going down still has power; one that is coming up has none yet. */
function isOn(system: Json): boolean {
  return ['On', 'PoweringOff', 'Paused'].includes(textAt(system, 'PowerState'));
}
