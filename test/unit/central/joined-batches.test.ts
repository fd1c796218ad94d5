/** What sites tell in a random order, once kept batch by batch and once joined and grouped as it comes: the tables are the same. */
import { describe, expect, it } from 'vitest';
import { type Batch, openBatches } from '../../../src/central/batches.ts';
import { joinedBatch } from '../../../src/central/inbox.ts';
import type { FleetDatabase } from '../../../src/central/sql.ts';
import type {
  FeedEvent,
  JobDocument,
  MachineDocument,
  RequestDocument,
} from '../../../src/federation/protocol.ts';
import type { Clock, Millis } from '../../../src/wire/time.ts';
import { fleetDatabase, quietUpkeep } from '../../support/fleet-database.ts';
import { random } from '../../support/mutate.ts';

const clock: Clock = () => 1_000_000 as Millis;
const SITES = ['ams', 'lon', 'sto'];
const PARTS = 6;
const ROUNDS = 40;

type Pick = (below: number) => number;
type JobStatus = Extract<JobDocument, { status: string }>['status'];

const idOf = (site: string, number: number): string =>
  `00000000-0000-4000-8000-${String(SITES.indexOf(site)).padStart(4, '0')}${String(number).padStart(8, '0')}`;

const jobOf = (id: string, machine: string, status: JobStatus): JobDocument => ({
  ...{ id, action: 'reset', version: 1, machine, params: {}, requester: 'eve', user: 'eve' },
  ...{ priority: 0, status, step: '', retries: 0, code: '', detail: '' },
  ...{ createdAt: 1, startedAt: 2, endedAt: status === 'finished' ? 9 : 0 },
});

/** One site that tells what happens to it; `ams` is of the version before, which does not tell of jobs. */
class Teller {
  private cursor = 0;
  private version = 0;
  private jobs = 0;
  private readonly openJobs = new Map<string, { machine: string; status: JobStatus }>();
  private readonly openParts: string[];
  private readonly site: string;
  private readonly pick: Pick;

  constructor(site: string, pick: Pick) {
    this.site = site;
    this.pick = pick;
    this.openParts = Array.from({ length: PARTS }, (_, n) => `${site}-part-${n}`);
  }

  /** @param isFirst of its round: it alone tells of machines that other sites have, too */
  batch(isFirst: boolean): Batch {
    const said = {
      ...{ events: [] as FeedEvent[], machines: new Map<string, MachineDocument>() },
      ...{ jobs: new Map<string, JobDocument>(), requests: new Map<string, RequestDocument>() },
      pools: new Map<string, NonNullable<Batch['pools']>[number]>(),
    };
    const from = this.cursor;
    const tell = (name: string, hardwarename: string, data: FeedEvent['data']): void => {
      this.cursor += 1;
      said.events.push({ id: this.cursor, at: this.cursor, name, hardwarename, data });
    };
    if (isFirst) {
      const name = `shared-${this.pick(3)}`;
      tell('machine.state', name, {});
      said.machines.set(name, this.machine(name));
    }
    for (let left = 1 + this.pick(4); left > 0; left--) {
      const own = `${this.site}-${this.pick(5)}`;
      const kind = this.pick(5);
      if (kind === 0) {
        tell('machine.state', own, {});
        said.machines.set(own, this.machine(own));
      } else if (kind === 1) this.job(tell, said.jobs, own);
      else if (kind === 2) this.part(tell, said.requests, own);
      else if (kind === 3) {
        const name = ['joined', 'left', 'unhealthy', 'healthy', 'held'][this.pick(5)];
        tell(`pool.${name}`, own, { pool: `p${this.pick(2)}`, why: 'w' });
      } else {
        const name = `p${this.pick(2)}`;
        const isGone = this.pick(3) === 0;
        tell('pool.changed', '', { pool: name, change: isGone ? 'removed' : 'changed' });
        const pool = { name, version: this.cursor, doc: {}, who: 'eve', updatedAt: 1, why: '' };
        said.pools.set(name, isGone ? { name, gone: true } : pool);
      }
    }
    return {
      ...{ kind: 'batch', from, to: this.cursor, mark: `m${this.cursor}`, events: said.events },
      ...{ machines: [...said.machines.values()], pools: [...said.pools.values()] },
      ...{ jobs: [...said.jobs.values()], requests: [...said.requests.values()] },
    };
  }

  private machine(hardwarename: string): MachineDocument {
    this.version += 1;
    const state = ['available', 'in-use', 'retired'][this.pick(3)] ?? '';
    return this.pick(4) === 0
      ? { hardwarename, gone: true }
      : { hardwarename, version: this.version, state, hostname: `h${this.pick(3)}` };
  }

  private job(
    tell: (name: string, machine: string, data: FeedEvent['data']) => void,
    jobs: Map<string, JobDocument>,
    on: string,
  ): void {
    const [id, known] = [...this.openJobs][this.pick(this.openJobs.size + 1)] ?? [];
    const told = (job: JobDocument) => this.site !== 'ams' && jobs.set(job.id, job);
    if (id === undefined || !known) {
      const fresh = idOf(this.site, this.jobs++);
      this.openJobs.set(fresh, { machine: on, status: 'queued' });
      tell('job.step', on, { job: fresh, step: 'switch' });
      told(jobOf(fresh, on, 'queued'));
      return;
    }
    const next = (['running', 'finished', 'gone'] as const)[this.pick(3)] ?? 'gone';
    tell(next === 'running' ? 'job.step' : 'job.finished', known.machine, { job: id, step: 's' });
    if (next === 'running') this.openJobs.set(id, { ...known, status: next });
    else this.openJobs.delete(id);
    told(next === 'gone' ? { id, gone: true } : jobOf(id, known.machine, next));
  }

