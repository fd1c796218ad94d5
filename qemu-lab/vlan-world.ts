/** What scenario `vlans` stands on: networks on a trunk, the appliance at one end of it, machines on ports of the switch at the other. */
import { join, resolve } from 'node:path';
import type { StoredEvent } from '../src/events.ts';
import { type ApplianceVm, startApplianceVm } from './appliance-vm.ts';
import type { Client } from './client.ts';
import { prepareMachine } from './lab.ts';
import type { RackMachine } from './rack.ts';
import type { AloneRun } from './scenario.ts';
import { spawnLogged } from './spawn-logged.ts';
import type { TrunkWatch } from './trunk-watch.ts';
import { cableOf, openCable, type SwitchPort, type VlanSwitch } from './vlan-switch.ts';
import { Vm } from './vm.ts';

const ROOT = resolve(import.meta.dirname, '..');
/** What the trunk's untagged frames are, inside of the switch. */
const NATIVE = 1;

export interface Network {
  /** On the trunk; 0 for none. */
  readonly tag: number;
  readonly iface: string;
  readonly net: string;
}

export const NETWORKS: readonly Network[] = [
  { tag: 0, iface: 'eth0', net: '10.80.0' },
  { tag: 100, iface: 'eth0.100', net: '10.81.0' },
  { tag: 200, iface: 'eth0.200', net: '10.82.0' },
  // Its interface is not there when the daemon starts.
  { tag: 300, iface: 'eth0.300', net: '10.83.0' },
];
/** On the trunk as well, and nobody's. */
export const UNSERVED = 400;

/** The appliance's: a segment on each network. */
export const VLANS_CONFIG = {
  dhcp: {
    segments: NETWORKS.map(({ tag, iface, net }) => ({
      ...{ name: tag === 0 ? 'native' : `vlan-${tag}`, iface, address: `${net}.1` },
      ...{ cidr: `${net}.0/24`, pool: { first: `${net}.100`, last: `${net}.199` } },
    })),
  },
};

export interface Place {
  readonly vm: Vm;
  readonly port: SwitchPort;
  tag: number;
  /** The last event before it was started: clocks differ, numbers do not. */
  after: number;
}

export interface World {
  readonly run: AloneRun;
  readonly lan: VlanSwitch;
  readonly watch: TrunkWatch;
  readonly appliance: ApplianceVm;
  readonly client: Client;
}

const READY_MS = 400_000;

export function networkOf(tag: number): Network {
  const found = NETWORKS.find((one) => one.tag === tag);
  if (!found) throw new Error(`no network has tag ${tag}`);
  return found;
}

export const inside = (tag: number): number => (tag === 0 ? NATIVE : tag);

export async function startAppliance(run: AloneRun, lan: VlanSwitch, watch: TrunkWatch) {
  const startedAt = Date.now();
  const tags = [...NETWORKS.map(({ tag }) => tag), UNSERVED].filter((tag) => tag !== 0);
  const path = join(run.dir, 'trunk');
  const cable = await openCable(run.scope, path, (frame) => {
    watch.add(frame, true);
    trunk.receive(frame);
  });
  const trunk = lan.port('trunk', { untagged: NATIVE, tagged: tags }, (frame) => {
    watch.add(frame, false);
    cable.deliver(frame);
  });
  const appliance = await startApplianceVm(run.scope, {
    dir: join(run.dir, 'appliance'),
    cable: cableOf(path),
    config: { site: 'vlans', peopleHttp: { anonymousRead: true }, ...VLANS_CONFIG },
    network: [
      'ip address add 10.80.0.1/24 dev eth0',
      'ip link set eth0 up',
      ...NETWORKS.filter(({ tag }) => tag !== 0 && tag !== 300).flatMap(addLines),
    ],
  });
  run.say('the appliance has started');
  const ready = { what: 'the appliance to be ready', withinMs: READY_MS };
  await run.until(ready, () => {
    const obituary = appliance.obituary();
    if (obituary) throw new Error(`the appliance has ended: ${obituary}`);
    return fetch(`${appliance.api}/readyz`, { signal: AbortSignal.timeout(5000) }).then(
      (answer) => answer.ok || undefined,
      () => undefined,
    );
  });
  run.times.ready = (Date.now() - startedAt) / 1000;
  run.say(`the appliance is ready after ${run.times.ready} s`);
  return appliance;
}

export const addLines = ({ tag, iface, net }: Network): string[] => [
  `ip link add link eth0 name ${iface} type vlan id ${tag}`,
  `ip address add ${net}.1/24 dev ${iface}`,
  `ip link set ${iface} up`,
];

export async function plug(
  run: AloneRun,
  lan: VlanSwitch,
  { machine, tag }: { machine: RackMachine; tag: number },
): Promise<Place> {
  const dir = join(run.dir, machine.name);
  prepareMachine(dir, machine);
  const path = join(dir, 'cable');
  const cable = await openCable(run.scope, path, (frame) => port.receive(frame));
  const port = lan.port(machine.name, { untagged: inside(tag) }, cable.deliver);
  const ipxeKernel = join(ROOT, 'build/boot/ipxe.lkrn');
  const vm = new Vm({
    machine,
    place: { dir, taps: [], cables: [cableOf(path)], ipxeKernel },
    spawn: (command) => spawnLogged(command, join(dir, 'qemu.log')),
  });
  run.scope.defer(() => vm.stop());
  return { vm, port, tag, after: 0 };
}

export const macOf = ({ machine }: Vm): string => machine.nics[0]?.mac ?? '';

export async function lastEvent({ client }: World): Promise<number> {
  return (await client.events()).at(-1)?.id ?? 0;
}

export async function acksOf({ client }: World, { vm, after }: Place): Promise<string[]> {
  return (await client.events()).flatMap((event: StoredEvent) =>
    event.name === 'dhcp.acked' && event.mac === macOf(vm) && event.id > after
      ? [event.data.address]
      : [],
  );
}
