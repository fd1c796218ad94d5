import type { Machine } from '../../src/inventory/machines.ts';
import type { LabVm } from '../lab.ts';
import { chainsOverTftp } from '../rack.ts';
import { bootOf, eventsOf, machineOf, type Scenario, type ScenarioRun } from '../scenario.ts';

/** Measured at 25 to 65 s for four machines at once on two cores under emulation; three times that, and more. */
export const REGISTERED_MS = 300_000;
/** A BMC that is asked in vain, because the computer is busy, is asked again after a minute. */
const BMC_PROVEN_MS = 300_000;

export const ingest: Scenario = {
  name: 'ingest',
  about:
    'four machines, two firmwares, two NIC models, powered on together: all register, once, completely',
  rack: {
    machines: [
      {
        name: 'bios-rom',
        serial: 'SN-1001',
        cpus: 2,
        bmc: true,
        disks: [{ serial: 'DISK-1001', sizeMb: 2048 }],
      },
      {
        name: 'bios-chain',
        netboot: 'chain',
        serial: 'SN-1002',
        nics: [{ model: 'e1000' }],
        disks: [{ serial: 'DISK-1002', interface: 'ahci' }],
      },
      {
        name: 'uefi-a',
        firmware: 'uefi',
        serial: 'SN-1003',
        disks: [{ serial: 'DISK-1003', interface: 'nvme' }],
      },
      { name: 'uefi-b', firmware: 'uefi', serial: 'SN-1004', memoryMb: 768, disks: [] },
    ],
  },
  async run(run) {
    for (const vm of run.lab.vms) run.lab.powerOn(vm);
    await everyoneRegisters(run);
    await checkRecords(run);
  },
};

/**
 * Waits until each machine's record exists and its boot is done; says each one as it comes.
 * @param options `patiently` where so many boot at once that nobody can say how long it takes; `vms` where not all are on
 */
export async function everyoneRegisters(
  run: ScenarioRun,
  { patiently = false, vms = run.lab.vms }: { patiently?: boolean; vms?: readonly LabVm[] } = {},
): Promise<void> {
  const told = new Set<string>();
  const what = 'every machine to be registered';
  const probe = async () => {
    const [machines, boots] = [await run.client.machines(), await run.client.boots()];
    for (const vm of vms) {
      const { name } = vm.machine;
      const record = machineOf(vm, machines);
      if (!record || told.has(name) || bootOf(vm, boots)?.state !== 'done') continue;
      told.add(name);
      run.say(`${name} is ${record.hardwarename}, ${record.state}`);
    }
    return told.size === vms.length ? true : undefined;
  };
  await (patiently ? run.patiently(what, probe) : run.until(what, REGISTERED_MS, probe));
}

/** Waits until each BMC has proven whose it is. */
export async function everyBmcIsProven(
  run: ScenarioRun,
  options: { patiently?: boolean } = {},
): Promise<void> {
  for (const vm of run.lab.vms) await bmcIsProven(run, vm, options);
}

/** What a report says of a BMC is not on the record, and no job can be had, before the BMC itself has been asked. */
export async function bmcIsProven(
  run: ScenarioRun,
  vm: LabVm,
  { patiently = false }: { patiently?: boolean } = {},
): Promise<void> {
  if (!vm.bmc) return;
  const what = `${vm.machine.name}'s BMC to be on its record`;
  const probe = async () => {
    const record = machineOf(vm, await run.client.machines());
    return record?.bmcAddress === vm.bmc?.address() || undefined;
  };
  await (patiently ? run.patiently(what, probe) : run.until(what, BMC_PROVEN_MS, probe));
}

/**
 * What the inventory has of each machine of the rack, and how its boot went.
 * @param options `leasedByUs` is false where another server gives the addresses: then we acknowledge only what UEFI PXE asks
 *   port 4011
 */
export async function checkRecords(
  run: ScenarioRun,
  { leasedByUs }: { leasedByUs: boolean } = { leasedByUs: true },
): Promise<void> {
  const { lab, client, check } = run;
  const [machines, boots, events] = [
    await client.machines(),
    await client.boots(),
    await client.events(),
  ];
  check(
    machines.length === lab.vms.length,
    `${machines.length} records for ${lab.vms.length} machines`,
  );
  for (const vm of lab.vms) {
    const { name, firmware, netboot } = vm.machine;
    const record = machineOf(vm, machines);
    if (!record) {
      check(false, `${name} has no record`);
      continue;
    }
    check(record.serial === vm.machine.serial, `${name}: serial ${record.serial}`);
    check(record.state === 'available', `${name}: state ${record.state}: ${record.stateWhy}`);
    checkHardware(run, vm, record);
    const steps = new Map(bootOf(vm, boots)?.steps.map((step) => [step.name, step.state]));
    const chained = chainsOverTftp(vm.machine);
    // By TFTP or by HTTP, where the address of who asks tells whose download it is.
    const loaded = chained || netboot.startsWith('http');
    const acked = leasedByUs || (chained && firmware === 'uefi');
    for (const [step, state] of steps) {
      const skipped = (step === 'tftp' && !loaded) || (step === 'ack' && !acked);
      const expected = skipped ? 'skipped' : 'done';
      check(state === expected, `${name}: step ${step} is ${state}, not ${expected}`);
    }
    const addresses = new Set(
      eventsOf(vm, events).flatMap((event) =>
        event.name === 'dhcp.acked' ? [event.data.address] : [],
      ),
    );
    check(
      addresses.size === (acked ? 1 : 0),
      `${name}: we acknowledged ${addresses.size} addresses to firmware, iPXE and Linux`,
    );
    const registered = eventsOf(vm, events).filter((event) => event.name === 'machine.registered');
    check(registered.length === 1, `${name}: registered ${registered.length} times`);
  }
}

function checkHardware({ check }: ScenarioRun, vm: LabVm, record: Machine): void {
  const { name, nics, disks, memoryMb, cpus } = vm.machine;
  const same = (what: string, found: readonly unknown[], expected: readonly unknown[]) =>
    check(
      JSON.stringify([...found].sort()) === JSON.stringify([...expected].sort()),
      `${name}: ${what} ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`,
    );
  same(
    'MACs',
    record.nics.map(({ mac }) => mac),
    nics.map(({ mac }) => mac),
  );
  same(
    'disk serials',
    record.hardware.disks.map(({ serial }) => serial),
    disks.map(({ serial }) => serial),
  );
  same(
    'disk sizes',
    record.hardware.disks.map(({ sizeBytes }) => sizeBytes),
    disks.map(({ sizeMb }) => sizeMb * 2 ** 20),
  );
  same('memory', [record.hardware.memory.totalBytes], [memoryMb * 2 ** 20]);
  same('processors', [record.hardware.cpus.reduce((sum, cpu) => sum + cpu.threads, 0)], [cpus]);
  const { bmc } = record.hardware;
  same('BMC in-band', [bmc?.inBand ?? false], [vm.machine.bmc !== 'none']);
  if (vm.bmc)
    same("BMC's address and MAC", [bmc?.address, bmc?.mac], [vm.bmc.address(), vm.bmc.mac]);
  const ports = record.hardware.nics.filter(({ link }) => link).map(({ lldp }) => lldp?.switch);
  same(
    'switches heard',
    ports,
    ports.map(() => 'lab-sw1'),
  );
}
