/**
 * Two appliances of one site under load, with central as their witness: the active one is killed, cut off and frozen, the line
 * between the two is cut in both directions and in each, central goes away, and the place is handed back. How long until clients
 * are served, and what failed meanwhile, is counted; afterwards what the wire has carried is judged: no address with two machines.
 *
 * A virtual machine that is known keeps its reserved address at the other appliance; one that is being ingested when the
 * active one dies is ingested by the other one. `CENTRAL=postgres` puts central on PostgreSQL.
 */

import type { Needed } from '../../bench/support/programs.ts';
import { formatIpv4 } from '../../src/wire/ipv4.ts';
import { checkAddresses } from '../address-check.ts';
import type { AloneRun, Scenario } from '../scenario.ts';
import { type Bed, bootsOf, machineOf, makeBed, registered } from '../standby-bed.ts';
import {
  centralAway,
  comesBack,
  cutLine,
  cutOff,
  freeze,
  handBack,
  judge,
  killActive,
  steady,
} from '../standby-steps.ts';
import { SEGMENT } from '../standby-world.ts';
import type { Vm } from '../vm.ts';

const INGESTED_MS = 300_000;
const RESERVED = '10.77.0.50';
const isOnPostgres = () => process.env.CENTRAL === 'postgres';
const TOOLS: readonly Needed[] = [
  'curl',
  ...(isOnPostgres() ? (['initdb', 'postgres'] as const) : []),
];

export const standby: Scenario = {
  name: 'standby',
  about:
    'two appliances and a witness under load: killed, cut, frozen, handed back; captures are judged',
  byCommand: true,
  tools: TOOLS,
  async alone(run) {
    const rack = {
      machines: [
        { name: 'known', serial: 'SN-8001' },
        { name: 'late', serial: 'SN-8002', netboot: 'chain' as const },
      ],
    };
    const bed = await makeBed(run, { rack, postgres: isOnPostgres() });
    const [known, late] = bed.vms;
    if (!known || !late) throw new Error('the rack is empty');
    const { a, b } = bed.world;
    await ingestKnown(bed, known);
    await steady(bed);
    const lateAt = await beginsToBoot(bed, late);
    await killActive(bed, { active: a, other: b });
    await ingestedElsewhere(bed, late, lateAt);
    await bootElsewhere(bed, known);
    await comesBack(bed, { active: b, other: a });
    await handBack(bed, { from: b, to: a });
    for (const which of ['both', 'up', 'down'] as const) await cutLine(bed, which);
    await centralAway(bed);
    await cutOff(bed, { active: a, other: b });
    await freeze(bed, { active: b, other: a });
    await judge(bed);
    note(run, bed.vms);
  },
};

export const standbyKilled: Scenario = {
  name: 'standby-killed',
  byCommand: true,
  about:
    'the active one of two appliances is killed under load: the other one serves, no address twice',
  tools: TOOLS,
  async alone(run) {
    const bed = await makeBed(run, { postgres: isOnPostgres() });
    const { a, b } = bed.world;
    await steady(bed);
    await killActive(bed, { active: a, other: b });
    await comesBack(bed, { active: b, other: a });
    await judge(bed);
  },
};

/** Reserved in the inventory, as a person does it; and off again. */
async function ingestKnown(bed: Bed, vm: Vm): Promise<void> {
  const { run, world } = bed;
  vm.start('button');
  const machine = await registered(bed, vm, { at: world.a, since: 0, withinMs: INGESTED_MS });
  await vm.stop();
  await world.a.reveille(
    'subnets',
    'put',
    SEGMENT.name,
    `cidr=${SEGMENT.cidr}`,
    'use=provisioning',
  );
  const mac = vm.machine.nics[0]?.mac ?? '';
  await world.a.reveille('machines', 'address', machine.hardwarename, mac, SEGMENT.name, RESERVED);
  run.say(`${vm.machine.name} is ${machine.hardwarename}, and ${RESERVED} is kept for it`);
}

/** As far as its script; the kernel it fetches next. @returns when it was switched on */
async function beginsToBoot({ run, world }: Bed, vm: Vm): Promise<number> {
  const since = Date.now();
  vm.start('button');
  const what = `${vm.machine.name} to have its script`;
  await run.until({ what, withinMs: INGESTED_MS }, async () => {
    const steps = (await bootsOf(vm, world.a, since)).flatMap((boot) => boot.steps);
    return steps.some(({ name, state }) => name === 'script' && state === 'done') || undefined;
  });
  return since;
}

async function ingestedElsewhere(bed: Bed, vm: Vm, since: number): Promise<void> {
  const { run, world } = bed;
  const machine = await registered(bed, vm, { at: world.b, since, withinMs: INGESTED_MS });
  run.times['kill.ingested'] = (Date.now() - since) / 1000;
  run.say(`${vm.machine.name} is ${machine.hardwarename}: b has ingested it`);
  await vm.stop();
}

/** By the appliance that has never seen it. */
async function bootElsewhere(bed: Bed, vm: Vm): Promise<void> {
  const { run, world } = bed;
  const since = Date.now();
  const before = await machineOf(vm, world.b);
  vm.start('button');
  const machine = await registered(bed, vm, { at: world.b, since, withinMs: INGESTED_MS });
  run.times['known.booted'] = (Date.now() - since) / 1000;
  run.check(
    machine.hardwarename === before?.hardwarename,
    'the machine that was known is another one now',
  );
  const { acknowledged } = await checkAddresses(world.capture);
  const mac = vm.machine.nics[0]?.mac;
  const given = new Set(
    acknowledged
      .filter((one) => one.mac === mac && one.at > since)
      .map(({ address, server }) => `${formatIpv4(address)} by ${formatIpv4(server)}`),
  );
  run.check(
    [...given].join() === `${RESERVED} by ${world.b.address}`,
    `the machine that is known got ${[...given]}, not ${RESERVED} by b`,
  );
  await vm.stop();
  run.say(`${vm.machine.name} booted at b, with the address that is kept for it`);
}

function note({ machines }: AloneRun, vms: readonly Vm[]): void {
  for (const { machine } of vms)
    machines.push({
      ...{ name: machine.name, firmware: machine.firmware, netboot: machine.netboot },
      ...{ hardwarename: machine.serial, state: 'available', mac: machine.nics[0]?.mac ?? '' },
      seconds: {},
    });
}
