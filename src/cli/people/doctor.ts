/**
 * `reveille doctor`: looks over what the appliance stands on, and says for each fault how to mend it. It changes nothing,
 * and is as useful before the first start as when something has stopped.
 */
import { existsSync, statfsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Config } from '../../config.ts';
import { backupFolderOf, keyFileOf } from '../../daemon/core.ts';
import { backupsIn, checkDatabase } from '../../platform/backup.ts';
import { findBootFile } from '../../platform/boot-files.ts';
import { isUp } from '../../platform/interfaces.ts';
import {
  BESIDE,
  FILE_WIDEST,
  FOLDER_WIDEST,
  modeOf,
  PRIVATE_FILE,
} from '../../platform/private-files.ts';
import { readOrMakeKey } from '../../platform/secret-key.ts';
import { formatIpv4 } from '../../wire/ipv4.ts';
import { wayUp } from '../../wire/vlan-name.ts';
import {
  type BmcOnRecord,
  bmcsOnRecord,
  isHeard,
  newestEventAt,
  silentText,
} from './doctor-bmcs.ts';
import { certificates } from './doctor-certificates.ts';
import { daemonParts } from './doctor-daemon.ts';
import type { Finding } from './doctor-finding.ts';
import { ports } from './doctor-ports.ts';
import { pairParts } from './doctor-standby.ts';

const MEBIBYTE = 2 ** 20;
const ROOM_MIB = 512;

export async function doctor(config: Config): Promise<Finding[]> {
  return [
    ...interfaces(config),
    ...assets(config),
    ...database(config),
    key(config),
    modes(config),
    room(config),
    clock(config),
    ...certificates(config, Date.now()),
    ...(await ports(config)),
    ...(await daemonParts(config)),
    ...(await pairParts(config)),
    ...(await bmcs(config)),
  ];
}

function finding(
  check: string,
  fault: string | undefined,
  said: { ok: string; mend: string },
): Finding {
  return fault === undefined
    ? { check, ok: true, found: said.ok }
    : { check, ok: false, found: fault, mend: said.mend };
}

function interfaces({ dhcp }: Config): Finding[] {
  const own = dhcp.segments.filter(({ relayed }) => !relayed);
  const segments = own.map(({ iface, address, cidr }) => {
    const text = formatIpv4(address);
    const fault = !isUp(iface) ? MISSING : isUp(iface, [text]) ? undefined : `has no ${text}`;
    const give = `ip address add ${text}/${cidr.prefixBits} dev ${iface}`;
    const mend = `${wayUp(iface)}; ${give}; or name another in dhcp.segments`;
    return finding(`interface ${iface}`, fault, { ok: text, mend });
  });
  // Relayed requests come in by an interface that needs no address of a segment.
  const relays = dhcp.relayInterfaces.map((iface) => {
    const fault = isUp(iface) ? undefined : MISSING;
    const mend = `${wayUp(iface)}; or name another in dhcp.relayInterfaces`;
    return finding(`interface ${iface}`, fault, { ok: 'carries relayed requests', mend });
  });
  return [...segments, ...relays];
}

const MISSING = 'is not there or is down';

function assets({ boot }: Config): Finding[] {
  const { bios, uefiX64 } = boot.binaries;
  const files: [string, string][] = [
    ...[bios, uefiX64].map((name): [string, string] => [boot.assets, name]),
    ...['vmlinuz', 'initrd.img'].map((name): [string, string] => [boot.pxeimage, name]),
  ];
  return files.map(([folder, name]) => {
    const file = findBootFile(folder, name);
    const mend = basename(boot.pxeimage) === 'metal' ? 'make pxeimage-metal' : 'make pxeimage';
    return finding(`boot file ${name}`, file ? undefined : `is not in ${folder}`, {
      ok: folder,
      mend,
    });
  });
}

function database({ database }: Config): Finding[] {
  const { file } = database;
  if (!existsSync(file))
    return [{ check: 'database', ok: true, found: `${file} is made at the first start` }];
  const faults = checkDatabase(file);
  return [
    finding('database', faults[0], {
      ok: `${file} is sound`,
      mend: 'stop the daemon; reveille backup --list; reveille restore FILE',
    }),
  ];
}

