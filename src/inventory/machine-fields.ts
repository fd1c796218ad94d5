/**
 * Every field of a machine's record in one table: its column, its type, who may write it, and what it means.
 *
 * Reading a row, filters and sorting, patches, the CSV sheet, the search text and the API's schemas are all made from this table, so a
 * field cannot exist in one of them and be missing in another. Absence is '' or 0, never NULL (schema-serverdb.ts).
 */
import type { Hardwarename } from '../wire/ids.ts';
import type { Mac } from '../wire/mac.ts';
import type { Millis } from '../wire/time.ts';
import type { MachineState } from './states.ts';

export type FieldType = 'text' | 'integer' | 'time' | 'date' | 'flag' | 'list' | 'map';

/**
 * Who may write a field through a patch: `place` is what a technician sees and touches, `use` belongs to the squad that
 * has the machine, `admin` to administrators, `never` follows from reports and transitions.
 */
export type FieldWriter = 'place' | 'use' | 'admin' | 'never';

export interface FieldSpec {
  readonly column: string;
  readonly type: FieldType;
  readonly writer: FieldWriter;
  readonly says: string;
}

const field = <const Type extends FieldType, const Writer extends FieldWriter>(
  column: string,
  [type, writer]: readonly [Type, Writer],
  says: string,
) => ({ column, type, writer, says }) as const;

export const MACHINE_FIELDS = {
  hardwarename: field('hardwarename', ['text', 'never'], 'Its name for life, from the serial.'),
  version: field('version', ['integer', 'never'], 'Counts changes; the ETag.'),
  serial: field('serial', ['text', 'never'], 'As reported or entered.'),
  uuid: field('uuid', ['text', 'never'], 'SMBIOS UUID, when it identifies something.'),
  manufacturer: field('manufacturer', ['text', 'never'], 'From SMBIOS.'),
  product: field('product', ['text', 'never'], 'From SMBIOS.'),
  reported: field('reported', ['flag', 'never'], 'A recon report has come; else it was entered.'),
  state: field('state', ['text', 'never'], 'docs/states.md'),
  stateWhy: field('state_why', ['text', 'never'], 'Why it is in this state.'),
  stateBy: field('state_by', ['text', 'never'], 'Who brought it there.'),
  stateAt: field('state_at', ['time', 'never'], 'Since when.'),
  stateNext: field('state_next', ['text', 'never'], 'What has to happen next, and who does it.'),
  stateDeadlineAt: field('state_deadline', ['time', 'never'], 'Until when; null: it may stay.'),
  overdue: field('overdue', ['flag', 'never'], 'The deadline has passed: it is stuck.'),
  conflictWith: field('conflict_with', ['text', 'never'], 'The other machine of a conflict.'),
  bootMac: field('boot_mac', ['text', 'never'], 'The NIC that it reported from.'),
  hostname: field('hostname', ['text', 'use'], 'What it is called while it has a role.'),
  role: field('role', ['text', 'use'], 'What it does.'),
  squad: field('squad', ['text', 'use'], 'The team that has it; empty: capacity.'),
  owner: field('owner', ['text', 'use'], 'The person to ask.'),
  tags: field('tags', ['list', 'use'], 'Words to find it by.'),
  notes: field('notes', ['text', 'place'], 'Anything.'),
  custom: field('custom', ['map', 'use'], 'Fields of a site’s own.'),
  protected: field('protected', ['flag', 'admin'], 'No change of state until this is lifted.'),
  mayHoldData: field(
    'may_hold_data',
    ['flag', 'never'],
    'Somebody’s data may be on its disks; only a proven recycle lifts this.',
  ),
  site: field('site', ['text', 'place'], 'Datacenter.'),
  hall: field('hall', ['text', 'place'], 'Hall or room.'),
  row: field('row', ['text', 'place'], 'Row of racks.'),
  rack: field('rack', ['text', 'place'], 'Rack.'),
  unit: field('unit', ['integer', 'place'], 'Lowest unit that it fills, from 1; 0: not known.'),
  height: field('height', ['integer', 'place'], 'Units that it fills.'),
  locatedBy: field('located_by', ['text', 'never'], '`person`, or `lldp` when inferred.'),
  hardwareType: field('hardware_type', ['text', 'never'], 'Assigned by rules from the report.'),
  typeMismatch: field('type_mismatch', ['text', 'never'], 'What differs from the type.'),
  purchasedAt: field('purchased_at', ['date', 'place'], 'Day of purchase.'),
  warrantyUntil: field('warranty_until', ['date', 'place'], 'Last day of warranty.'),
  supplier: field('supplier', ['text', 'place'], 'Who sold it.'),
  orderNumber: field('order_number', ['text', 'place'], 'The order that it came with.'),
  ipv6: field('ipv6', ['list', 'place'], 'Static IPv6 addresses, beside those of its NICs.'),
  bmcAddress: field('bmc_address', ['text', 'place'], 'Address of its BMC.'),
  bmcMac: field('bmc_mac', ['text', 'place'], 'MAC of its BMC.'),
  bmcVendor: field('bmc_vendor', ['text', 'place'], 'Vendor of its BMC.'),
  bmcFirmware: field('bmc_firmware', ['text', 'never'], 'From the report.'),
  bmcCredential: field('bmc_credential', ['text', 'admin'], 'Name of a stored credential.'),
  cpuModel: field('cpu_model', ['text', 'never'], 'Of the first processor.'),
  cpuCount: field('cpu_count', ['integer', 'never'], 'Processors.'),
  coreCount: field('core_count', ['integer', 'never'], 'Cores of all processors.'),
  threadCount: field('thread_count', ['integer', 'never'], 'Threads of all processors.'),
  memoryBytes: field('memory_bytes', ['integer', 'never'], 'Memory.'),
  diskCount: field('disk_count', ['integer', 'never'], 'Disks.'),
  diskBytes: field('disk_bytes', ['integer', 'never'], 'Sum of all disks.'),
  nicCount: field('nic_count', ['integer', 'never'], 'Network interfaces.'),
  gpuCount: field('gpu_count', ['integer', 'never'], 'Graphics processors.'),
  biosVersion: field('bios_version', ['text', 'never'], 'Of the system firmware.'),
  createdAt: field('created_at', ['time', 'never'], 'When the record was made.'),
  updatedAt: field('updated_at', ['time', 'never'], 'When it last changed.'),
} as const satisfies Record<string, FieldSpec>;

