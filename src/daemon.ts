/**
 * The daemon: opens the database and the sockets, wires the protocols to the inventory, and closes it all in order.
 *
 * This file and main.ts are the composition root. Nothing in here decides anything: a datagram goes to its protocol, the
 * protocol asks the boot desk and the inventory, and what changed is committed before the answer leaves.
 */
import { dirname, join } from 'node:path';
import type { Database } from 'better-sqlite3';
import { createBootRules, namedFiles } from './boot/binaries.ts';
import { type BootDesk, createBootDesk } from './boot/desk.ts';
import { loadScripts } from './boot/render-ipxe.ts';
import type { Config } from './config.ts';
import { openJobs, startJobs } from './daemon/jobs.ts';
import { type Metrics, openMetrics } from './daemon/metrics.ts';
import { startProbing } from './daemon/probing.ts';
import type { DhcpView, Segment } from './dhcp/ports.ts';
import { createQuietStock, type QuietStock } from './dhcp/quiet-stock.ts';
import { createSegments, listenersOf } from './dhcp/segment.ts';
import { type DhcpSocket, serveDhcp } from './dhcp/server.ts';
import type { NewEvent } from './events.ts';
import { startHousekeeping as startServerDbHousekeeping } from './http/people/housekeeping.ts';
import { startMachineHttp, startPeopleHttp } from './http-listeners.ts';
import { openBootFacts } from './inventory/boot-facts.ts';
import { openDnsSource } from './inventory/dns-source.ts';
import { openDnsStore } from './inventory/dns-store.ts';
import { type Inventory, openInventory } from './inventory/inventory.ts';
import { createSecretBox } from './inventory/secrets.ts';
import { createStallWatch } from './inventory/stall-watch.ts';
import { limit } from './limits.ts';
import type { DnsDesk } from './nameserver/desk.ts';
import { registerDnsMetrics } from './nameserver/metrics.ts';
import { planOf, siteDefaults, startDnsServer } from './nameserver/start.ts';
import { type BackupFile, backupDatabase } from './platform/backup.ts';
import { findBootFile, readText, requireBootFiles } from './platform/boot-files.ts';
import type { Log } from './platform/log.ts';
import { macOnLink } from './platform/probe.ts';
import { openRouterAdvert } from './platform/router-advert.ts';
import { readOrMakeKey } from './platform/secret-key.ts';
import {
  explained,
  type GroupCommit,
  openDatabase,
  openGroupCommit,
  startCheckpoints,
} from './platform/sqlite.ts';
import { openUdp, type UdpSocket } from './platform/udp.ts';
import type { TftpEvent } from './tftp/ports.ts';
import { openTftpService, type TftpClient } from './tftp-service.ts';
import { formatIpv4, parseIpv4 } from './wire/ipv4.ts';
import type { Clock, Millis } from './wire/time.ts';

export const VERSION = '0.1.0';

export const systemClock: Clock = () => Date.now() as Millis;

export interface Daemon {
  /** Ends running transfers, closes the listeners, then the database. */
  stop(signal: string): Promise<void>;
}

