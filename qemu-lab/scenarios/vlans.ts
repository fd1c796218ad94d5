/**
 * A trunk: the appliance has one cable with the untagged network and a tag for each VLAN, a segment on each, and a switch sends
 * machines to it from access ports. Both are ours: the appliance is in a virtual machine with Debian's kernel, because the lab's
 * computer may have no VLANs, and the switch is a program (vlan-switch.ts).
 *
 * What crosses the trunk is judged frame by frame: everything belongs to the network of its tag, and each DHCP answer has the tag of its
 * question. A NIC that is in two VLANs has a lease in each; one that moves is refused its old address; a VLAN interface that comes
 * late, or goes and comes again with another number, is served when it is there.
 */
import { join } from 'node:path';
import { MESSAGE, OPTION } from '../../src/dhcp/options.ts';
import type { DhcpPacket } from '../../src/dhcp/packet.ts';
import { formatIpv4, type Ipv4, parseCidr } from '../../src/wire/ipv4.ts';
import type { Mac } from '../../src/wire/mac.ts';
import { createClient } from '../client.ts';
import { saveFixture } from '../fixtures.ts';
import { expandRack } from '../rack.ts';
import { createRawClient, type RawClient } from '../raw-client.ts';
import { type AloneRun, bootOf, machineOf, type Scenario, secondsOf } from '../scenario.ts';
import { watchTrunk } from '../trunk-watch.ts';
import { addVariable, vlanOfNic } from '../uefi-variables.ts';
import { createVlanSwitch } from '../vlan-switch.ts';
import {
  acksOf,
  addLines,
  inside,
  lastEvent,
  macOf,
  NETWORKS,
  type Network,
  networkOf,
  type Place,
  plug,
  startAppliance,
  UNSERVED,
  type World,
} from '../vlan-world.ts';

const REGISTERED_MS = 900_000;
const NOTICED_MS = 60_000;
const LEASED_MS = 60_000;

export const vlans: Scenario = {
  name: 'vlans',
  byCommand: true,
  about:
    'a trunk: the untagged network and VLANs, machines and pools apart; interfaces come and go',
  tools: ['cpio', 'depmod', 'modprobe'],
  async alone(run) {
    const lan = createVlanSwitch();
    const capture = join(run.dir, 'trunk.pcap');
    const networks = NETWORKS.flatMap(({ tag, net }) => {
      const cidr = parseCidr(`${net}.0/24`);
      return cidr ? [[tag, cidr] as const] : [];
    });
    const watch = watchTrunk(new Map(networks), capture);
    run.scope.defer(() => watch.close());
    const appliance = await startAppliance(run, lan, watch);
    const world: World = { run, lan, watch, appliance, client: createClient(appliance.api) };
    await checkClients(world);
    const places = await plugIn(world);
    for (const place of places) {
      place.after = await lastEvent(world);
      place.vm.start('button');
    }
    for (const place of places) await registers(world, place);
    for (const { vm } of places) saveFixture(`vlan-${vm.machine.name}`, capture, macOf(vm));
    await speaksTags(world);
    await comesLate(world);
    await goesAndComes(world, places);
    await moves(world, places);
    judge(world);
  },
};

let nextXid = 0x1a000000;

function clientIn({ lan }: World, name: string, mac: string, vlan: number): RawClient {
  nextXid += 0x1000;
  const plan = { untagged: vlan };
  return createRawClient(lan, { name, mac: mac as Mac, plan, firstXid: nextXid });
}

/** One NIC in each network at once, one that moves, and one in a VLAN that nobody serves. */
async function checkClients(world: World): Promise<void> {
  const { run, watch } = world;
  const mac = '52:54:00:0e:00:01';
  const lost = clientIn(world, 'nobody', '52:54:00:0e:00:04', UNSERVED);
  const unheard = lost.lease(LEASED_MS);
  const served = NETWORKS.filter(({ tag }) => tag !== 300);
  const acks = new Map<number, DhcpPacket | undefined>();
  for (const { tag } of served)
    acks.set(tag, await clientIn(world, `twin-${tag}`, mac, inside(tag)).lease());
  for (const network of served) checkAck(run, network, acks.get(network.tag));
  const moved = clientIn(world, 'moved', mac.replace(/1$/, '2'), 100);
  const first = await moved.lease();
  moved.port.configure({ untagged: 200 });
  const refused = await moved.keep((first?.yiaddr ?? 0) as Ipv4);
  const type = refused?.options.get(OPTION.messageType)?.[0];
  run.check(type === MESSAGE.nak, `who moves to VLAN 200 with an address of 100 hears ${type}`);
  const second = await moved.lease();
  checkAck(run, networkOf(200), second);
  run.say(`moved: ${text(first)}, refused, then ${text(second)}`);
  run.check((await unheard) === undefined, `in VLAN ${UNSERVED} somebody answers`);
  const answers = lost.xids.flatMap((xid) => watch.answersTo(xid));
  run.check(answers.length === 0, `what is asked in VLAN ${UNSERVED} is answered in ${answers}`);
}

