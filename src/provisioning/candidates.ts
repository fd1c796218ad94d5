/**
 * Every machine as the matching sees it, held in memory and kept in step with the event feed: reading twelve thousand
 * reports for each request would hold up DHCP. What changes with time alone (warm, past failures) is read for each look.
 *
 * It is a copy of nothing that decides: a claim is checked again by the transaction that makes it.
 */
import type { Database } from 'better-sqlite3';
import type { SeenDisk } from '../install/disk-rule.ts';
import { isCapacity, type MachineState } from '../inventory/states.ts';
import { ASKED_WRONGLY } from '../jobs/kinds/install.ts';
import { limit } from '../limits.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Clock } from '../wire/time.ts';
import { diskKindOf, type HardwareFacts } from './hardware.ts';
import type { Candidate } from './match.ts';

/** A machine with what people want to know of all of them. */
export interface Known extends Candidate {
  readonly state: MachineState;
  readonly protected: boolean;
  readonly squad: string;
  readonly role: string;
  readonly hostname: string;
}

export interface Candidates {
  /** All machines as of the newest event. */
  read(): readonly Known[];
  /** Without what changes with time alone. */
  one(hardwarename: Hardwarename): Omit<Known, 'warm' | 'failures'> | undefined;
  /** Differs after each change that may let a machine fit that did not. */
  version(): number;
}

export interface CandidateSettings {
  /** The site of machines that name none. */
  readonly site: string;
  /** A machine with a failed job is left alone for so long. */
  readonly recentFailureMs: number;
}

interface Row {
  id: number;
  hardwarename: string;
  state: string;
  protected: number;
  conflict_with: string;
  site: string;
  hall: string;
  row: string;
  rack: string;
  squad: string;
  role: string;
  hostname: string;
  hardware_type: string;
  manufacturer: string;
  product: string;
  bios_version: string;
  bmc_firmware: string;
  bmc_address: string;
  cpu_count: number;
  core_count: number;
  thread_count: number;
  gpu_count: number;
  memory_bytes: number;
  disks: string;
  nics: string;
  switches: string;
  busy: number;
}

type Still = Omit<Known, 'warm' | 'failures' | 'unfit'> & { readonly fixed: string };

/** Failures older than this count for nothing. */
const MEMORY_MS = 90 * 86_400_000;
/** How long a machine may say nothing and still be called warm: a long poll and a slow network. */
const WARM_MS = 2 * limit('heartbeatMs') + 10_000;
/** Past failures and warmth may be so old: a storm of events asks for them in every one of its moments. */
const LIVE_AGE_MS = 1000;
const EVENTS_PAGE = 5000;
const NOT_ITS_FAULT = ASKED_WRONGLY.map((code) => `'${code}'`).join();

export function openCandidates(
  db: Database,
  clock: Clock,
  { site, recentFailureMs }: CandidateSettings,
): Candidates {
  const sql = prepare(db);
  const machines = new Map<Hardwarename, Still>();
  let cursor = -1;
  let version = 0;
  let live = { at: 0, version: -1, known: [] as readonly Known[] };

  const take = (row: Row): void => {
    machines.set(row.hardwarename as Hardwarename, stillOf(row, site));
  };
  const reload = (hardwarename: string): void => {
    const row = sql.one.get(hardwarename);
    if (row) take(row);
    else machines.delete(hardwarename as Hardwarename);
    version += 1;
  };
  const follow = (): void => {
    if (cursor < 0) {
      cursor = sql.lastEvent.get()?.id ?? 0;
      for (const row of sql.all.iterate()) take(row);
      version += 1;
    }
    for (;;) {
      const last = sql.pageEnd.get(cursor, EVENTS_PAGE)?.id ?? null;
      if (last === null) return;
      for (const { hardwarename } of sql.changed.all(cursor, last)) reload(hardwarename);
      cursor = last;
    }
  };
  const moving = (): { warm: ReadonlySet<string>; failures: ReadonlyMap<string, Failures> } => {
    const now = clock();
    const since = now + limit('waitTokenMs') - WARM_MS;
    return {
      warm: new Set(sql.warm.all(since).map(({ hardwarename }) => hardwarename)),
      failures: new Map(sql.failures.all(now - MEMORY_MS).map((row) => [row.target, row])),
    };
  };
  return {
    read() {
      follow();
      const now = clock();
      if (live.version === version && now - live.at < LIVE_AGE_MS) return live.known;
      const { warm, failures } = moving();
      const known = [...machines.values()].map(({ fixed, ...still }): Known => {
        const past = failures.get(still.hardwarename);
        return {
          ...still,
          warm: warm.has(still.hardwarename),
          failures: past?.count ?? 0,
          unfit: fixed !== '' ? fixed : recent(past, now - recentFailureMs),
        };
      });
      live = { at: now, version, known };
      return known;
    },
    one(hardwarename) {
      follow();
      const still = machines.get(hardwarename);
      if (!still) return undefined;
      const { fixed: unfit, ...rest } = still;
      return { ...rest, unfit };
    },
    version() {
      follow();
      return version;
    },
  };
}

