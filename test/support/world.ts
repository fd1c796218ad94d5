/** An appliance without sockets: the real inventory on a database in memory, with a clock that tests move. */

import Sqlite, { type Database } from 'better-sqlite3';
import { createBootRules } from '../../src/boot/binaries.ts';
import { createBootDesk } from '../../src/boot/desk.ts';
import { createNewcomers } from '../../src/boot/newcomers.ts';
import { loadGrubScripts } from '../../src/boot/render-grub.ts';
import { loadScripts } from '../../src/boot/render-ipxe.ts';
import { hasGrub } from '../../src/boot/settings.ts';
import { parseConfig } from '../../src/config.ts';
import { openBootRecords } from '../../src/daemon/boot-records.ts';
import { domainOf, httpsOffers } from '../../src/daemon/core.ts';
import { openLiveSegments, subnetCheck } from '../../src/daemon/live-segments.ts';
import { OPTION, text, u8, u32 } from '../../src/dhcp/options.ts';
import { BOOTREQUEST, type DhcpPacket } from '../../src/dhcp/packet.ts';
import type { DhcpView, Outcome, Segment } from '../../src/dhcp/ports.ts';
import { respond } from '../../src/dhcp/respond.ts';
import { enterLease } from '../../src/dhcp/server.ts';
import { type Inventory, openInventory } from '../../src/inventory/inventory.ts';
import { migrate } from '../../src/inventory/schema.ts';
import { openJobDesk } from '../../src/jobs/desk.ts';
import { NO_BMC_POLICY } from '../../src/jobs/kinds/bmc-setup.ts';
import { jobKinds } from '../../src/jobs/kinds/index.ts';
import { readText } from '../../src/platform/boot-files.ts';
import { openRequestDesk } from '../../src/provisioning/desk.ts';
import { openPoolDesk } from '../../src/provisioning/pool-desk.ts';
import { IPV4_ANY, type Ipv4, parseIpv4 } from '../../src/wire/ipv4.ts';
import { type Mac, macToBytes, parseMac } from '../../src/wire/mac.ts';
import type { Millis } from '../../src/wire/time.ts';

export function mac(text: string): Mac {
  const parsed = parseMac(text);
  if (!parsed) throw new Error(`bad MAC ${text}`);
  return parsed;
}

export function ipv4(text: string): Ipv4 {
  const parsed = parseIpv4(text);
  if (parsed === undefined) throw new Error(`bad address ${text}`);
  return parsed;
}

/** An empty database of today's schema: its steps take longer than most tests do. */
const EMPTY = (() => {
  const db = new Sqlite(':memory:');
  migrate(db);
  const image = db.serialize();
  db.close();
  return image;
})();

function emptyDatabase(): Database {
  const db = new Sqlite(EMPTY);
  // Two databases are never of one epoch.
  db.prepare("UPDATE meta SET value = lower(hex(randomblob(6))) WHERE key = 'feed_epoch'").run();
  return db;
}