const text = (packet: DhcpPacket | undefined): string =>
  packet ? formatIpv4(packet.yiaddr) : 'nothing';

function checkAck(run: AloneRun, { net, iface }: Network, ack: DhcpPacket | undefined): void {
  const type = ack?.options.get(OPTION.messageType)?.[0];
  const address = text(ack);
  run.check(
    type === MESSAGE.ack && address.startsWith(`${net}.1`),
    `${iface}: answered by ${type}, with ${address}`,
  );
}

/** Three machines, each on an access port of its own. */
async function plugIn({ run, lan }: World): Promise<Place[]> {
  const machines = expandRack({
    machines: [
      { name: 'native', serial: 'SN-7001', disks: [] },
      { name: 'bios-rom', serial: 'SN-7002', disks: [] },
      { name: 'uefi-pxe', firmware: 'uefi', serial: 'SN-7003', disks: [] },
    ],
  });
  return Promise.all(
    machines.map(async (machine, index) =>
      plug(run, lan, { machine, tag: [0, 100, 200][index] ?? 0 }),
    ),
  );
}

/** All the way: recon over its VLAN, with addresses of no other. */
async function registers(world: World, place: Place): Promise<void> {
  const { run, client } = world;
  const { vm, tag } = place;
  const { name } = vm.machine;
  const since = vm.poweredOnAt ?? 0;
  const state = async () =>
    (await client.boots()).map(({ mac, state }) => `${mac} ${state}`).join();
  const boot = await run.until(
    { what: `${name} to register by tag ${tag}`, withinMs: REGISTERED_MS, state },
    async () => {
      const found = bootOf(vm, await client.boots());
      const seconds = secondsOf(found, since);
      return seconds.registered === undefined || seconds.registered < 0 ? undefined : found;
    },
  );
  const seconds = secondsOf(boot, since);
  const record = machineOf(vm, await client.machines());
  run.machines.push({
    ...{ name, firmware: vm.machine.firmware, netboot: vm.machine.netboot, seconds },
    ...{ hardwarename: record?.hardwarename, state: record?.state ?? 'unknown', mac: macOf(vm) },
  });
  const key = `${name} in ${tag || 'native'}`;
  run.times[key in run.times ? `${key} again` : key] = seconds.registered ?? 0;
  const { net } = networkOf(tag);
  const given = [...new Set(await acksOf(world, place))];
  const right = given.length > 0 && given.every((address) => address.startsWith(`${net}.1`));
  run.check(right, `${name} was given ${given} in ${net}.0/24`);
  run.say(`${name}: ${record?.hardwarename}, ${given}, ${seconds.registered} s`);
}

async function noticed({ run, client }: World, name: string, iface: string, after: number) {
  const what = `the event ${name} of ${iface}`;
  return run.until({ what, withinMs: NOTICED_MS }, async () =>
    (await client.events()).find(
      (event) =>
        event.id > after &&
        (event.name === 'interface.lost' || event.name === 'interface.served') &&
        event.name === name &&
        event.data.iface === iface,
    ),
  );
}

/**
 * Firmware that has been told its VLAN, on a port of a trunk. It asks and fetches with the tag; Debian's iPXE, which it is handed,
 * has no VLANs and would go on without, so that this ends where the firmware does.
 */
