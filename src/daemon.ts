/**
 * The daemon: opens the database and the sockets, wires the protocols to the inventory, and closes it all in order.
 *
 * This file and main.ts are the composition root. Nothing in here decides anything: a datagram goes to its protocol, the
 * protocol asks the boot desk and the inventory, and what changed is committed before the answer leaves.
 */
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { namedFiles } from './boot/binaries.ts';
import { type Config, describeConfig } from './config.ts';
import { openBmcService, startDiscovery } from './daemon/bmcs.ts';
import { startConsoles } from './daemon/consoles.ts';
import {
  backupNow,
  federationFolderOf,
  isAsset,
  keyFileOf,
  openCore,
  type Parts,
  systemClock,
  VERSION,
} from './daemon/core.ts';
import { startDhcp } from './daemon/dhcp.ts';
import { startDns } from './daemon/dns.ts';
import { type Federation, type FederationParts, startFederation } from './daemon/federation.ts';
import { openFleetDiffDesk } from './daemon/fleet-diff-desk.ts';
import { addLineMetrics } from './daemon/fleet-line.ts';
import { startHousekeeping } from './daemon/housekeeping.ts';
import { startMachineHttp, startPeopleHttp } from './daemon/http.ts';
import { startImages } from './daemon/images.ts';
import { addJobMetrics } from './daemon/job-metrics.ts';
import { openJobs, startJobs } from './daemon/jobs.ts';
import { addDiskMetrics, type Metrics, openMetrics } from './daemon/metrics.ts';
import { openProberOf, startProbing } from './daemon/probing.ts';
import { openProvisioning } from './daemon/provisioning.ts';
import { openRecorder } from './daemon/recorder.ts';
import { openRecycling } from './daemon/recycle.ts';
import { type PairSide, startQuietly } from './daemon/standby-serving.ts';
import { startTftp } from './daemon/tftp.ts';
import { stagesOf } from './dhcp/rehearsal.ts';
import { endRun } from './inventory/feed-epoch.ts';
import type { Inventory } from './inventory/inventory.ts';
import { limit } from './limits.ts';
import type { DnsDesk } from './nameserver/desk.ts';
import { requireBootFiles } from './platform/boot-files.ts';
import { diskRoomOf } from './platform/disk-room.ts';
import type { Log } from './platform/log.ts';
import { osBootId } from './platform/os-boot.ts';
import { readOrMakeKey } from './platform/secret-key.ts';
import { seldomErrors } from './platform/seldom.ts';
import { type GroupCommit, startCheckpoints } from './platform/sqlite.ts';

export interface Daemon {
  /** Ends running transfers, closes the listeners, then the database. */
  stop(signal: string): Promise<void>;
}

/**
 * @param options `file`: where the configuration was read, for people who ask what comes from where; `pair`: what it is beside
 *   another appliance of the site
 */
export async function startDaemon(
  config: Config,
  log: Log,
  { file, pair }: { readonly file?: string | undefined; readonly pair?: PairSide } = {},
): Promise<Daemon> {
  const configText = file === undefined ? '' : readFileSync(file, 'utf8');
  const configuration = describeConfig(config, configText);
  requireBootFiles([
    [config.boot.assets, config.boot.binaries.bios],
    [config.boot.assets, config.boot.binaries.uefiX64],
    [config.boot.pxeimage, 'vmlinuz'],
    [config.boot.pxeimage, 'initrd.img'],
  ]);
  const absent = namedFiles(config.boot).filter((file) => !isAsset(config, file));
  if (absent.length > 0) log.info({ absent }, 'boot files that machines of some kinds would need');
  readOrMakeKey(keyFileOf(config));
  const tellError = seldomErrors(log);
  const core = openCore(
    config,
    (err) => tellError({ err }, 'a step of a boot was not recorded'),
    pair ? pair.run() : { osBoot: osBootId() },
  );
  const promised = pair?.opened(core);
  const metrics = metricsOf(core, config, pair);
  const parts: Parts = {
    ...core,
    ...openRecorder(core, config, { registry: metrics.registry, log }),
    config,
    clock: systemClock,
    log,
    metrics,
    leaseClock: pair?.clock ?? systemClock,
    applyLease: promised?.applyLease ?? core.inventory.leases.apply,
    leaseDurable: promised?.leaseDurable ?? core.groupCommit.whenDurable,
    groupCommit: { ...core.groupCommit, ...(promised && { whenDurable: promised.whenDurable }) },
    closers: [],
  };
  keepCheckpoints(parts, pair);
  if (pair && pair.mode !== 'active') return startQuietly(parts, pair, () => closeAll(parts));
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
    const tftp = await startTftp(parts);
    ready.tftp = true;
    const images = startImages(parts);
    const recycle = openRecycling(parts);
    await startMachineHttp(parts, { images: images.service, recycle });
    ready.machineHttp = true;
    const jobs = openJobs(parts);
    const bmcs = await openBmcService(parts);
    startJobs(parts, { desk: jobs, access: bmcs.access });
    startDiscovery(parts, { ...bmcs, desk: jobs });
    const consoles = startConsoles(parts, bmcs);
    ready.jobs = true;
    const provisioned = openProvisioning(parts, jobs);
    const fleet = openFleetDiffDesk(configText);
    let membership: Federation | undefined;
    parts.closers.push(fleet.close);
    await startPeopleHttp(parts, {
      jobs,
      bmcs,
      images: images.desk,
      consoles,
      ...provisioned,
      certificateKey: recycle.publicKey,
      readiness: () => ({ ...ready, ...livingParts(core.groupCommit, tftp, desk) }),
      backup: () => backupNow(config),
      whenDurable: parts.groupCommit.whenDurable,
      dns: () => desk,
      ...(pair && { standby: pair.desk }),
      ...{ configuration, servedSegments: core.live.served },
      explain: (mac) =>
        stagesOf({ ...core, rehearse: core.inventory.rehearse }, mac, systemClock()),
      fleetDiff: fleet.diff,
      federation: () => membership?.status(),
    });
    membership = holdLine(parts, { ...provisioned, jobs, images: images.desk });
    tellFirstToken(core.inventory, config);
    ready.peopleHttp = true;
  } catch (error) {
    await closeAll(parts);
    throw error;
  }
  startHousekeeping(parts);
  probe(parts);
  core.inventory.transaction(() =>
    core.inventory.events.append({
      name: 'daemon.started',
      data: { version: VERSION, pid: process.pid },
    }),
  );
  log.info({ version: VERSION, segments: core.segments.length }, 'ready');
  return {
    async stop(signal) {
      if (!pair?.isOver())
        core.inventory.transaction(() => {
          core.inventory.events.append({ name: 'daemon.stopped', data: { signal } });
          endRun(core.db);
        });
      await closeAll(parts);
      log.info({ signal }, 'stopped');
    },
  };
}