function key(config: Config): Finding {
  const file = keyFileOf(config);
  if (!existsSync(file))
    return { check: 'key of secrets', ok: true, found: `${file} is made at the first start` };
  let fault: string | undefined;
  try {
    readOrMakeKey(file);
  } catch (error) {
    fault = (error as Error).message;
  }
  const mend = `chmod 600 ${file}, or bring it back from where it is kept safe`;
  return finding('key of secrets', fault, { ok: file, mend });
}

/** Files of ours that more may read than need to: by 0640 for the database and its copies, 0600 for the key, 0750 for folders. */
function modes(config: Config): Finding {
  const { file } = config.database;
  const backups = backupFolderOf(config);
  const beside = ['', ...BESIDE].map((suffix) => file + suffix);
  const copies = backupsIn(backups).map((name) => join(backups, name));
  const wide = [
    ...[...beside, ...copies].map((path) => ({ path, widest: FILE_WIDEST })),
    { path: keyFileOf(config), widest: PRIVATE_FILE },
    ...[dirname(file), backups].map((path) => ({ path, widest: FOLDER_WIDEST })),
  ].filter(({ path, widest }) => ((modeOf(path) ?? 0) & ~widest) !== 0);
  const [first] = wide;
  const others = wide.length > 1 ? `, and ${wide.length - 1} more` : '';
  const fault = first && `${first.path} is ${octal(modeOf(first.path) ?? 0)}${others}`;
  const mend = wide.map(({ path, widest }) => `chmod ${octal(widest)} ${path}`).join('; ');
  return finding('modes of files', fault, { ok: 'the database is for us alone', mend });
}

const octal = (mode: number): string => mode.toString(8).padStart(4, '0');

function room({ database }: Config): Finding {
  const folder = dirname(database.file);
  if (!existsSync(folder))
    return { check: 'disk', ok: true, found: `${folder} is made at the first start` };
  const { bavail, bsize } = statfsSync(folder);
  const free = Math.floor((bavail * bsize) / MEBIBYTE);
  const fault = free < ROOM_MIB ? `${free} MiB are free` : undefined;
  const mend = `free some space on the disk of ${folder}, or lower events.keepBootDays`;
  return finding('disk', fault, { ok: `${free} MiB are free`, mend });
}

/**
 * A clock before this program was written cannot be right, nor one before what has happened: leases, tokens and certificates
 * would seem to come from the future.
 */
const WRITTEN = Date.UTC(2026, 0, 1);
const CLOCK_SLACK_MS = 5000;

function clock({ database }: Config): Finding {
  const now = Date.now();
  const newest = newestEventAt(database.file);
  const says = `it says ${new Date(now).toISOString()}`;
  // A moment is what a daemon that writes meanwhile may be ahead.
  const isBack = newest !== undefined && newest > now + CLOCK_SLACK_MS;
  const behind = isBack ? `, and the newest event is of ${new Date(newest).toISOString()}` : '';
  const fault = now < WRITTEN || isBack ? `${says}${behind}` : undefined;
  return finding('clock', fault, {
    ok: new Date(now).toISOString(),
    mend: 'set it: chronyc makestep',
  });
}

const BMCS_TRIED = 500;
const BMCS_AT_ONCE = 100;

async function bmcs({ database }: Config): Promise<Finding[]> {
  if (!existsSync(database.file)) return [];
  const all = bmcsOnRecord(database.file);
  if (all.length === 0) return [];
  const tried = all.slice(0, BMCS_TRIED);
  const silent: BmcOnRecord[] = [];
  for (let from = 0; from < tried.length; from += BMCS_AT_ONCE) {
    const some = tried.slice(from, from + BMCS_AT_ONCE);
    const heard = await Promise.all(some.map(({ address }) => isHeard(address)));
    silent.push(...some.filter((_, index) => !heard[index]));
  }
  const rest =
    all.length > tried.length ? `; ${all.length - tried.length} more were not tried` : '';
  const fault = silent.length > 0 ? `${silentText(silent)}${rest}` : undefined;
  return [
    finding('BMCs', fault, {
      ok: `${tried.length} of ${all.length} answer${rest}`,
      mend: 'if all are silent: route, VLAN and firewall to the out-of-band network; if few: their cable and power',
    }),
  ];
}
