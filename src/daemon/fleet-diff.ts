/**
 * What would change over the whole fleet if a configuration, a record (subnet, rule, hardware type, ...), a template of a script or of
 * an installer, or a channel of images were another: asked before it is applied.
 *
 * Two copies of the database (platform/scratch-copy.ts) answer the same made-up questions, one as it is and one with the
 * proposal carried out in it by the code that would carry it out: the address, its terms and the boot file that each NIC on
 * record would be offered as each kind of client, the script it would be handed, the hardware type of each machine, and what its next
 * install would tell it (fleet-diff-installs.ts). Beside that, the leases that are held now, by the segment that would look after them, and every record of every zone.
 *
 * The copies hold no history, no token, no password and of jobs but what each machine was last installed with, without its user data: machines in the middle of an install answer as if they had none. The database
 * itself is read once and never written.
 */
import { cpSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { type Stage, stagesOf } from '../dhcp/rehearsal.ts';
import { AppError } from '../errors.ts';
import { RECORD_SCHEMAS, type RecordKind } from '../inventory/record-kinds.ts';
import { retype } from '../inventory/retype.ts';
import { limit } from '../limits.ts';
import { copyToScratch, type Kept, NO_ROW } from '../platform/scratch-copy.ts';
import { changedLines } from '../wire/changed-lines.ts';
import type { BootToken, Hardwarename } from '../wire/ids.ts';
import { contains, formatIpv4, type Ipv4 } from '../wire/ipv4.ts';
import { type Mac, parseMac } from '../wire/mac.ts';
import { imageFolderOf, keyFileOf, openCore, systemClock } from './core.ts';
import { zonesOf } from './dns.ts';
import {
  assertTemplates,
  type Channels,
  LAST_INSTALLS,
  moveChannels,
  type NextInstalls,
  openNextInstalls,
  type Templates,
} from './fleet-diff-installs.ts';
import { makeRehearsalFolder, removeRehearsalFolder } from './rehearsal-folder.ts';

export interface Difference {
  readonly machine: string;
  readonly mac: string;
  readonly what: string;
  readonly before: string;
  readonly after: string;
}

export interface ZoneDifference {
  readonly zone: string;
  readonly removed: readonly string[];
  readonly added: readonly string[];
}

export interface FleetDiff {
  readonly differences: readonly Difference[];
  /** Leases that are held now and that another segment, or none, would look after. */
  readonly leases: readonly Difference[];
  readonly zones: readonly ZoneDifference[];
  /** Why the new zones would be refused; what is wrong with the present ones already is not told. */
  readonly faults: readonly string[];
  /** How many machines were asked about, of how many: fewer when the time was over. */
  readonly asked: number;
  readonly machines: number;
  /** Of all that change, also where the lists above are cut: answers, the machines that get them, leases, records of zones. */
  readonly counts: {
    readonly answers: number;
    readonly machines: number;
    readonly leases: number;
    readonly records: number;
  };
}

export interface RecordChange {
  readonly kind: RecordKind;
  readonly name: string;
  /** `null`: it is deleted. */
  readonly doc: unknown;
}

/** What is not named stays as it is. */
export interface FleetChange {
  readonly config?: Config | undefined;
  readonly records?: readonly RecordChange[] | undefined;
  /** Templates of iPXE scripts by the names of their files. */
  readonly scripts?: Readonly<Record<string, string>> | undefined;
  /** Templates of installers by the images as installs ask for them (`debian-12/stable`). */
  readonly templates?: Templates | undefined;
  readonly channels?: Channels | undefined;
}

type Core = ReturnType<typeof openCore>;

/** One of the two that are asked the same. */
interface Side {
  readonly core: Core;
  readonly nextInstall: NextInstalls;
}

/** History, secrets, work: no answer to a machine comes from them, or none that a rehearsal may give. */
const NOT_COPIED = [
  ...['events', 'reports', 'consoles', 'console_parts', 'flight_packets', 'diagnoses'],
  ...['boot_cards', 'phase_times', 'dns_generations', 'dns_diffs', 'dns_snapshots'],
  ...['dns_snapshot_parts', 'dns_keys', 'users', 'api_tokens', 'sessions', 'credentials'],
  ...['webhooks', 'dead_letters', 'idempotency', 'tokens', 'work_orders', 'work_tokens'],
  ...['job_log', 'job_steps', 'job_queue', 'request_log', 'certificates', 'erased_disks'],
  ...['deliveries', 'delivery_lines', 'image_uploads', 'outcomes', 'merges', 'bmc_feed'],
];
const COPIED: Kept = {
  ...Object.fromEntries(NOT_COPIED.map((table) => [table, NO_ROW])),
  jobs: LAST_INSTALLS,
};
const WHO = { who: 'rehearsal', why: 'what would change' };
/** Stands for the token that a real boot would have: it is the same before and after. */
const TOKEN = 'x'.repeat(32) as BootToken;
const NO_SEGMENT = 'no segment: it ends when its time is over';
const PAGE = 100;
const LINES_MAX = limit('rehearsalLinesMax');

/**
 * The database is the one of `current`, whatever the proposal says of it.
 * @throws AppError for a record or a template that would be refused, as its own change would be
 */
export function diffFleet(current: Config, change: FleetChange): FleetDiff {
  const folder = makeRehearsalFolder();
  try {
    return diffFleetIn(folder, current, change);
  } finally {
    removeRehearsalFolder(folder);
  }
}

/** The same with its copies in a folder that the caller removes, for callers that see it cut off. @throws as above */
export function diffFleetIn(folder: string, current: Config, change: FleetChange): FleetDiff {
  const opened: Core[] = [];
  const open = (name: string, config: Config): Core => {
    const file = join(folder, name);
    copyToScratch(current.database.file, file, COPIED);
    const database = { ...current.database, file, keyFile: keyFileOf(current) };
    const core = openCore({ ...config, database });
    opened.push(core);
    return core;
  };
  try {
    const next = change.config ?? current;
    const after = { ...next, boot: { ...next.boot, scripts: scriptsFor(next, change, folder) } };
    const cores = {
      before: open('before.db', current),
      after: refusing(() => open('after.db', after)),
    };
    carryOut(cores.after, change);
    const sideOf = (core: Core, { dns }: Config, templates: Templates = {}): Side => {
      const parts = { folder: imageFolderOf(current), domain: dns.domain ?? '', templates };
      return { core, nextInstall: openNextInstalls(core, parts) };
    };
    const sides = {
      before: sideOf(cores.before, current),
      after: sideOf(cores.after, after, change.templates),
    };
    const types = change.records?.some(({ kind }) => kind === 'type') === true;
    const was = { leases: leasesOf(cores.before), ...zonesOf(current, cores.before) };
    const is = { leases: leasesOf(cores.after), ...zonesOf(after, cores.after) };
    const leases = differing(was.leases, is.leases);
    const zones = zonesDiffering(was.zones, is.zones);
    const faults = is.faults.filter((fault) => !was.faults.includes(fault));
    const { counts, ...answers } = askAll(sides, types);
    const records = zones.reduce((sum, one) => sum + one.removed.length + one.added.length, 0);
    return {
      ...{ ...answers, leases: leases.slice(0, LINES_MAX), zones: cut(zones) },
      faults: faults.slice(0, LINES_MAX),
      counts: { ...counts, leases: leases.length, records },
    };
  } finally {
    for (const core of opened) core.close();
  }
}

/** The folder of templates as it would be: a copy with those of the proposal in it. */
function scriptsFor(config: Config, { scripts = {} }: FleetChange, folder: string): string {
  const named = Object.entries(scripts);
  if (named.length === 0) return config.boot.scripts;
  const copy = join(folder, 'scripts');
  cpSync(config.boot.scripts, copy, { recursive: true });
  for (const [name, text] of named) {
    const file = join(copy, name);
    if (!/^[a-z0-9-]+\.ipxe$/.test(name) || !existsSync(file))
      throw new AppError('REQUEST_INVALID', { detail: `There is no template '${name}'.` });
    writeFileSync(file, text);
  }
  return copy;
}

/** What does not even open is a fault of the proposal: an unknown value in a template, a folder that is not there. */
function refusing<T>(open: () => T): T {
  try {
    return open();
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError('REQUEST_INVALID', { detail: (cause as Error).message, cause });
  }
}

function carryOut(core: Core, { records = [], channels = {}, templates = {} }: FleetChange): void {
  const { inventory } = core;
  const store = inventory.serverdb.records;
  for (const { kind, name, doc } of records) {
    inventory.transaction(() => {
      if (doc === null) return store.remove(kind, name, WHO);
      const parsed = RECORD_SCHEMAS[kind].safeParse(doc);
      if (parsed.success) return void store.put(kind, { name, doc: parsed.data as never }, WHO);
      const [issue] = parsed.error.issues;
      const detail = `${kind} ${name}: ${issue?.message ?? 'wrong form'}`;
      const path = `/${(issue?.path ?? []).join('/')}`;
      throw new AppError('REQUEST_INVALID', { detail, path });
    });
  }
  moveChannels(core, channels, WHO);
  assertTemplates(core, templates);
}

/** Machine by machine, on both sides, so that nothing but what differs is held, and both are asked the same. */
function askAll(
  { before, after }: { before: Side; after: Side },
  types: boolean,
): Pick<FleetDiff, 'differences' | 'asked' | 'machines'> & {
  readonly counts: { readonly answers: number; readonly machines: number };
} {
  const until = systemClock() + limit('rehearsalMs');
  const { differences, tell } = createTold();
  const counts = { answers: 0, machines: 0 };
  let [asked, machines] = [0, 0];
  const { pageOfNames } = before.core.inventory.serverdb.addresses;
  for (let last = '', page = pageOfNames(last, PAGE); page.length > 0; ) {
    for (const { hardwarename } of page) {
      machines += 1;
      if (systemClock() > until) continue;
      asked += 1;
      const was = answersOf(before, hardwarename, types);
      const found = differing(was, answersOf(after, hardwarename, types));
      counts.answers += found.length;
      counts.machines += found.length > 0 ? 1 : 0;
      for (const difference of found) tell(difference);
    }
    last = page.at(-1)?.hardwarename ?? '';
    page = pageOfNames(last, PAGE);
  }
  return { differences, asked, machines, counts };
}

/** The first differences, for as long as there is room for another: the one that ends it is told whole. */
function createTold() {
  const differences: Difference[] = [];
  let bytes = limit('rehearsalBytesMax');
  const tell = (difference: Difference): void => {
    if (differences.length >= LINES_MAX || bytes <= 0) return;
    bytes -= Buffer.byteLength(difference.before) + Buffer.byteLength(difference.after);
    differences.push(difference);
  };
  return { differences, tell };
}

/** @param types whether the rules for hardware types are applied anew */
function answersOf(
  { core, nextInstall }: Side,
  hardwarename: Hardwarename,
  types: boolean,
): Map<string, string> {
  const { inventory } = core;
  const answers = new Map<string, string>();
  if (types) {
    inventory.transactionUnsynced(() => retype(inventory, hardwarename));
    const { hardwareType = '', typeMismatch = '' } =
      inventory.machines.byHardwarename(hardwarename) ?? {};
    const mismatch = typeMismatch === '' ? '' : ` (${typeMismatch})`;
    answers.set(`${hardwarename}\t\thardware type`, `${hardwareType || 'none'}${mismatch}`);
  }
  for (const { mac } of inventory.machines.nicsOf(hardwarename)) {
    const parsed = parseMac(mac);
    if (!parsed) continue;
    const rehearsal = { ...core, rehearse: inventory.rehearse };
    for (const stage of stagesOf(rehearsal, parsed, systemClock())) {
      const key = `${hardwarename}\t${mac}\t${stage.client} on ${stage.segment}`;
      answers.set(key, offerText(stage));
    }
    answers.set(`${hardwarename}\t${mac}\tscript`, scriptOf(core, parsed));
  }
  for (const [what, answer] of nextInstall(hardwarename))
    answers.set(`${hardwarename}\t\t${what}`, answer);
  return answers;
}

function differing(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): Difference[] {
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys].flatMap((key): Difference[] => {
    const [machine = '', mac = '', what = ''] = key.split('\t');
    const [was, is] = [before.get(key) ?? 'nothing', after.get(key) ?? 'nothing'];
    return was === is ? [] : [{ machine, mac, what, ...changedLines(was, is) }];
  });
}

