/**
 * What every way of running the program builds on: the database, the inventory over it, and the boot desk. `explain` and the
 * local commands open this and nothing else; the daemon adds sockets to it.
 */
import { dirname, join } from 'node:path';
import type { Database } from 'better-sqlite3';
import { createBootRules } from '../boot/binaries.ts';
import { type BootDesk, createBootDesk } from '../boot/desk.ts';
import { createNewcomers, type Newcomers } from '../boot/newcomers.ts';
import { loadGrubScripts } from '../boot/render-grub.ts';
import { loadScripts } from '../boot/render-ipxe.ts';
import { hasGrub } from '../boot/settings.ts';
import type { Config } from '../config.ts';
import type { DhcpView, PartnerRules, Segment } from '../dhcp/ports.ts';
import { createQuietStock, type QuietStock } from '../dhcp/quiet-stock.ts';
import type { Flows } from '../http/machine/flows.ts';
import { type Inventory, openInventory } from '../inventory/inventory.ts';
import { openLeaseRows } from '../inventory/lease-rows.ts';
import { createSecretBox } from '../inventory/secrets.ts';
import { limit } from '../limits.ts';
import { type BackupFile, backupDatabase, copyBeforeMigration } from '../platform/backup.ts';
import { findBootFile, readText } from '../platform/boot-files.ts';
import type { Log } from '../platform/log.ts';
import { readOrMakeKey } from '../platform/secret-key.ts';
import {
  explained,
  type GroupCommit,
  openDatabase,
  openGroupCommit,
  openReadOnly,
} from '../platform/sqlite.ts';
import type { Recorder } from '../recorder/recorder.ts';
import { keepOwnNotes } from '../standby/own-notes.ts';
import type { Clock, Millis } from '../wire/time.ts';
import { openBootRecords } from './boot-records.ts';
import { type LiveSegments, openLiveSegments, subnetCheck } from './live-segments.ts';
import type { Metrics } from './metrics.ts';

export const VERSION = '0.1.0';

export const systemClock: Clock = () => Date.now() as Millis;

export interface CoreRun {
  readonly osBoot?: string | undefined;
  mayWrite?(): void;
  readonly copy?: {
    aheadMs(): number;
    /** Machines are served from it: what is noted of them is kept in memory. */
    readonly serves: boolean;
  };
}

/**
 * The inventory and the desk alone: what `explain` needs, and what the daemon builds on.
 * @param run of a daemon that begins its run: which start of the operating system it is in, and what may keep it from writing;
 *   `copy`: the file is another appliance's and is written to by who follows it, by whose time of day ours is ahead of
 */
export function openCore(
  config: Config,
  onError: (error: unknown) => void = () => undefined,
  { osBoot, mayWrite, copy }: CoreRun = {},
): {
  db: Database;
  inventory: Inventory;
  desk: BootDesk;
  /** What DHCP serves now. */
  readonly segments: readonly Segment[];
  live: LiveSegments;
  stock: QuietStock;
  view: DhcpView;
  newcomers: Newcomers;
  /** What the other appliance of the site has to be able to count on, where there is one. */
  pairing: { rules: PartnerRules | undefined };
  groupCommit: GroupCommit;
  close(): void;
} {
  const scripts = loadScripts((name) => readText(config.boot.scripts, name));
  const grubScripts = hasGrub(config.boot)
    ? loadGrubScripts((name) => readText(config.boot.grubScripts, name))
    : undefined;
  const db = copy ? openReadOnly(config.database.file) : openDatabase(config.database.file);
  if (copy?.serves) keepOwnNotes(db);
  const groupCommit = openGroupCommit(db);
  const inventory = explained(config.database.file, () =>
    openInventory({
      db,
      clock: systemClock,
      secrets: createSecretBox(() => readOrMakeKey(keyFileOf(config))),
      ...{ osBoot, waitForDisk: groupCommit.waitForDisk, ...(mayWrite && { mayWrite }) },
      checkSubnet: subnetCheck(config.dhcp),
      domain: domainOf(config),
      copyBefore: (schema) => void copyBeforeMigration(db, schema, new Date(systemClock())),
      gather: {
        later: (task) => void setTimeout(task, limit('timelineGatherMs')),
        onError,
      },
    }),
  );
  const desk = createBootDesk(openBootRecords(db, inventory, config.dns.domain), {
    httpPort: config.machineHttp.port,
    ...httpsOffers(config),
    rules: createBootRules(config.boot, (file) => isAsset(config, file)),
    kernelArguments: config.boot.kernelArguments,
    scripts,
    grubScripts,
  });
  const { records } = inventory.serverdb;
  const live = openLiveSegments({ ...inventory, dhcp: config.dhcp, records });
  const { addresses } = inventory.serverdb;
  const stock = createQuietStock(inventory.leases, addresses.reservedAt);
  const newcomers = createNewcomers({
    ...{ clock: systemClock, boots: inventory.boots },
    isOnRecord: (mac) => inventory.machines.stateByMac(mac) !== undefined,
  });
  const pairing: { rules: PartnerRules | undefined } = { rules: undefined };
  const view: DhcpView = {
    get segments() {
      return live.segments();
    },
    get partner() {
      return pairing.rules;
    },
    leases: copy ? openLeaseRows(db, copy.aheadMs) : inventory.leases,
    ...{ bootFor: desk.bootFor, hardwarenameOf: desk.hardwarenameOf },
    admits: newcomers.admits,
    trustedRelays: config.dhcp.trustedRelays,
    quietAddress: stock.candidate,
    reservationFor: (segment, mac) => addresses.reservationFor(segment, mac)?.address,
    hostnameFor: (segment, mac) => addresses.reservationFor(segment, mac)?.hostname,
    reservedAt: addresses.reservedAt,
  };
  const close = () => {
    groupCommit.close();
    db.close();
  };
  return {
    ...{ db, inventory, desk, live, stock, view, newcomers, pairing, groupCommit, close },
    get segments() {
      return live.segments();
    },
  };
}

