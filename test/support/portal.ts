/**
 * A site for the portal's tests: the real people's listener on a loopback port, over a world whose machines boot, report,
 * stall and stand in racks by the same code as in the daemon, with name service beside it.
 */
import type { AddressInfo } from 'node:net';
import pino from 'pino';
import { describeConfig, parseConfig } from '../../src/config.ts';
import { stagesOf } from '../../src/dhcp/rehearsal.ts';
import { ImageReader } from '../../src/dns/image.ts';
import { Responder } from '../../src/dns/respond.ts';
import type { NewEvent } from '../../src/events.ts';
import { createPeopleApp } from '../../src/http/people/app.ts';
import type { Role } from '../../src/inventory/access.ts';
import { openDnsSource } from '../../src/inventory/dns-source.ts';
import { openDnsStore } from '../../src/inventory/dns-store.ts';
import { hashPassword } from '../../src/inventory/password.ts';
import { createStallWatch } from '../../src/inventory/stall-watch.ts';
import { createDnsDesk } from '../../src/nameserver/desk.ts';
import { Keeper } from '../../src/nameserver/keeper.ts';
import { createRecorder } from '../../src/recorder/recorder.ts';
import type { Hardwarename } from '../../src/wire/ids.ts';
import type { Mac } from '../../src/wire/mac.ts';
import type { Millis } from '../../src/wire/time.ts';
import { SETTINGS } from './dns.ts';
import { planFrom } from './dns-world.ts';
import { createStoreWorld } from './image-store.ts';
import { bytesOf, type Report, report } from './reports.ts';
import { createWorld, dhcpPacket, ipv4, mac, u32, type World } from './world.ts';

const CONFIG = 'site: lab\npeopleHttp: { anonymousRead: false }\n';

type Step = 'offer' | 'ack' | 'tftp' | 'script' | 'kernel' | 'initrd' | 'linux';
const STEPS: readonly Step[] = ['offer', 'ack', 'tftp', 'script', 'kernel', 'initrd', 'linux'];
type Client = 'bios' | 'uefi' | 'ipxe';

export const PASSWORD = 'a long enough password';

/** Carries a machine's boot up to and including `last`, some seconds a step. */
export function carry(world: World, address: string, last: Step, client: Client = 'ipxe') {
  const of = mac(address);
  const offer = world.dhcp(dhcpPacket({ mac: of, type: 1, client }));
  const boot = world.inventory.boots.latest(of);
  if (!boot || offer.kind !== 'reply') throw new Error('no offer');
  const tell = (event: Pick<NewEvent, 'name' | 'data'>) =>
    world.inventory.transaction(() =>
      world.inventory.events.append({ ...event, mac: of, boot: boot.id } as NewEvent),
    );
  const file = 'snponly.efi';
  const happen: Record<Step, () => void> = {
    offer: () => undefined,
    ack: () =>
      void world.dhcp(
        dhcpPacket({ mac: of, type: 3, client }, [
          [54, u32(ipv4('10.77.0.1'))],
          [50, u32(offer.reply.yiaddr)],
        ]),
      ),
    tftp: () => {
      if (client === 'ipxe') return;
      const sizeBytes = 173_792;
      tell({ name: 'tftp.started', data: { file, blksizeBytes: 1468, windowsize: 4, sizeBytes } });
      tell({ name: 'tftp.sent', data: { file, sizeBytes, durationMs: 60, retransmits: 0 } });
    },
    script: () => tell({ name: 'ipxe.script', data: { mode: 'recon', why: '' } }),
    kernel: () =>
      tell({ name: 'http.sent', data: { file: 'vmlinuz', sizeBytes: 8_247_232, durationMs: 80 } }),
    initrd: () =>
      tell({
        name: 'http.sent',
        data: { file: 'initrd.img', sizeBytes: 11_867_392, durationMs: 140 },
      }),
    linux: () =>
      tell({
        name: 'agent.progress',
        data: { phase: 'recon', message: 'looking the machine over', level: 'info', percent: 0 },
      }),
  };
  for (const step of STEPS.slice(0, STEPS.indexOf(last) + 1)) {
    world.pass(step === 'linux' ? 6800 : 1300);
    happen[step]();
  }
  return { boot: boot.id, of };
}