/** To central, where this appliance has joined a fleet. */
function holdLine(
  parts: Parts,
  desks: Pick<FederationParts, 'jobs' | 'provisioning' | 'pools' | 'images'>,
): Federation | undefined {
  const { whenDurable } = parts.groupCommit;
  const folder = federationFolderOf(parts.config);
  const federation = startFederation({ ...parts, ...desks, folder, whenDurable });
  if (!federation) return undefined;
  parts.closers.push(federation.stop);
  addLineMetrics(parts.metrics.registry, federation.status);
  return federation;
}

function metricsOf(
  { db, inventory }: Pick<Parts, 'db' | 'inventory'>,
  config: Config,
  pair?: PairSide,
): Metrics {
  const metrics = openMetrics(inventory, pair?.desk.status);
  addDiskMetrics(metrics.registry, () => diskRoomOf(dirname(config.database.file)));
  addJobMetrics(metrics.registry, { db, clock: systemClock });
  return metrics;
}

/** Who follows another appliance has the file written by another connection. */
function keepCheckpoints({ db, log, closers }: Parts, pair: PairSide | undefined): void {
  if (pair?.mode === 'following') return;
  closers.push(startCheckpoints(db, (err) => log.warn({ err }, 'the checkpoint thread failed')));
}

/** Free addresses are looked at before they are given. */
function probe({ inventory, live, stock, log, applyLease, closers }: Parts): void {
  const { transaction, events } = inventory;
  closers.push(
    startProbing({
      ...{ segments: live.segments, stock, clock: systemClock, log, transaction, applyLease },
      open: (segment) => openProberOf(segment, log),
      append: (event) => void events.append(event),
    }),
  );
}

/** What may stop to work while the daemon goes on. */
function livingParts(
  commits: GroupCommit,
  tftp: { alive(): boolean },
  dns: Pick<DnsDesk, 'answers'> | undefined,
) {
  return { database: commits.healthy(), tftp: tftp.alive(), dns: dns?.answers() ?? true };
}

/** On standard error and not in the log: a log is kept, and shipped elsewhere. */
function tellFirstToken(inventory: Inventory, { peopleHttp }: Config): void {
  const secret = inventory.transaction(() => inventory.serverdb.access.bootstrap());
  if (secret === undefined) return;
  const board =
    peopleHttp.anonymousRead === true
      ? 'Everybody who reaches the board reads it without signing in (peopleHttp.anonymousRead: true).\n\n'
      : `The board on port ${peopleHttp.port} asks who you are. Where technicians should read it without signing in, name their\n` +
        'networks: peopleHttp: { anonymousRead: [127.0.0.0/8, 10.20.0.0/16] }\n\n';
  process.stderr.write(
    `\nNobody can administer this appliance yet. A token for the first administrator, shown this once:\n\n    ${secret}\n\n` +
      'It ends when there is another administrator. `reveille tokens create --local` on this machine makes one too.\n' +
      board,
  );
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