async function speaksTags(world: World): Promise<void> {
  const { run, lan, watch, client } = world;
  const [machine] = expandRack({
    machines: [{ name: 'uefi-tagged', firmware: 'uefi', serial: 'SN-7004', disks: [] }],
  });
  if (!machine) throw new Error('the rack is empty');
  const place = await plug(run, lan, { machine, tag: 100 });
  place.port.configure({ tagged: [100] });
  const mac = macOf(place.vm);
  addVariable(join(run.dir, machine.name, 'vars.fd'), vlanOfNic(mac as Mac, 100));
  place.after = await lastEvent(world);
  place.vm.start('button');
  const what = 'firmware with a VLAN of its own to fetch its file';
  const sent = await run.until({ what, withinMs: REGISTERED_MS }, async () =>
    (await client.events()).find(
      (event) => event.name === 'tftp.sent' && event.mac === mac && event.id > place.after,
    ),
  );
  await place.vm.stop();
  run.times['tagged by firmware'] = (sent.at - (place.vm.poweredOnAt ?? 0)) / 1000;
  const given = await acksOf(world, place);
  run.check(given[0]?.startsWith('10.81.0.1') === true, `${machine.name} was given ${given}`);
  run.check(watch.counts(100).tftp > 0, 'no TFTP with tag 100');
  run.say(`${machine.name}: ${given}, its file with the tag that it put on itself`);
}

async function bootsAgain(world: World, place: Place): Promise<void> {
  place.after = await lastEvent(world);
  await place.vm.reset('command');
  await registers(world, place);
}

/** The segment's interface was not there at the start; the others were served all the same. */
async function comesLate(world: World): Promise<void> {
  const { run, appliance } = world;
  const late = networkOf(300);
  await noticed(world, 'interface.lost', late.iface, 0);
  const after = await lastEvent(world);
  for (const line of addLines(late)) await appliance.shell(line);
  const since = Date.now();
  await noticed(world, 'interface.served', late.iface, after);
  run.times['late.served'] = (Date.now() - since) / 1000;
  checkAck(run, late, await clientIn(world, 'late', '52:54:00:0e:00:03', 300).lease());
}

/** Made anew it has another number: what was bound to the old one hears nothing any more. */
async function goesAndComes(world: World, places: readonly Place[]): Promise<void> {
  const { run, appliance, watch } = world;
  const gone = networkOf(200);
  const place = places.find(({ tag }) => tag === 200);
  let after = await lastEvent(world);
  await appliance.shell(`ip link delete ${gone.iface}`);
  await noticed(world, 'interface.lost', gone.iface, after);
  const waiting = clientIn(world, 'waiting', '52:54:00:0e:00:05', 200);
  const leased = waiting.lease(NOTICED_MS * 2);
  checkAck(run, networkOf(100), await clientIn(world, 'other', '52:54:00:0e:00:06', 100).lease());
  const early = waiting.xids.flatMap((xid) => watch.answersTo(xid));
  run.check(early.length === 0, `without ${gone.iface} VLAN 200 is answered with ${early}`);
  after = await lastEvent(world);
  for (const line of addLines(gone)) await appliance.shell(line);
  const since = Date.now();
  await noticed(world, 'interface.served', gone.iface, after);
  run.times['again.served'] = (Date.now() - since) / 1000;
  checkAck(run, gone, await leased);
  if (!place) return;
  // TFTP, scripts and files as well.
  await bootsAgain(world, place);
}

/** A machine whose port is another VLAN's from now on. */
async function moves(world: World, places: readonly Place[]): Promise<void> {
  const place = places.find(({ tag }) => tag === 100);
  if (!place) return;
  place.tag = 200;
  place.port.configure({ untagged: 200 });
  await bootsAgain(world, place);
}

function judge({ run, watch }: World): void {
  for (const fault of watch.faults) run.check(false, fault);
  for (const { tag, net } of NETWORKS) {
    const counts = watch.counts(tag);
    run.figures[`tag ${tag}`] = { net, ...counts };
    run.check(counts.answers > 0, `no answer with tag ${tag}`);
    run.check(counts.toOne > 0, `no answer to one client alone with tag ${tag}`);
  }
  run.check(watch.counts(200).tftp > 0, 'no TFTP with tag 200');
  run.check(watch.counts(100).http > 0, 'no HTTP with tag 100');
  const { answers } = watch.counts(UNSERVED);
  run.check(answers === 0, `${answers} answers in VLAN ${UNSERVED}`);
}
