/**
 * What is in a machine, as its last report tells it: disks, memory modules, processors, PCI devices, network adapters. Lists
 * filter on it, as in "every machine with a disk of this firmware".
 *
 * Reports are kept as they came, so each is read for the question: a list that asks for parts looks at few machines in a
 * step (`listScanReportsMax`). What can be filtered cheaply beside it (a rack, a state) goes first.
 */

interface PartSpec {
  /** The list in the report, as a JSON path of SQLite's. */
  readonly list: string;
  readonly key: string;
  readonly says: string;
  /** What else must hold of a part of this kind. */
  readonly only?: string;
}

const part = (list: string, key: string, says: string, only?: string): PartSpec => ({
  ...{ list, key, says },
  ...(only === undefined ? {} : { only }),
});

const GPUS = `part.value ->> 'gpu' = 1`;

/** Those of one prefix hold together of one part. */
export const PART_FIELDS = {
  'disk.model': part('$.disks', 'model', 'Model of a disk.'),
  'disk.serial': part('$.disks', 'serial', 'Serial of a disk.'),
  'disk.firmware': part('$.disks', 'firmware', 'Firmware of a disk.'),
  'disk.interface': part('$.disks', 'interface', 'nvme, sata, sas, ...'),
  'memory.part': part('$.memory.modules', 'part', 'Part number of a memory module.'),
  'memory.serial': part('$.memory.modules', 'serial', 'Serial of a memory module.'),
  'memory.manufacturer': part('$.memory.modules', 'manufacturer', 'Who made a memory module.'),
  'cpu.model': part('$.cpus', 'model', 'Model of a processor.'),
  'pci.name': part('$.pci', 'name', 'Name of a PCI device.'),
  'pci.vendor': part('$.pci', 'vendor', 'Vendor of a PCI device, as in 0x1af4.'),
  'pci.device': part('$.pci', 'device', 'Its device number, as in 0x1000.'),
  'gpu.name': part('$.pci', 'name', 'Name of a graphics processor.', GPUS),
  'adapter.driver': part('$.nics', 'driver', 'Driver of a network adapter.'),
  'adapter.firmware': part('$.nics', 'firmware', 'Firmware of a network adapter.'),
} as const satisfies Record<string, PartSpec>;
export type PartField = keyof typeof PART_FIELDS;

export const PART_NAMES = Object.keys(PART_FIELDS) as PartField[];

export const isPartField = (field: string): field is PartField => Object.hasOwn(PART_FIELDS, field);

export const partColumn = (field: PartField): string =>
  `(part.value ->> '${PART_FIELDS[field].key}')`;

/** What filters together must hold of one part of a machine: their prefix. */
export const kindOf = (field: PartField): string => field.slice(0, field.indexOf('.'));

/** @param conditions on `part.value`, of parts of the kind of `field` */
export function hasPart(field: PartField, conditions: readonly string[]): string {
  const { list, only }: PartSpec = PART_FIELDS[field];
  const all = [...(only === undefined ? [] : [only]), ...conditions].join(' AND ');
  return `EXISTS (SELECT 1 FROM machine_hardware AS report, json_each(report.hardware, '${list}') AS part
    WHERE report.machine = machines.id AND ${all})`;
}