/** Somebody else has changed these tables of its file. */
export function rereadCore(
  { inventory, live }: Pick<ReturnType<typeof openCore>, 'inventory' | 'live'>,
  tables: ReadonlySet<string>,
): void {
  if (tables.has('records')) live.remake();
  inventory.reread(tables);
}

/** As the name server has it. */
export function domainOf({ dns, dhcp }: Config): string {
  const domain = dns.enabled ? (dns.domain ?? dhcp.segments[0]?.domain ?? '') : '';
  return domain.toLowerCase().replace(/\.$/, '');
}

export function keyFileOf({ database }: Config): string {
  return database.keyFile || `${database.file}.key`;
}

export function federationFolderOf({ database, federation }: Config): string {
  return federation.folder || join(dirname(database.file), 'federation');
}

export function imageFolderOf({ images, database }: Config): string {
  return images.folder || join(dirname(database.file), 'images');
}

export function backupFolderOf({ database }: Config): string {
  return database.backups || join(dirname(database.file), 'backups');
}

/** Whom DHCP sends to the TLS port. */
export function httpsOffers({ machineHttp: { tls } }: Config) {
  return {
    httpsPort: tls?.offer ? tls.port : undefined,
    firmwareHttpsPort: tls?.offerFirmware ? tls.port : undefined,
  };
}

/** The two usual binaries are checked at the start; the others are looked for when a machine wants one. */
export function isAsset({ boot }: Config, file: string): boolean {
  const { bios, uefiX64 } = boot.binaries;
  return file === bios || file === uefiX64 || findBootFile(boot.assets, file) !== undefined;
}

/** A copy of the database as it is now, in the folder of backups. */
export function backupNow(config: Config): Promise<BackupFile> {
  return backupDatabase(config.database.file, {
    folder: backupFolderOf(config),
    keep: limit('backupsKeptMax'),
    now: new Date(systemClock()),
  });
}

/** What the parts of a running daemon share. */
export interface Parts extends ReturnType<typeof openCore> {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly recorder: Recorder;
  readonly flows: Flows;
  /** Inside a transaction. @returns the MAC that had the address until now, when it was another */
  readonly applyLease: Inventory['leases']['apply'];
  /** The time of day that leases go by. */
  readonly leaseClock: Clock;
  /** When an acknowledgement may leave: with a standby, when that one knows of it. */
  readonly leaseDurable: GroupCommit['whenDurable'];
  /** Shared with the name server's threads: whose questions the recorder wants. */
  readonly askers: SharedArrayBuffer;
  /** In the order of opening; closed in reverse, the database last. */
  readonly closers: (() => unknown)[];
}