/** The inventory and the desk alone: what `explain` needs, and what the daemon builds on. */
export function openCore(
  config: Config,
  onError: (error: unknown) => void = () => undefined,
): {
  db: Database;
  inventory: Inventory;
  desk: BootDesk;
  segments: Segment[];
  stock: QuietStock;
  view: DhcpView;
  groupCommit: GroupCommit;
  close(): void;
} {
  const scripts = loadScripts((name) => readText(config.boot.scripts, name));
  const db = openDatabase(config.database.file);
  const groupCommit = openGroupCommit(db);
  const inventory = explained(config.database.file, () =>
    openInventory({
      db,
      clock: systemClock,
      secrets: createSecretBox(() => readOrMakeKey(keyFileOf(config))),
      waitForDisk: groupCommit.waitForDisk,
      gather: {
        later: (task) => void setTimeout(task, limit('timelineGatherMs')),
        onError,
      },
    }),
  );
  const desk = createBootDesk(
    {
      machineByMac: inventory.machines.stateByMac,
      sight: inventory.boots.sight,
      mint: inventory.tokens.mint,
      append: (event) => void inventory.events.append(event),
      ...openBootFacts(db),
    },
    {
      httpPort: config.machineHttp.port,
      httpsPort: config.machineHttp.tls?.offer ? config.machineHttp.tls.port : undefined,
      rules: createBootRules(config.boot, (file) => isAsset(config, file)),
      kernelArguments: config.boot.kernelArguments,
      scripts,
    },
  );
  const segments = createSegments(config.dhcp);
  const stock = createQuietStock(inventory.leases);
  const { addresses } = inventory.serverdb;
  const view: DhcpView = {
    ...{ segments, leases: inventory.leases, bootFor: desk.bootFor },
    quietAddress: stock.candidate,
    reservationFor: (segment, mac) => addresses.reservationFor(segment, mac)?.address,
    hostnameFor: (segment, mac) => addresses.reservationFor(segment, mac)?.hostname,
    reservedAt: addresses.reservedAt,
  };
  const close = () => {
    groupCommit.close();
    db.close();
  };
  return { db, inventory, desk, segments, stock, view, groupCommit, close };
}

export function keyFileOf({ database }: Config): string {
  return database.keyFile || `${database.file}.key`;
}

export function backupFolderOf({ database }: Config): string {
  return database.backups || join(dirname(database.file), 'backups');
}

/** The two usual binaries are checked at the start; the others are looked for when a machine wants one. */
function isAsset({ boot }: Config, file: string): boolean {
  const { bios, uefiX64 } = boot.binaries;
  return file === bios || file === uefiX64 || findBootFile(boot.assets, file) !== undefined;
}

export async function startDaemon(config: Config, log: Log): Promise<Daemon> {
  requireBootFiles([
    [config.boot.assets, config.boot.binaries.bios],
    [config.boot.assets, config.boot.binaries.uefiX64],
    [config.boot.pxeimage, 'vmlinuz'],
    [config.boot.pxeimage, 'initrd.img'],
  ]);
  const absent = namedFiles(config.boot).filter((file) => !isAsset(config, file));
  if (absent.length > 0) log.info({ absent }, 'boot files that machines of some kinds would need');
  readOrMakeKey(keyFileOf(config));
  const core = openCore(config, (err) => log.error({ err }, 'a step of a boot was not recorded'));
  const metrics = openMetrics(core.inventory);
  const parts: Parts = { ...core, config, clock: systemClock, log, metrics, closers: [] };
  parts.closers.push(
    startCheckpoints(core.db, (err) => log.warn({ err }, 'the checkpoint thread failed')),
  );
  const ready = {
    database: true,
    dns: false,
    dhcp: false,
    tftp: false,
    machineHttp: false,
    jobs: false,
    peopleHttp: false,
  };
  try {
    // Names first: the last good zones are known before anything else is.
    const desk = await startDns(parts);
    ready.dns = true;
    await startDhcp(parts);
    ready.dhcp = true;
    await startTftp(parts);
    ready.tftp = true;
    await startMachineHttp(parts);
    ready.machineHttp = true;
    const jobs = openJobs(parts);
    await startJobs(parts, jobs);
    ready.jobs = true;
    await startPeopleHttp(parts, {
      jobs,
      readiness: () => ({ ...ready, database: core.groupCommit.healthy() }),
      backup: () => backupNow(core.db, config),
      whenDurable: core.groupCommit.whenDurable,
      dns: () => desk,
    });
    tellFirstToken(core.inventory);
    ready.peopleHttp = true;
  } catch (error) {
    await closeAll(parts);
    throw error;
  }
  startHousekeeping(parts);
  const { transaction, leases, events } = core.inventory;
  parts.closers.push(
    startProbing({
      ...{ segments: core.segments, stock: core.stock, clock: systemClock, log, transaction },
      applyLease: leases.apply,
      append: (event) => void events.append(event),
    }),
  );
  core.inventory.transaction(() =>
    core.inventory.events.append({
      name: 'daemon.started',
      data: { version: VERSION, pid: process.pid },
    }),
  );
  log.info({ version: VERSION, segments: core.segments.length }, 'ready');
  return {
    async stop(signal) {
      core.inventory.transaction(() =>
        core.inventory.events.append({ name: 'daemon.stopped', data: { signal } }),
      );
      await closeAll(parts);
      log.info({ signal }, 'stopped');
    },
  };
}

