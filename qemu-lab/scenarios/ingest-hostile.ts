import { machineOf, type Scenario } from '../scenario.ts';
import { everyoneRegisters } from './ingest.ts';

export const ingestHostile: Scenario = {
  name: 'ingest-hostile',
  about: 'a placeholder serial, one serial twice, and a machine that boots from its second NIC',
  rack: {
    machines: [
      { name: 'no-serial', serial: 'To Be Filled By O.E.M.', disks: [] },
      { name: 'twin-a', serial: 'SN-TWIN', disks: [] },
      { name: 'twin-b', serial: 'SN-TWIN', disks: [] },
      {
        name: 'second-nic',
        serial: 'SN-2004',
        nics: [{ model: 'e1000' }, { model: 'virtio-net-pci', boot: true }],
        disks: [],
      },
    ],
  },
  async run(run) {
    const { lab, client, check } = run;
    for (const vm of lab.vms) lab.powerOn(vm);
    await everyoneRegisters(run);
    const machines = await client.machines();
    const record = (name: string) => {
      const vm = lab.vms.find(({ machine }) => machine.name === name);
      const found = vm && machineOf(vm, machines);
      if (!vm || !found) throw new Error(`${name} has no record`);
      return { vm, ...found };
    };
    check(machines.length === 4, `${machines.length} records for 4 machines`);

    const nameless = record('no-serial');
    check(nameless.state === 'held', `no-serial is ${nameless.state}, not held`);
    check(
      /no usable serial.*To Be Filled By O\.E\.M\./.test(nameless.stateWhy),
      `no-serial: ${nameless.stateWhy}`,
    );

    const [a, b] = [record('twin-a'), record('twin-b')];
    check(a.hardwarename !== b.hardwarename, 'the twins were merged into one record');
    check(
      a.state === 'held' && b.state === 'held',
      `the twins are ${a.state} and ${b.state}, not both held`,
    );
    check(
      a.conflictWith === b.hardwarename && b.conflictWith === a.hardwarename,
      'the twins do not name each other',
    );
    const conflicts = (await client.events()).filter(({ name }) => name === 'machine.conflict');
    check(conflicts.length === 2, `${conflicts.length} conflict events, not one on each twin`);

    const second = record('second-nic');
    const bootNic = second.vm.machine.nics.find(({ boot }) => boot)?.mac;
    check(second.state === 'available', `second-nic is ${second.state}: ${second.stateWhy}`);
    check(second.nics.length === 2, `second-nic has ${second.nics.length} NICs on record, not 2`);
    check(second.bootMac === bootNic, `second-nic: boot MAC ${second.bootMac}, not ${bootNic}`);
  },
};