export function createWorld(
  db: Database = emptyDatabase(),
  configText = '',
  ports: Omit<DhcpView, 'segments' | 'leases' | 'bootFor' | 'hardwarenameOf'> = {},
  present: (file: string) => boolean = () => true,
) {
  const time = { now: 1_700_000_000_000 as Millis };
  const clock = () => time.now;
  const config = parseConfig(configText);
  const checkSubnet = subnetCheck(config.dhcp);
  const inventory: Inventory = openInventory({
    ...{ db, clock, checkSubnet },
    domain: domainOf(config),
  });
  const desk = createBootDesk(openBootRecords(db, inventory, config.dns.domain), {
    httpPort: 8080,
    ...httpsOffers(config),
    rules: createBootRules(config.boot, present),
    kernelArguments: 'quiet',
    scripts: loadScripts((name) => readText('ipxe-scripts', name)),
    grubScripts: hasGrub(config.boot)
      ? loadGrubScripts((name) => readText('grub-scripts', name))
      : undefined,
  });
  const { records } = inventory.serverdb;
  const live = openLiveSegments({ ...inventory, dhcp: config.dhcp, records });
  const newcomers = createNewcomers({
    ...{ clock, boots: inventory.boots },
    isOnRecord: (mac) => inventory.machines.stateByMac(mac) !== undefined,
  });
  const view: DhcpView = {
    get segments() {
      return live.segments();
    },
    leases: inventory.leases,
    ...{ bootFor: desk.bootFor, hardwarenameOf: desk.hardwarenameOf },
    admits: newcomers.admits,
    trustedRelays: config.dhcp.trustedRelays,
    ...ports,
  };
  const { events, machines } = inventory;
  const kinds = jobKinds({ bmcSetup: NO_BMC_POLICY });
  const onCancel = ({ id }: { id: string }) => inventory.work.end(id, 'its job was called off');
  const jobs = openJobDesk({
    ...{ db, clock, events, machines, kinds, onCancel },
    endsOf: (job) => ({
      copyAt: inventory.work.copyEndsAt(job),
      workAt: inventory.work.endsAt(job),
    }),
  });
  const { site, provisioning: settings } = config;
  const provisioning = openRequestDesk({ db, clock, inventory, jobs, settings, site });
  const pools = openPoolDesk({ db, clock, inventory, requests: provisioning, site });
  return {
    db,
    inventory,
    jobs,
    provisioning,
    pools,
    desk,
    live,
    get segments(): readonly Segment[] {
      return live.segments();
    },
    view,
    clock,
    time,
    pass(ms: number) {
      time.now = (time.now + ms) as Millis;
    },
    /** What the DHCP shell does with one packet, without a socket. */
    dhcp(packet: DhcpPacket, iface = 'prov0', via?: 'proxy', source?: Ipv4): Outcome {
      return inventory.transaction(() => {
        const outcome = respond({ packet, iface, via, source }, view, clock());
        const event = enterLease(outcome, inventory.leases.apply);
        if (event) inventory.events.append(event);
        if (outcome.kind === 'reply' && outcome.also) inventory.events.append(outcome.also);
        return outcome;
      });
    },
    eventNames: () => inventory.events.after(0, 1000).map(({ name }) => name),
  };
}
export type World = ReturnType<typeof createWorld>;

export const CLIENTS = {
  bios: [
    [OPTION.vendorClass, text('PXEClient:Arch:00000:UNDI:002001')],
    [OPTION.clientArch, Uint8Array.of(0, 0)],
  ],
  uefi: [
    [OPTION.vendorClass, text('PXEClient:Arch:00007:UNDI:003000')],
    [OPTION.clientArch, Uint8Array.of(0, 7)],
  ],
  http: [
    [OPTION.vendorClass, text('HTTPClient:Arch:00016:UNDI:003000')],
    [OPTION.clientArch, Uint8Array.of(0, 16)],
  ],
  ipxe: [
    [OPTION.vendorClass, text('PXEClient:Arch:00000:UNDI:002001')],
    [OPTION.userClass, text('iPXE')],
    [OPTION.ipxe, Uint8Array.of(0x13, 1, 1)],
  ],
  os: [[OPTION.clientId, Uint8Array.of(0xff, 1, 2, 3, 4)]],
} satisfies Record<string, [number, Uint8Array][]>;

export function dhcpPacket(
  of: { mac: Mac; type: number; client?: keyof typeof CLIENTS; giaddr?: Ipv4; ciaddr?: Ipv4 },
  options: Iterable<readonly [number, Uint8Array]> = [],
): DhcpPacket {
  const chaddr = new Uint8Array(16);
  chaddr.set(macToBytes(of.mac));
  return {
    ...{ op: BOOTREQUEST, htype: 1, hlen: 6, hops: 0, xid: 0x1234, secs: 0, flags: 0, chaddr },
    ...{
      ciaddr: of.ciaddr ?? IPV4_ANY,
      yiaddr: IPV4_ANY,
      siaddr: IPV4_ANY,
      giaddr: of.giaddr ?? IPV4_ANY,
    },
    ...{ sname: '', file: '' },
    options: new Map<number, Uint8Array>([
      [OPTION.messageType, u8(of.type)],
      ...(CLIENTS[of.client ?? 'os'] as [number, Uint8Array][]),
      ...options,
    ]),
  };
}

export { u32 };
