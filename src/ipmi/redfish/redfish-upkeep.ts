/**
 * What a site wants of every BMC beside its accounts, over Redfish: the power restore policy and the host watchdog of the
 * machine (ComputerSystem, DSP0268), the clock and the address of the BMC itself (Manager and its EthernetInterface).
 *
 * Each looks first and writes only what differs. A property that a service does not have is not guessed at: the answer is
 * then `undefined`, and whoever asked says so to people.
 */
import { formatUtc } from '../../wire/time.ts';
import type { BmcUpkeep, RestoreWish } from '../bmc.ts';
import type { RedfishHttp } from './http.ts';
import { at, type Json, linkAt, listAt, textAt } from './json.ts';

const POLICIES: Readonly<Record<RestoreWish, string>> = {
  'always-off': 'AlwaysOff',
  previous: 'LastState',
  'always-on': 'AlwaysOn',
};
/** The clock has whole seconds, and asking takes some of one. */
const SKEW_SECONDS = 2;

export function redfishUpkeep(http: RedfishHttp, system: string): BmcUpkeep {
  const manager = async () => {
    const path = linkAt(listAt((await http.get(system)).json, 'Links', 'ManagedBy')[0]);
    return path === '' ? undefined : { path, ...(await http.get(path)) };
  };
  return {
    async restorePolicy(wish) {
      const { json, etag } = await http.get(system);
      const now = textAt(json, 'PowerRestorePolicy');
      if (now === '') return undefined;
      if (now === POLICIES[wish]) return false;
      await http.patch(system, { PowerRestorePolicy: POLICIES[wish] }, etag);
      return true;
    },
    async setClock(seconds) {
      const found = await manager();
      const there = Date.parse(textAt(found?.json, 'DateTime')) / 1000;
      if (!found || !Number.isFinite(there)) return undefined;
      const skewSeconds = Math.round(there - seconds);
      if (Math.abs(skewSeconds) > SKEW_SECONDS) {
        const DateTime = formatUtc(seconds).replace('Z', '+00:00');
        await http.patch(found.path, { DateTime }, found.etag);
      }
      return { skewSeconds };
    },
    async useDhcp() {
      const nic = await dhcpNic(http, (await manager())?.json);
      if (!nic) return undefined;
      if (at(nic.json, 'DHCPv4', 'DHCPEnabled') === true) return false;
      await http.patch(nic.path, { DHCPv4: { DHCPEnabled: true } }, nic.etag);
      return true;
    },
    async calmWatchdog() {
      const { json, etag } = await http.get(system);
      const timer = at(json, 'HostWatchdogTimer');
      // Allowed is not running: the state says whether something on the machine has started it.
      const running = textAt(timer, 'Status', 'State') === 'Enabled';
      if (at(timer, 'FunctionEnabled') !== true || !running) return false;
      await http.patch(system, { HostWatchdogTimer: { FunctionEnabled: false } }, etag);
      return true;
    },
  };
}

/** The first NIC of the BMC whose address can come from DHCP. */
async function dhcpNic(http: RedfishHttp, manager: Json | undefined) {
  const nics = linkAt(manager, 'EthernetInterfaces');
  for (const path of nics === '' ? [] : await http.members(nics)) {
    const nic = await http.get(path);
    if (typeof at(nic.json, 'DHCPv4', 'DHCPEnabled') === 'boolean') return { path, ...nic };
  }
  return undefined;
}