type Zones = ReadonlyMap<string, readonly string[]>;

function zonesDiffering(before: Zones, after: Zones): ZoneDifference[] {
  return [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((zone) => {
    const [was, is] = [new Set(before.get(zone)), new Set(after.get(zone))];
    const removed = [...was].filter((record) => !is.has(record));
    const added = [...is].filter((record) => !was.has(record));
    return removed.length + added.length > 0 ? [{ zone, removed, added }] : [];
  });
}

/** The first lines of all zones together. */
function cut(zones: readonly ZoneDifference[]): ZoneDifference[] {
  let room = LINES_MAX;
  return zones.flatMap(({ zone, ...lines }) => {
    if (room <= 0) return [];
    const removed = lines.removed.slice(0, room);
    const added = lines.added.slice(0, room - removed.length);
    room -= removed.length + added.length;
    return [{ zone, removed, added }];
  });
}

function offerText({ outcome, address, bootFile, terms }: Stage): string {
  // A token is new with each offer.
  const file = bootFile.replace(/\/boot\/[A-Za-z0-9_-]{32}\//, '/boot/…/');
  if (outcome !== 'offer') return outcome;
  return `${`${address} ${file}`.trim()}${terms ? `, ${terms}` : ''}`;
}

/** By the segment whose network the address is in: that is who renews it. */
function leasesOf({ db, segments }: Core): Map<string, string> {
  const held = db
    .prepare<[], { address: Ipv4; mac: string; hardwarename: string | null }>(
      `SELECT address, mac, hardwarename FROM leases LEFT JOIN nics USING (mac)
       WHERE leases.state = 'bound' ORDER BY address`,
    )
    .all();
  return new Map(
    held.map(({ address, mac, hardwarename }) => {
      const home = segments.find(({ cidr }) => contains(cidr, address));
      const key = `${hardwarename ?? ''}\t${mac}\tlease of ${formatIpv4(address)}`;
      return [key, home ? `segment ${home.name}` : NO_SEGMENT];
    }),
  );
}

function scriptOf({ inventory, desk }: Core, mac: Mac): string {
  return inventory.rehearse(() => {
    const machine = inventory.machines.stateByMac(mac);
    const sighting = {
      mac,
      client: 'ipxe',
      arch: 'bios',
      hardwarename: machine?.hardwarename,
    } as const;
    const sighted = inventory.boots.sight(sighting);
    return sighted
      ? desk.scriptFor(sighted.boot, TOKEN, { url: 'http://appliance', loader: 'ipxe' }).script
      : '';
  });
}