export interface Arrival {
  readonly address: string;
  readonly serial: string;
  readonly uuid: string;
  readonly hardware?: Partial<Report>;
}

/** A whole first boot with its report. */
export function arrive(world: World, { address, serial, uuid, hardware = {} }: Arrival): void {
  const { boot, of } = carry(world, address, 'linux', 'uefi');
  world.pass(4200);
  const token = world.inventory.tokens.mint(boot, of, 'boot');
  const body = bytesOf(report({ serial, uuid, macs: [address], ...hardware }));
  world.inventory.ingest({ token, body });
}

export const uuidOf = (n: number): string =>
  `4c4c4544-0042-3510-8052-${n.toString(16).padStart(12, '0')}`;
export const macOf = (n: number): string =>
  `52:54:00:${[n >> 16, n >> 8, n].map((byte) => (byte & 255).toString(16).padStart(2, '0')).join(':')}`;

/** Machines that have reported, 40 to a rack and eight racks to a row, without the boots that brought them. */
export function furnish(world: World, count: number, from = 1): Hardwarename[] {
  const { inventory } = world;
  const { records, editor } = inventory.serverdb;
  const cause = { who: 'test', why: 'furnished' };
  const names: Hardwarename[] = [];
  const one = (n: number) => {
    const rack = `R${String(1 + Math.floor((n - 1) / 40)).padStart(2, '0')}`;
    if ((n - 1) % 40 === 0) {
      const row = String.fromCharCode(65 + Math.floor((n - 1) / 320));
      const doc = { site: '', hall: 'H1', row, units: 42, switches: [], ports: {}, notes: '' };
      inventory.transaction(() => records.put('rack', { name: rack, doc }, cause));
    }
    const of = mac(macOf(n));
    const boot = inventory.transaction(() =>
      inventory.boots.sight({
        mac: of,
        client: 'ipxe',
        arch: 'x86-64 UEFI',
        hardwarename: undefined,
      }),
    )?.boot;
    if (!boot) throw new Error('no boot');
    const token = inventory.tokens.mint(boot.id, of, 'boot');
    const serial = `C0MP${n.toString(36).toUpperCase().padStart(4, '0')}`;
    inventory.ingest({
      token,
      body: bytesOf(report({ serial, uuid: uuidOf(n), macs: [macOf(n)] })),
    });
    const name = inventory.machines.byMac(of)?.hardwarename;
    if (!name) throw new Error(`${serial} was not taken in`);
    const place = { rack, row: String.fromCharCode(65 + Math.floor((n - 1) / 320)) };
    inventory.transaction(() =>
      editor.edit(name, { ...place, unit: 1 + ((n - 1) % 40), height: 1 }, cause),
    );
    names.push(name);
  };
  for (let n = from; n < from + count; n++) one(n);
  return names;
}

async function openDns(world: World) {
  const plan = planFrom();
  const { db, clock, inventory } = world;
  const { events, transaction } = inventory;
  const store = openDnsStore({ db, clock, events, transaction, soa: plan.soa });
  const keeper = new Keeper({
    ...{ plan, store, source: openDnsSource(db), shrinkShareMax: 0.2 },
    lastEvent: events.lastId,
    nowSeconds: () => Math.floor(clock() / 1000),
    ...{ onWork: () => undefined, onImage: () => undefined, onServed: () => undefined },
  });
  await keeper.fill(async () => undefined);
  const responder = new Responder(new ImageReader(keeper.buffer), SETTINGS);
  const desk = createDnsDesk({
    ...{ keeper, store, responder, signing: undefined },
  });
  return { keeper, desk };
}

export interface PortalOptions {
  readonly anonymousRead?: boolean;
  readonly uiRoot?: string;
  readonly now?: number;
  /** Of the appliance's configuration, what the world is made by. */
  readonly config?: string;
}

