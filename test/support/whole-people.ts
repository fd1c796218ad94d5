/**
 * The people's listener with every part that an appliance can have, over one database in a file: DNS with signed zones,
 * images, the flight recorder, BMCs, consoles, backups, certificates, provisioning. No part of it answers NOT_HERE. The
 * BMCs' sockets and the lines of consoles are ports without wires.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import pino from 'pino';
import { createBmcAccess } from '../../src/bmc/access.ts';
import { createClaimDesk } from '../../src/bmc/claims.ts';
import { createBmcRegistry } from '../../src/bmc/registry.ts';
import { describeConfig, parseConfig } from '../../src/config.ts';
import { createConsoleHub } from '../../src/console/hub.ts';
import type { FleetDiff } from '../../src/daemon/fleet-diff.ts';
import { stagesOf } from '../../src/dhcp/rehearsal.ts';
import { ImageReader } from '../../src/dns/image.ts';
import { Responder } from '../../src/dns/respond.ts';
import { AppError } from '../../src/errors.ts';
import type { PairDesk } from '../../src/http/people/context.ts';
import { openDnsKeys } from '../../src/inventory/dns-keys.ts';
import { openDnsSource } from '../../src/inventory/dns-source.ts';
import { openDnsStore } from '../../src/inventory/dns-store.ts';
import { createSecretBox } from '../../src/inventory/secrets.ts';
import type { IpmiPorts } from '../../src/ipmi/ports.ts';
import { createDnsDesk } from '../../src/nameserver/desk.ts';
import { openSigning } from '../../src/nameserver/dnssec.ts';
import { Keeper } from '../../src/nameserver/keeper.ts';
import { backupDatabase } from '../../src/platform/backup.ts';
import { openDatabase } from '../../src/platform/sqlite.ts';
import { createRecorder } from '../../src/recorder/recorder.ts';
import { signingKey } from '../../src/recycle/certificate.ts';
import { openRecycleDesk } from '../../src/recycle/desk.ts';
import { createFakeLines } from './consoles.ts';
import { SETTINGS } from './dns.ts';
import { planFrom } from './dns-world.ts';
import { POLICY } from './dnssec.ts';
import { createStoreWorld } from './image-store.ts';
import { createPeople, type People } from './people.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { createWorld, type World } from './world.ts';

const SEED = new Uint8Array(32).fill(7);
const log = pino({ enabled: false });

/** Each comparison takes a thread and two copies of the database; test/unit/cli/time-travel.test.ts makes real ones. */
const NO_DIFFERENCE: FleetDiff = {
  ...{ differences: [], leases: [], zones: [], faults: [], asked: 0, machines: 0 },
  counts: { answers: 0, machines: 0, leases: 0, records: 0 },
};

/** @param closers what is to be closed afterwards is added to it */
export async function createWholePeople(closers: (() => unknown)[]): Promise<People> {
  const folder = temporaryFolder('whole');
  const file = join(folder, 'reveille.db');
  const db = openDatabase(file);
  closers.push(() => db.close());
  const world = createWorld(db);
  const { inventory, clock, segments, view } = world;
  const hub = createConsoleHub(createFakeLines());
  closers.push(() => hub.close());
  const dns = await dnsOf(world, closers);
  const kept = { folder: join(folder, 'backups'), keep: 2 };
  const { publicKey } = openRecycleDesk({
    ...{ inventory, clock, key: signingKey(SEED), site: 'lab' },
  });
  return createPeople(
    {
      ...{ bmcs: bmcsOf(world, closers), consoles: hub, dns: () => dns },
      federation: () => undefined,
      ...{ recorder: recorderOf(world), certificateKey: publicKey },
      images: createStoreWorld({}, world).desk(),
      ...{ servedSegments: world.live.served, fleetDiff: async () => NO_DIFFERENCE },
      standby: STANDBY,
      configuration: describeConfig(parseConfig(''), ''),
      backup: () => backupDatabase(file, { ...kept, now: new Date(clock()) }),
      explain: (mac) => stagesOf({ segments, view, rehearse: inventory.rehearse }, mac, clock()),
    },
    world,
  );
}

/** One of two, whose other one is away. */
const STANDBY: PairDesk = {
  status: () => ({
    ...{ member: 'a', mode: 'active', epoch: 1, addresses: 'half', unwritten: '', wholeFrom: null },
    partner: {
      ...{ address: '10.0.0.2', inTouch: false, current: false, behind: 3 },
      ...{ touchAt: 1_000_000, clockAheadMs: -20, version: '' },
    },
    standby: { current: false, behindMs: 1000, images: { missing: 2, bytes: 7000 } },
    ...{ takeOvers: 1, version: '0.1.0' },
    ...{ witness: 'none', why: 'the first of the two' },
  }),
  takeOver: async () => undefined,
  begin: () => undefined,
  handBack: async () => {
    throw new AppError('STANDBY_REFUSED', { detail: 'The other appliance is not in touch.' });
  },
};

function bmcsOf({ inventory, clock }: World, closers: (() => unknown)[]) {
  const { serverdb, events, machines, transaction, soon } = inventory;
  // A BMC that is asked never answers, and no time passes for whoever waits.
  const ports: IpmiPorts = {
    datagrams: { send: () => undefined, listen: () => () => undefined },
    timers: { nowMs: clock, at: () => () => undefined },
    random: randomBytes,
  };
  const parts = { ...serverdb, ports, clock, soon, transaction };
  const access = createBmcAccess({ ...parts, siteCredentials: [] });
  closers.push(() => access.close());
  const stores = { ...serverdb, events, machines, clock };
  return { access, registry: createBmcRegistry(stores), claims: createClaimDesk(stores, []) };
}

function recorderOf({ db, inventory, clock }: World) {
  return createRecorder({
    ...{ db, inventory, clock, live: () => undefined, proxied: new Set<string>() },
    ...{ localBootOf: () => 'auto', overrideOf: () => '' },
    onError(error) {
      throw error;
    },
    watch: { set: () => undefined },
  });
}

async function dnsOf({ db, inventory, clock }: World, closers: (() => unknown)[]) {
  const { events, transaction } = inventory;
  const plan = planFrom();
  const store = openDnsStore({ db, clock, events, transaction, soa: plan.soa });
  const secrets = createSecretBox(() => SEED);
  const nowSeconds = () => Math.floor(clock() / 1000);
  const signing = openSigning(
    {
      ...{ policy: POLICY, validitySeconds: 21 * 86_400, renewSeconds: 7 * 86_400 },
      store: openDnsKeys({ db, events, transaction, secrets }),
      signed: () => true,
    },
    {
      ...{ log, transfers: false, nowSeconds, keeper: () => keeper },
      onKeys: (keyring) => responder.useKeys(keyring.keys()),
      onCopy: () => undefined,
    },
  );
  const keeper: Keeper = new Keeper({
    ...{ plan, store, source: openDnsSource(db), shrinkShareMax: 0.5 },
    ...{ signing: signing.keyring, lastEvent: events.lastId, nowSeconds },
    onWork: () => undefined,
    onImage: (buffer) => responder.useImage(new ImageReader(buffer)),
    onServed: ({ renewed, diffs }) => signing.followed(diffs, renewed),
  });
  const responder = new Responder(new ImageReader(keeper.buffer), SETTINGS);
  responder.useKeys(signing.keyring.keys());
  await keeper.fill(async () => undefined);
  closers.push(() => signing.close());
  return createDnsDesk({ keeper, store, responder, signing });
}