  private part(
    tell: (name: string, machine: string, data: FeedEvent['data']) => void,
    requests: Map<string, RequestDocument>,
    machine: string,
  ): void {
    const at = this.pick(this.openParts.length);
    const id = this.openParts[at];
    if (id === undefined) return;
    const place = { request: id, place: this.pick(2), hostname: 'h' };
    const record = { id, done: 0, failed: this.pick(3), why: '', endedAt: 0 };
    const kind = this.pick(8);
    if (kind > 1) {
      const name = ['claimed', 'installed', 'replacing'][kind % 3];
      tell(`request.${name}`, machine, place);
      requests.set(id, { ...record, status: 'working' });
      return;
    }
    this.openParts.splice(at, 1);
    tell('request.fulfilled', '', { request: id, installed: 2 });
    requests.delete(id);
    // The other one is forgotten by now.
    if (kind === 0) requests.set(id, { ...record, status: 'fulfilled', done: 2, endedAt: 7 });
  }
}

async function openCentral() {
  const db = await fleetDatabase();
  for (const site of SITES) {
    await db.run(
      "INSERT INTO sites (name, joined_at, feed_cursor, line, told) VALUES (?, 0, 0, ?, 'jobs')",
      [site, site],
    );
    for (let n = 0; n < PARTS; n++)
      await db.run('INSERT INTO fleet_parts (intent, request, site, wanted) VALUES (?, ?, ?, 2)', [
        ...[`${site}-part-${n}`, `request-${n}`, site],
      ]);
    // Asked for at central: what comes of them is known by their events, too.
    for (let n = 0; n < 10; n++) {
      const document = { ...jobOf(idOf(site, n), 'M', 'queued'), version: 0 };
      await db.run(
        `INSERT INTO fleet_jobs (site, job, intent, id, hardwarename, status, document) VALUES (?, ?, ?, ?, 'M', 'queued', ?)`,
        [site, document.id, `i-${n}`, `i-${n}`, JSON.stringify(document)],
      );
    }
  }
  const notices: string[] = [];
  const keep = openBatches(db, {
    ...{ clock, upkeep: quietUpkeep },
    notice: async (_sql, site, code, detail) => notices.push(`${site} ${code} ${detail}`),
  });
  const apply = async (site: string, batch: Batch): Promise<void> => {
    const verdict = await keep({ site, line: site, batch });
    expect(verdict).toEqual({ kind: 'applied', cursor: batch.to });
  };
  return { db, apply, notices };
}

const TABLES = {
  sites: 'name, feed_cursor, told_to, last_event, mark',
  machines: 'site, hardwarename, state, document, version, claimed',
  machine_words: 'site, hardwarename, words',
  events: 'site, id, at, name, hardwarename, data',
  fleet_jobs: 'site, job, intent, id, action, hardwarename, status, ended_at, document, due',
  fleet_parts: 'intent, site, status, done, failed, why, accepted_at, ended_at',
  fleet_places: 'intent, place, hardwarename, hostname, status',
  fleet_members: 'site, hardwarename, pool, joined_at, unhealthy_at, held, why',
  fleet_site_pools: 'site, pool, version, doc, who, updated_at, why',
};

async function allOf(db: FleetDatabase): Promise<Record<string, unknown[]>> {
  const tables = Object.entries(TABLES).map(async ([table, columns]) => {
    const rows = await db.all(`SELECT ${columns} FROM ${table} ORDER BY 1, 2`);
    return [table, rows] as const;
  });
  return Object.fromEntries(await Promise.all(tables));
}

describe('what some sites tell', () => {
  it.each([1, 3, 5])('is kept joined as one after the other, seed %i', async (seed) => {
    const pick = random(seed);
    const tellers = SITES.map((site) => ({ site, teller: new Teller(site, pick) }));
    const [single, joined] = [await openCentral(), await openCentral()];
    let joins = 0;
    let apart = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const said = tellers.map(({ site, teller }) => ({
        site,
        batches: Array.from({ length: 1 + pick(4) }, (_, n) => teller.batch(n === 0)),
      }));
      for (const { site, batches } of said)
        for (const batch of batches) await single.apply(site, batch);
      await Promise.all(
        said.map(async ({ site, batches }) => {
          const one = joinedBatch(batches);
          if (one) joins += 1;
          else if (batches.length > 1) apart += 1;
          for (const batch of one ? [one] : batches) await joined.apply(site, batch);
        }),
      );
    }
    const [all, kept] = [await allOf(single.db), await allOf(joined.db)];
    expect(kept).toEqual(all);
    expect(joined.notices.sort()).toEqual(single.notices.sort());
    // It was about something.
    expect(Object.values(all).filter(({ length }) => length === 0)).toEqual([]);
    expect(all.machines).toContainEqual(expect.objectContaining({ claimed: 1 }));
    expect(joins).toBeGreaterThan(apart);
    expect(apart).toBeGreaterThan(0);
  });
});