/** What a comparison of the fleet would come to. */
const FLEET_DIFF = {
  differences: [
    {
      ...{ machine: 'C0MPUT3', mac: '52:54:00:00:00:01', what: 'script' },
      ...{ before: 'kernel a', after: 'kernel a quiet' },
    },
  ],
  leases: [],
  zones: [{ zone: 'lab.example.', removed: [], added: ['x.lab.example. 300 IN A 10.77.0.9'] }],
  faults: [],
  ...{ asked: 100, machines: 100 },
  counts: { answers: 1, machines: 1, leases: 0, records: 1 },
};

export async function openPortal({
  anonymousRead = false,
  uiRoot = process.env.UI_ROOT ?? 'build/ui',
  now = Date.now() - 300_000,
  config = '',
}: PortalOptions = {}) {
  const world = createWorld(undefined, config);
  world.time.now = now as Millis;
  const dns = await openDns(world);
  const recorder = createRecorder({
    ...{ db: world.db, inventory: world.inventory, clock: world.clock },
    ...{ live: () => undefined, proxied: new Set<string>(), watch: { set: () => undefined } },
    ...{ localBootOf: () => 'auto', overrideOf: () => 'auto' },
  });
  const app = await createPeopleApp({
    ...world,
    recorder,
    log: pino({ level: 'silent' }),
    site: 'lab',
    uiRoot,
    dns: () => dns.desk,
    images: createStoreWorld({}, world).desk(),
    explain: (of) => stagesOf({ ...world, rehearse: world.inventory.rehearse }, of, world.clock()),
    fleetDiff: async () => FLEET_DIFF,
    configuration: describeConfig(parseConfig(CONFIG), CONFIG),
    settings: { anonymousRead, requestsPerSecond: 1_000_000 },
    readiness: () => ({ database: true }),
    metrics: async () => ({
      contentType: 'text/plain',
      text: `reveille_dhcp_replies_total{type="2"} ${world.inventory.events.lastId()}\n`,
    }),
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const { access } = world.inventory.serverdb;
  return {
    world,
    dns,
    url: `http://127.0.0.1:${port}`,
    close: () => app.close(),
    /** A packing list with something wrong of each kind. */
    deliver(names: readonly Hardwarename[]) {
      const lines = names.slice(40, 60).map((name, index) => ({
        ...{ serial: name as string, product: 'Model-X', rack: 'R02', unit: index + 1 },
      }));
      const also = [
        { serial: 'NEVERCAME1', product: 'Model-X', rack: 'R03', unit: 30 },
        { serial: 'NEVERCAME2', product: 'Model-X', rack: 'R03', unit: 31 },
        { ...lines[3], serial: names[44] as string, product: 'Model-X', rack: 'R02', unit: 9 },
        { serial: names[85] as string, product: 'Model-X', rack: 'R01', unit: 41 },
      ];
      const doc = {
        ...{ supplier: 'Dell', expectedOn: '2026-11-20', notes: '', lines: [...lines, ...also] },
      };
      const cause = { who: 'grace', why: 'packing list', version: undefined };
      world.inventory.transaction(() =>
        world.inventory.serverdb.deliveries.put('PO-4711', doc, cause),
      );
    },
    watchStalls: () =>
      createStallWatch({ ...world.inventory, clock: world.clock, mono: world.clock })(),
    /** What the engine does when the BMC has done as it was told: there is no BMC here. */
    endJob(target: string) {
      const { jobs, inventory } = world;
      const job = jobs.store.unfinishedOf(target as Hardwarename);
      if (!job) throw new Error(`${target} has no job that could end`);
      world.time.now = Math.max(world.time.now, Date.now()) as Millis;
      const entry = { is: 'ended', status: 'finished', code: '', detail: '' } as const;
      inventory.transaction(() => jobs.store.append(job, entry));
    },
    tell: (event: NewEvent) =>
      world.inventory.transaction(() => world.inventory.events.append(event)),
    machine: (address: string) => world.inventory.machines.byMac(mac(address) as Mac),
    async user(name: string, role: Role) {
      const passwordHash = await hashPassword(PASSWORD);
      world.inventory.transaction(() =>
        access.putUser(
          { name, role, squads: {}, disabled: false, passwordHash },
          { who: 'test', version: undefined },
        ),
      );
    },
  };
}
export type Portal = Awaited<ReturnType<typeof openPortal>>;
