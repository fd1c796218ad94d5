/** What a recon report says about a machine, as the columns that lists filter and sort on. Pure. */
import type { FieldName, MachineRecord } from './machine-fields.ts';
import type { ReconReport } from './report.ts';

export type FactName = Extract<
  FieldName,
  | 'cpuModel'
  | 'cpuCount'
  | 'coreCount'
  | 'threadCount'
  | 'memoryBytes'
  | 'diskCount'
  | 'diskBytes'
  | 'nicCount'
  | 'gpuCount'
  | 'biosVersion'
>;

export type Facts = Pick<MachineRecord, FactName>;

export function factsOfReport({ cpus, memory, disks, nics, pci, dmi }: ReconReport): Facts {
  const sum = <Item>(items: readonly Item[], of: (item: Item) => number) =>
    items.reduce((total, item) => total + of(item), 0);
  return {
    cpuModel: cpus[0]?.model ?? '',
    cpuCount: cpus.length,
    coreCount: sum(cpus, ({ cores }) => cores),
    threadCount: sum(cpus, ({ threads }) => threads),
    memoryBytes: memory.totalBytes,
    diskCount: disks.length,
    // A sum beyond 2^53 is a lying disk, and would not fit a JSON number either.
    diskBytes: Math.min(
      sum(disks, ({ sizeBytes }) => sizeBytes),
      Number.MAX_SAFE_INTEGER,
    ),
    nicCount: nics.length,
    gpuCount: pci.filter(({ gpu }) => gpu).length,
    biosVersion: dmi.bios?.version ?? '',
  };
}

/** The stand-in for the report of a machine that was entered and has not reported yet. */
export function emptyReport(known: {
  manufacturer: string;
  product: string;
  serial: string;
}): Omit<ReconReport, 'bootMac'> & { bootMac: ReconReport['bootMac'] } {
  return {
    schema: 1,
    agent: { version: 'none' },
    bootMac: '' as ReconReport['bootMac'],
    dmi: { ...known },
    cpus: [],
    memory: { totalBytes: 0, modules: [] },
    disks: [],
    nics: [],
    pci: [],
  };
}
