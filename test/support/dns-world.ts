/** A keeper over a real database, with machines that a test moves about. */
import Sqlite from 'better-sqlite3';
import type { DnsPlan } from '../../src/dns/generate.ts';
import { makePlan, type PlanSettings } from '../../src/dns/plan.ts';
import type { DnsSource, NamedMachine } from '../../src/dns/ports.ts';
import { openDnsKeys } from '../../src/inventory/dns-keys.ts';
import { openDnsStore } from '../../src/inventory/dns-store.ts';
import { openInventory } from '../../src/inventory/inventory.ts';
import { createSecretBox } from '../../src/inventory/secrets.ts';
import { Keeper } from '../../src/nameserver/keeper.ts';
import type { Millis } from '../../src/wire/time.ts';

export const SETTINGS: PlanSettings = {
  ...{ domain: 'lon.example', bmcSubdomain: 'bmc', contact: undefined, catalog: undefined },
  nameservers: [
    { name: 'ns1', addresses: ['10.0.0.1'] },
    { name: 'ns2.elsewhere.example.', addresses: [] },
  ],
  networks: ['10.0.0.0/22', '2001:db8::/32'],
  ttl: {
    hostname: 300,
    hardwarename: 300,
    bmc: 3600,
    reverse: 300,
    role: 60,
    infrastructure: 3600,
  },
  aliases: [],
  services: [],
  addresses: ['10.0.0.1'],
};

export function planFrom(settings: Partial<PlanSettings> = {}): DnsPlan {
  const plan = makePlan({ ...SETTINGS, ...settings });
  if (typeof plan === 'string') throw new Error(plan);
  return plan;
}

/** A machine with a hostname, a hardwarename and a BMC at addresses that follow from its number. */
export function machineNumber(n: number, host = `web${n}`, role?: string): NamedMachine {
  const octets = `${1 + (n >> 8)}.${n & 255}`;
  return {
    ...{ hardwarename: `C0MP${String(n).padStart(6, '0')}`, role },
    names: [
      { kind: 'hostname', name: host, addresses: [`10.0.${octets}`] },
      {
        kind: 'hardwarename',
        name: `C0MP${String(n).padStart(6, '0')}`,
        addresses: [`10.0.${octets}`],
      },
    ],
  };
}

export function createDnsWorld(
  options: { file?: string; plan?: DnsPlan; machines?: readonly NamedMachine[] } = {},
) {
  const db = new Sqlite(options.file ?? ':memory:');
  let now = 1_700_000_000_000;
  const clock = () => now as Millis;
  const { events, transaction } = openInventory({ db, clock });
  const plan = options.plan ?? planFrom();
  const machines = new Map((options.machines ?? []).map((m) => [m.hardwarename, m]));
  let changed: string[] = [];
  let version = 0;
  const followers = new Set<() => void>();
  const wake = () => {
    for (const follower of followers) follower();
  };
  const source: DnsSource = {
    machine: (hardwarename) => machines.get(hardwarename),
    page: (after, count) =>
      [...machines.keys()]
        .filter((name) => name > after)
        .sort()
        .slice(0, count)
        .flatMap((name) => machines.get(name) ?? []),
    networks: () => [],
    changedSince: () => {
      const list = changed;
      changed = [];
      return { eventId: version, machines: list, networks: false };
    },
  };
  const store = openDnsStore({ db, clock, events, transaction, soa: plan.soa });
  const secrets = createSecretBox(() => new Uint8Array(32).fill(1));
  const keyStore = openDnsKeys({ db, events, transaction, secrets });
  const served: { zones: number }[] = [];
  const images: number[] = [];
  const keeper: Keeper = new Keeper({
    ...{ plan, store, source, shrinkShareMax: 0.2 },
    lastEvent: () => version,
    nowSeconds: () => Math.floor(now / 1000),
    onWork: () => undefined,
    onImage: () => void images.push(keeper.currentGeneration()),
    onServed: ({ diffs }) => void served.push({ zones: diffs.length }),
  });
  return {
    ...{ db, store, keyStore, source, keeper, plan, machines, served, images, events },
    /** Another keeper over the same machines follows by this. */
    onChange(follower: () => void) {
      followers.add(follower);
      return () => void followers.delete(follower);
    },
    advance: (ms: number) => {
      now += ms;
    },
    fill: () => keeper.fill(async () => undefined),
    set(...list: NamedMachine[]) {
      for (const machine of list) machines.set(machine.hardwarename, machine);
      changed.push(...list.map(({ hardwarename }) => hardwarename));
      version += 1;
      if (followers.size === 0) keeper.follow();
      else wake();
    },
    remove(...names: string[]) {
      for (const name of names) machines.delete(name);
      changed.push(...names);
      version += 1;
      if (followers.size === 0) keeper.follow();
      else wake();
    },
  };
}