export type FieldName = keyof typeof MACHINE_FIELDS;
type TypeOf<Name extends FieldName> = (typeof MACHINE_FIELDS)[Name]['type'];

/** What a field holds outside the database. A time is `null` when there is none. */
type ValueOf<Type extends FieldType> = {
  text: string;
  integer: number;
  time: Millis | null;
  date: string;
  flag: boolean;
  list: readonly string[];
  map: Readonly<Record<string, string>>;
}[Type];

type Values = { readonly [Name in FieldName]: ValueOf<TypeOf<Name>> };

export interface MachineRecord
  extends Omit<
    Values,
    'hardwarename' | 'state' | 'bootMac' | 'stateAt' | 'createdAt' | 'updatedAt'
  > {
  readonly hardwarename: Hardwarename;
  readonly state: MachineState;
  readonly bootMac: Mac;
  readonly stateAt: Millis;
  readonly createdAt: Millis;
  readonly updatedAt: Millis;
}

export type WritableName = {
  [Name in FieldName]: (typeof MACHINE_FIELDS)[Name]['writer'] extends 'never' ? never : Name;
}[FieldName];
/** A patch: any of the fields that people write. */
export type MachineChanges = { readonly [Name in WritableName]?: Values[Name] | undefined };

export const FIELD_NAMES = Object.keys(MACHINE_FIELDS) as FieldName[];
export const WRITABLE_NAMES = FIELD_NAMES.filter(
  (name): name is WritableName => MACHINE_FIELDS[name].writer !== 'never',
);
/** Qualified, because `row` and the tables that lists join have names of their own. */
export const FIELD_COLUMNS = FIELD_NAMES.map(
  (name) => `machines."${MACHINE_FIELDS[name].column}"`,
).join(', ');

export type SqlValue = string | number;

/** A field's value as its column holds it. */
export function toColumn(name: FieldName, value: unknown): SqlValue {
  const { type } = MACHINE_FIELDS[name];
  switch (type) {
    case 'flag':
      return value ? 1 : 0;
    case 'time':
      return (value as number | null) ?? 0;
    case 'list':
    case 'map':
      return JSON.stringify(value);
    case 'integer':
    case 'text':
    case 'date':
      return value as SqlValue;
  }
}

/** A row, by column, as a record. */
export function recordFromRow(row: Readonly<Record<string, SqlValue | null>>): MachineRecord {
  const record: Record<string, unknown> = {};
  for (const name of FIELD_NAMES) {
    const { column, type } = MACHINE_FIELDS[name];
    record[name] = fromColumn(type, row[column] ?? '');
  }
  return record as unknown as MachineRecord;
}

function fromColumn(type: FieldType, value: SqlValue): unknown {
  switch (type) {
    case 'flag':
      return value === 1;
    case 'time':
      return value === 0 ? null : value;
    case 'list':
      return value === '[]' ? [] : JSON.parse(String(value));
    case 'map':
      return value === '{}' ? {} : JSON.parse(String(value));
    case 'integer':
    case 'text':
    case 'date':
      return value;
  }
}