/** A copy of the database as it is now, in the folder of backups. */
export function backupNow(db: Database, config: Config): Promise<BackupFile> {
  return backupDatabase(db, {
    folder: backupFolderOf(config),
    keep: limit('backupsKeptMax'),
    now: new Date(systemClock()),
  });
}

/** On standard error and not in the log: a log is kept, and shipped elsewhere. */
function tellFirstToken(inventory: Inventory): void {
  const secret = inventory.transaction(() => inventory.serverdb.access.bootstrap());
  if (secret === undefined) return;
  process.stderr.write(
    `\nNobody can administer this appliance yet. A token for the first administrator, shown this once:\n\n    ${secret}\n\n` +
      'It ends when there is another administrator. `reveille tokens create --local` on this machine makes one too.\n\n',
  );
}

interface Parts extends ReturnType<typeof openCore> {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** In the order of opening; closed in reverse, the database last. */
  readonly closers: (() => unknown)[];
}

async function closeAll(parts: Parts): Promise<void> {
  for (const close of parts.closers.reverse()) {
    await Promise.race([
      Promise.resolve(close()).catch((err) => parts.log.warn({ err }, 'closing failed')),
      new Promise((resolve) => setTimeout(resolve, limit('shutdownMs')).unref()),
    ]);
  }
  parts.close();
}

async function openSocket(parts: Parts, iface: string, port: number): Promise<UdpSocket> {
  const { log, metrics } = parts;
  const socket = await openUdp({ iface, port, log, onUnsent: () => metrics.unsent.inc() });
  parts.closers.push(() => socket.close());
  return socket;
}

/** The name server with the last good zones; the inventory is compared with them once the rest has started. */
async function startDns(parts: Parts): Promise<DnsDesk | undefined> {
  const { config, db, inventory, log, metrics } = parts;
  if (!config.dns.enabled) return undefined;
  const { events, transaction } = inventory;
  const site = siteDefaults(config.dhcp.segments);
  const plan = planOf(config.dns, site);
  const nameserver = await startDnsServer(config.dns, site, {
    ...{ plan, log, follow: events.follow, lastEvent: events.lastId },
    store: openDnsStore({ db, clock: systemClock, events, transaction, soa: plan.soa }),
    source: openDnsSource(db),
    nowSeconds: () => Math.floor(systemClock() / 1000),
  });
  parts.closers.push(() => nameserver.close());
  registerDnsMetrics(metrics.registry, () => nameserver);
  return nameserver.desk;
}

async function startDhcp(parts: Parts): Promise<void> {
  const { config, segments, view, inventory, groupCommit, log, metrics } = parts;
  const listeners = listenersOf(segments, config.dhcp.relayInterfaces);
  const ifaces = listeners.map(({ iface }) => iface);
  const sockets: DhcpSocket[] = [];
  for (const { iface, proxy } of listeners) {
    sockets.push(await openSocket(parts, iface, config.dhcp.serverPort));
    if (!proxy) continue;
    sockets.push({ ...(await openSocket(parts, iface, config.dhcp.proxyPort)), via: 'proxy' });
  }
  const adverts = new Map(
    (config.dhcp.routerAdvert ? ifaces : []).map((iface) => [
      iface,
      openRouterAdvert({ iface, log }),
    ]),
  );
  parts.closers.push(() => adverts.forEach((advert) => void advert.close()));
  serveDhcp({
    sockets,
    view,
    ports: { server: config.dhcp.serverPort, client: config.dhcp.clientPort },
    clock: systemClock,
    transaction: inventory.transactionUnsynced,
    whenDurable: groupCommit.whenDurable,
    defer: (task, afterMs) => void (afterMs > 0 ? setTimeout(task, afterMs) : setImmediate(task)),
    applyLease: inventory.leases.apply,
    append: (event) => void inventory.events.append(event),
    onDrop: (reason) => metrics.dhcpDrops.inc({ reason }),
    onReply: (type) => metrics.dhcpReplies.inc({ type: String(type) }),
    onBooting: (iface) => adverts.get(iface)?.pulse(),
    onError: (err) => log.error({ err }, 'a DHCP packet could not be served'),
  });
}

