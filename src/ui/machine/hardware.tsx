/** What is in the machine, drawn: sockets, memory slots, disks, ports and cards, each with what was read from it. */
import type { ReconReport } from '../../inventory/report.ts';
import { bytes, diskSize } from '../format.ts';
import { Empty, Facts, Panel, Table } from '../parts/common.tsx';
import type { MachineView } from './types.ts';

export function Hardware({ machine }: { machine: MachineView }) {
  const { hardware } = machine;
  if (!machine.reported || !hardware?.cpus)
    return <Empty>It has not reported yet: what is in it shows here after its first boot.</Empty>;
  const { cpus = [], memory, disks = [], nics = [], pci = [], dmi, bmc, agent } = hardware;
  const gpus = pci.filter(({ gpu }) => gpu);
  return (
    <>
      <Panel title="Inside" wide>
        <div class="chassis">
          <Cpus cpus={cpus} />
          {memory && <Memory memory={memory} />}
          <Disks disks={disks} />
          <Ports nics={nics} placed={machine} />
          {gpus.length > 0 && <Cards gpus={gpus} />}
        </div>
      </Panel>
      <Panel title="Firmware and board">
        <Facts
          of={[
            ['System', `${dmi?.manufacturer ?? ''} ${dmi?.product ?? ''}`.trim()],
            ['Version', dmi?.version ?? ''],
            ['Board', `${dmi?.board?.product ?? ''} ${dmi?.board?.serial ?? ''}`.trim()],
            ['Chassis', `${dmi?.chassis?.type ?? ''} ${dmi?.chassis?.serial ?? ''}`.trim()],
            ['Firmware', `${dmi?.bios?.vendor ?? ''} ${dmi?.bios?.version ?? ''}`.trim()],
            ['Boots by', bootsBy(agent)],
            ['BMC', `${bmc?.address ?? ''} ${bmc?.firmware ?? ''}`.trim()],
            ['UUID', machine.uuid],
          ]}
        />
      </Panel>
      <Panel title="Every part">
        <Table label="PCI devices" head={['Slot', 'Device']}>
          {pci.map(({ slot, name, vendor, device }) => (
            <tr key={slot}>
              <td class="mono">{slot}</td>
              <td>{name ?? `${vendor}:${device}`}</td>
            </tr>
          ))}
        </Table>
      </Panel>
    </>
  );
}

function Group({ title, sum, children }: { title: string; sum: string; children: unknown }) {
  return (
    <div class="parts">
      <h3>
        {title} <span class="dim">{sum}</span>
      </h3>
      <ul class="tiles">{children as never}</ul>
    </div>
  );
}

function Cpus({ cpus }: { cpus: ReconReport['cpus'] }) {
  const cores = cpus.reduce((sum, cpu) => sum + cpu.cores, 0);
  return (
    <Group title="Processors" sum={cores === 1 ? '1 core' : `${cores} cores`}>
      {cpus.map((cpu) => (
        <li key={cpu.socket} class="tile cpu">
          <b>{cpu.cores}</b>
          <span>
            {cpu.cores === 1 ? 'core' : 'cores'}, {cpu.threads}{' '}
            {cpu.threads === 1 ? 'thread' : 'threads'}
          </span>
          <small>{cpu.model ?? 'unknown model'}</small>
        </li>
      ))}
    </Group>
  );
}

function Memory({ memory }: { memory: ReconReport['memory'] }) {
  const { modules, totalBytes } = memory;
  return (
    <Group title="Memory" sum={bytes(totalBytes)}>
      {modules.map((module, index) => (
        <li
          key={module.slot ?? index}
          class={module.sizeBytes > 0 ? 'tile dimm' : 'tile dimm none'}
        >
          <b>{module.sizeBytes > 0 ? bytes(module.sizeBytes) : 'empty'}</b>
          <small>
            {module.slot ?? `slot ${index + 1}`}
            {module.sizeBytes > 0 && module.speedMts ? `, ${module.speedMts} MT/s` : ''}
          </small>
        </li>
      ))}
    </Group>
  );
}

function Disks({ disks }: { disks: ReconReport['disks'] }) {
  return (
    <Group title="Disks" sum={diskSize(disks.reduce((sum, disk) => sum + disk.sizeBytes, 0))}>
      {disks.map((disk) => (
        <li
          key={disk.name}
          class={disk.rotational ? 'tile disk spins' : 'tile disk'}
          title={disk.firmware ? `firmware ${disk.firmware}` : undefined}
        >
          <b>{diskSize(disk.sizeBytes)}</b>
          <span>
            {disk.name} {disk.interface ?? ''}
          </span>
          <small>
            {disk.model} <code>{disk.serial}</code>
          </small>
        </li>
      ))}
    </Group>
  );
}

function Ports({ nics, placed }: { nics: ReconReport['nics']; placed: MachineView }) {
  const known = new Map(placed.nics.map((nic) => [nic.mac, nic]));
  return (
    <Group title="Network" sum={`${nics.filter(({ link }) => link).length} with link`}>
      {nics.map((nic) => {
        const record = known.get(nic.permanentMac ?? nic.mac);
        return (
          <li key={nic.mac} class={nic.link ? 'tile nic up' : 'tile nic'}>
            <b>{nic.name}</b>
            <span>{nic.link ? speed(nic.speedMbps) : 'no link'}</span>
            <small>
              <code>{nic.permanentMac ?? nic.mac}</code> {nic.driver}
              {nic.lldp?.switch ? ` on ${nic.lldp.switch} port ${nic.lldp.port ?? '?'}` : ''}
              {record?.address ? ` ${record.address}` : ''}
            </small>
          </li>
        );
      })}
    </Group>
  );
}

function Cards({ gpus }: { gpus: ReconReport['pci'] }) {
  return (
    <Group title="Accelerators" sum={`${gpus.length}`}>
      {gpus.map(({ slot, name }) => (
        <li key={slot} class="tile gpu">
          <b>{name ?? 'GPU'}</b>
          <small>{slot}</small>
        </li>
      ))}
    </Group>
  );
}

function speed(mbps = 0): string {
  if (mbps === 0) return 'link';
  return mbps >= 1000 ? `${mbps / 1000} Gbit/s` : `${mbps} Mbit/s`;
}

function bootsBy(
  agent:
    | { readonly bootMode?: string | undefined; readonly secureBoot?: boolean | undefined }
    | undefined,
): string {
  const { bootMode = '', secureBoot } = agent ?? {};
  return secureBoot === undefined
    ? bootMode
    : `${bootMode}, Secure Boot ${secureBoot ? 'on' : 'off'}`;
}
