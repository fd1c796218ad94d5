/**
 * A site on this machine alone: the daemon's own jobs, BMC service and people's listener on a database file, with a log that
 * is kept at its most talkative, and simulated BMCs on real UDP sockets. No clock, timer or datagram is simulated.
 */
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { Registry } from 'prom-client';
import { startFakeBmc } from '../../qemu-lab/fake-bmc.ts';
import { type FakeBmcOptions, simpleMachine } from '../../qemu-lab/fake-bmc-state.ts';
import { startFakeRedfish } from '../../qemu-lab/fake-redfish.ts';
import { parseConfig } from '../../src/config.ts';
import { openBmcService, startDiscovery } from '../../src/daemon/bmcs.ts';
import { startConsoles } from '../../src/daemon/consoles.ts';
import { openJobs, startJobs } from '../../src/daemon/jobs.ts';
import type { StoredEvent } from '../../src/events.ts';
import { createPeopleApp } from '../../src/http/people/app.ts';
import { openInventory } from '../../src/inventory/inventory.ts';
import { bmcProfileSchema } from '../../src/inventory/record-kinds.ts';
import { createSecretBox } from '../../src/inventory/secrets.ts';
import type { Job } from '../../src/jobs/store.ts';
import { openDatabase, openGroupCommit } from '../../src/platform/sqlite.ts';
import type { Hardwarename } from '../../src/wire/ids.ts';
import type { Mac } from '../../src/wire/mac.ts';
import type { Millis } from '../../src/wire/time.ts';
import { bytesOf, report } from './reports.ts';
import { temporaryFolder } from './temporary-folder.ts';

const CAUSE = { who: 'test', why: 'test' };

export type JobSite = Awaited<ReturnType<typeof openJobSite>>;

/**
 * @param configText the `jobs` and `bmc` sections that differ
 * @param consoles record machines that are switched on
 */
export async function openJobSite(configText: string, { consoles = false } = {}) {
  const folder = temporaryFolder('job-site');
  const file = join(folder, 'reveille.db');
  const lines: string[] = [];
  const log = pino(
    { level: 'trace', base: null },
    { write: (line: string) => void lines.push(line) },
  );
  const clock = () => Date.now() as Millis;
  const db = openDatabase(file);
  const groupCommit = openGroupCommit(db);
  const secrets = createSecretBox(() => new Uint8Array(32).fill(9));
  const inventory = openInventory({ db, clock, secrets, waitForDisk: groupCommit.waitForDisk });
  const config = parseConfig(configText);
  const closers: (() => unknown)[] = [];
  const metrics = { registry: new Registry() };
  const parts = { db, inventory, config, clock, log, closers, groupCommit, metrics };
  const bmcs = await openBmcService(parts);
  const jobs = openJobs(parts);
  startJobs(parts, { desk: jobs, access: bmcs.access });
  const hub = consoles
    ? startConsoles(parts, { access: bmcs.access, ports: bmcs.ports })
    : undefined;
  const app: FastifyInstance = await createPeopleApp({
    ...{ consoles: hub, inventory, jobs, bmcs, clock, log, site: 'lab', uiRoot: 'no/such/folder' },
    readiness: () => ({ database: true }),
    metrics: async () => ({ contentType: 'text/plain', text: '' }),
    settings: { anonymousRead: false, requestsPerSecond: 1_000_000 },
    whenDurable: groupCommit.whenDurable,
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { serverdb, transaction } = inventory;
  const token = transaction(() =>
    serverdb.access.createToken({ name: 'test', role: 'admin', squads: {} }, 'test'),
  ).secret;
  const fakes: { close(): Promise<void> }[] = [];
  const enter = (serial: string, bmc: Record<string, unknown>, profile: object) => {
    const entry = { serial, manufacturer: 'LabCorp', product: 'X', state: 'held', nics: [] };
    const doc = bmcProfileSchema.parse({ machines: [serial], ...profile });
    transaction(() => {
      serverdb.editor.enter({ ...entry, ...bmc } as never, CAUSE);
      serverdb.records.put('bmc', { name: serial, doc }, CAUSE);
    });
  };
  let addresses = 0;
  let reports = 0;

  return {
    ...{ db, file, folder, lines, inventory, jobs, app, token, bmcs, metrics },
    url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`,
    credential(name: string, username: string, password: string) {
      const entry = { name, squad: '', username, notes: '', password };
      transaction(() => serverdb.credentials.put(entry, CAUSE));
    },
    /** A machine with a BMC on an address of its own, at the port that its profile names. */
    async machine(serial: string, credential: string, options: FakeBmcOptions = {}) {
      addresses += 1;
      const address = `127.77.0.${addresses}`;
      const bmc = await startFakeBmc({ machine: simpleMachine(), ...options, address });
      fakes.push(bmc);
      enter(serial, { bmcAddress: address, bmcCredential: credential }, { port: bmc.port });
      return bmc;
    },
    /** One whose BMC speaks Redfish alone; there is one address for such. */
    async redfish(serial: string, credential: string, password: string) {
      const [key, cert] = ['key', 'cert'].map((name) =>
        readFileSync(`test/fixtures/redfish/${name}.pem`, 'utf8'),
      ) as [string, string];
      const fake = await startFakeRedfish({ machine: simpleMachine(), key, cert, password });
      fakes.push(fake);
      const bmc = { bmcAddress: '127.0.0.1', bmcCredential: credential };
      enter(serial, bmc, { driver: 'redfish', redfishPort: fake.port });
      return fake;
    },
    /** Finds out whose BMCs are seen and reported, from now on. */
    discover: () => startDiscovery(parts, { ...bmcs, desk: jobs }),
    /** A machine reports, from inside, that it has this BMC. */
    report(serial: string, address: string) {
      reports += 1;
      const mac = `52:54:00:66:01:${String(reports).padStart(2, '0')}` as Mac;
      const body = bytesOf(report({ serial, macs: [mac], bmc: { inBand: true, address } }));
      transaction(() => {
        const sighting = { mac, client: 'ipxe', arch: 'x86_64-bios', iface: 'prov0' };
        const boot = inventory.boots.sight(sighting as never)?.boot;
        if (!boot) throw new Error('no boot');
        inventory.ingest({ token: inventory.tokens.mint(boot.id, mac, 'boot'), body });
      });
    },
    /** The first event of this name that there is, or comes. */
    told(name: string): Promise<StoredEvent> {
      return new Promise((resolve) => {
        const look = () => {
          const event = inventory.events.after(0, 10_000).find((one) => one.name === name);
          if (!event) return;
          unfollow();
          resolve(event);
        };
        const unfollow = inventory.events.follow(look);
        look();
      });
    },
    /** Asks for a job and waits for its end by the feed of events. */
    run(action: string, target: string, params: object = {}): Promise<Job> {
      const request = { action, target: target as Hardwarename, params, requester: 'test' };
      const { id } = transaction(() => jobs.create(request));
      return new Promise((resolve) => {
        const look = () => {
          const job = jobs.get(id);
          if (job.endedAt === 0) return;
          unfollow();
          resolve(job);
        };
        const unfollow = inventory.events.follow(look);
        look();
      });
    },
    async get(path: string): Promise<string> {
      const headers = { authorization: `Bearer ${token}` };
      return (await app.inject({ method: 'GET', url: path, headers })).body;
    },
    async close() {
      await app.close();
      for (const close of closers.reverse()) await close();
      for (const bmc of fakes) await bmc.close();
      groupCommit.close();
      db.close();
    },
  };
}