interface Failures {
  readonly target: string;
  readonly count: number;
  readonly last_at: number;
  readonly code: string;
}

function recent(past: Failures | undefined, since: number): string {
  return past && past.last_at > since ? `has failed a short while ago (${past.code})` : '';
}

function stillOf(row: Row, ownSite: string): Still {
  const { id: _, site, hall, rack, squad, role, hostname } = row;
  const disks = JSON.parse(row.disks) as SeenDisk[];
  return {
    hardwarename: row.hardwarename as Hardwarename,
    state: row.state as MachineState,
    protected: row.protected === 1,
    ...{ site: site || ownSite, hall, row: row.row, rack, squad, role, hostname },
    switches: row.switches === '' ? [] : row.switches.split('\n'),
    biosVersion: row.bios_version,
    bmcFirmware: row.bmc_firmware,
    ...{ disks, hardware: hardwareOf(row, disks) },
    fixed: fixedFault(row),
  };
}

function fixedFault(row: Row): string {
  if (!isCapacity(row.state as MachineState)) return `is ${row.state}`;
  if (row.protected === 1) return 'is protected';
  if (row.conflict_with !== '') return 'has a contested identity';
  if (row.busy === 1) return 'has an unfinished job';
  return row.bmc_address === '' ? 'has no BMC on record' : '';
}

function hardwareOf(row: Row, disks: readonly SeenDisk[]): HardwareFacts {
  return {
    type: row.hardware_type,
    ...{ manufacturer: row.manufacturer, product: row.product },
    ...{ cpus: row.cpu_count, cores: row.core_count, threads: row.thread_count },
    ...{ gpus: row.gpu_count, memoryBytes: row.memory_bytes },
    disks: disks
      .filter(({ interface: bus }) => bus !== 'usb' && bus !== 'mmc')
      .map(({ interface: bus = '', rotational, sizeBytes }) => ({
        kind: diskKindOf(bus, rotational),
        sizeBytes,
      })),
    nics: JSON.parse(row.nics) as number[],
  };
}

const COLUMNS = `m.id, m.hardwarename, m.state, m.protected, m.conflict_with, m.site, m.hall, m."row", m.rack,
  m.squad, m.role, m.hostname, m.hardware_type, m.manufacturer, m.product, m.bios_version, m.bmc_firmware,
  m.bmc_address, m.cpu_count, m.core_count, m.thread_count, m.gpu_count, m.memory_bytes,
  coalesce(h.hardware -> '$.disks', '[]') AS disks,
  (SELECT json_group_array(coalesce(value ->> 'speedMbps', 0)) FROM json_each(h.hardware, '$.nics')) AS nics,
  (SELECT coalesce(group_concat(switch, char(10)), '') FROM nics WHERE nics.hardwarename = m.hardwarename
    AND switch <> '') AS switches,
  EXISTS (SELECT 1 FROM jobs WHERE target = m.hardwarename AND ended_at = 0) AS busy`;
const FROM = 'FROM machines AS m JOIN machine_hardware AS h ON h.machine = m.id';

function prepare(db: Database) {
  return {
    all: db.prepare<[], Row>(`SELECT ${COLUMNS} ${FROM}`),
    one: db.prepare<[string], Row>(`SELECT ${COLUMNS} ${FROM} WHERE m.hardwarename = ?`),
    lastEvent: db.prepare<[], { id: number }>('SELECT coalesce(max(id), 0) AS id FROM events'),
    pageEnd: db.prepare<[number, number], { id: number | null }>(
      'SELECT max(id) AS id FROM (SELECT id FROM events WHERE id > ? ORDER BY id LIMIT ?)',
    ),
    changed: db.prepare<[number, number], { hardwarename: string }>(
      `SELECT DISTINCT hardwarename FROM events WHERE id > ? AND id <= ? AND hardwarename IS NOT NULL
         AND (name LIKE 'machine.%' OR name LIKE 'nic.%' OR name LIKE 'recon.%'
           OR name IN ('job.queued', 'job.finished', 'job.failed', 'job.cancelled'))`,
    ),
    warm: db.prepare<[number], { hardwarename: string }>(
      `SELECT boots.hardwarename FROM tokens JOIN boots ON boots.id = tokens.boot
       WHERE tokens.purpose = 'wait' AND tokens.expires_at > ? AND boots.hardwarename IS NOT NULL`,
    ),
    failures: db.prepare<[number], Failures>(
      `SELECT target, count(*) AS count, max(ended_at) AS last_at, code FROM jobs
       WHERE ended_at > ? AND status = 'failed' AND code NOT IN (${NOT_ITS_FAULT}) GROUP BY target`,
    ),
  };
}