async function startTftp(parts: Parts): Promise<void> {
  const { config, segments, desk, log, metrics } = parts;
  const listeners = listenersOf(segments, config.dhcp.relayInterfaces);
  const service = await openTftpService({
    networks: listeners.flatMap(({ iface, addresses }) =>
      addresses.map((address) => ({
        iface,
        address: formatIpv4(address),
        port: config.tftp.port,
      })),
    ),
    root: config.boot.assets,
    servedAs: desk.servedAs,
    log,
    onEvent: (event, client) => noteTftp(parts, event, client),
    onDrop: (reason, count) => metrics.tftpDrops.inc({ reason }, count),
  });
  parts.closers.push(() => service.close());
}

/**
 * TFTP carries no token: the boot is that of the machine which holds the address; where another server leases the addresses,
 * the kernel knows who has it. Nothing is told to anybody on the strength of these events, so none of them waits for the
 * disk: in a storm those waits would starve DHCP.
 */
function noteTftp(parts: Parts, event: TftpEvent, client: TftpClient): void {
  const { inventory, log, segments } = parts;
  try {
    const address = parseIpv4(client.address);
    const proxied = () =>
      segments.flatMap((one) => (one.mode === 'proxy' && one.iface ? [one.iface] : []));
    const mac =
      address === undefined
        ? undefined
        : (inventory.leases.macAt(address) ?? macOnLink(proxied(), address));
    const boot = mac && inventory.boots.latest(mac);
    inventory.soon(() => {
      const subject = { mac, boot: boot?.id, hardwarename: boot?.hardwarename };
      inventory.events.append({ ...subject, ...event } as NewEvent);
      if (!boot) return;
      if (event.name === 'tftp.sent') inventory.boots.binaryServed(boot.id);
      if (inventory.boots.touch(boot.id)) {
        inventory.events.append({ ...subject, name: 'boot.resumed', data: { after: event.name } });
      }
    });
  } catch (err) {
    log.error({ err, event: event.name }, 'a TFTP event could not be recorded');
  }
}

const HOUSEKEEPING_MS = 3_600_000;

function startHousekeeping(parts: Parts): void {
  const { inventory, log, config } = parts;
  const watchStalls = createStallWatch({ ...inventory, clock: systemClock });
  const { keepBootDays, keepDays } = config.events;
  const keep = { boot: keepBootDays, other: keepDays };
  parts.closers.push(
    startServerDbHousekeeping({ inventory, clock: systemClock, log, keepDays: keep }),
  );
  const guarded = (run: () => void) => () => {
    try {
      run();
    } catch (err) {
      log.error({ err }, 'a periodic task failed');
    }
  };
  const stalls = setInterval(
    guarded(() => void watchStalls()),
    limit('stallTickMs'),
  );
  const tokens = setInterval(
    guarded(() => {
      const before = (systemClock() - limit('waitTokenMs')) as Millis;
      inventory.transaction(() => inventory.tokens.forget(before));
    }),
    HOUSEKEEPING_MS,
  );
  parts.closers.push(() => {
    clearInterval(stalls);
    clearInterval(tokens);
  });
}
