/**
 * Which machine is this? The written rule for serial numbers that are rarely clean. Pure; docs/identity.md has it as a
 * table for people, and each row of the table is a test.
 *
 * 1. The serial of a machine is its SMBIOS system serial, else its board serial, unless that is a placeholder.
 * 2. A known serial that shares a MAC with its record is that machine. NICs that are new or gone are recorded changes.
 * 3. A known serial without a shared MAC is that machine only when its UUID and a board or disk serial agree too: then
 *    its NICs were replaced. Otherwise it is a conflict: a second record, both name each other, both are held (a record
 *    that is more than `available` keeps its state: a machine in use is never disturbed by a stranger's report).
 * 4. An unknown serial is a new machine; NICs that had belonged to another one move. But when every MAC belongs to one
 *    machine and the UUID agrees, that machine's serial has changed: held, a person decides.
 * 5. A machine that a person entered and that has never reported is found by its serial alone when it was entered
 *    without a MAC, and by any of its MACs when it was entered without a serial.
 * 6. Without a usable serial a machine is named by its boot MAC and held with the reason. It is recognised again by
 *    its MACs, and never merged into another machine.
 * 7. A machine that keeps its parts (states.ts) is recognised only by a boot from a NIC of its own, under its own serial:
 *    what a report merely lists is no proof, because anybody can list it. Whoever claims a part of such a machine is
 *    recorded beside it (claims.ts), and found again by what it claimed.
 * 8. Whoever comes for the first time with parts of a machine on record is held beside it (part-swap.ts): a new mainboard in
 *    an old machine is a stranger to the rules above.
 */
import type { Hardwarename } from '../wire/ids.ts';
import { type Mac, macDigits } from '../wire/mac.ts';
import { macsOf, type ReconReport } from './report.ts';

/** Serials that vendors ship instead of one, folded by `serialKey`. */
const PLACEHOLDER_SERIALS = new Set(
  [
    '0123456789|0123456789ABCDEF|012345678|1234567|12345678|123456789|1234567890|9876543210|ASSET TAG',
    'BASE BOARD SERIAL NUMBER|CHASSIS ASSET TAG|CHASSIS SERIAL NUMBER|DEFAULT|DEFAULT STRING|DEFAULT_STRING|EMPTY',
    'FILLED BY OEM|INVALID|N/A|NA|NO ASSET INFORMATION|NO ASSET TAG|NONE|NOT APPLICABLE|NOT AVAILABLE|NOT SPECIFIED',
    'NULL|O.E.M.|OEM|SERIAL|SERIAL NUMBER|SKU|STANDARD|SYSTEM MANUFACTURER|SYSTEM PRODUCT NAME|SYSTEM SERIAL NUMBER',
    'SYSTEM UUID|SYSTEM VERSION|TO BE FILLED BY O.E.M|TO BE FILLED BY O.E.M.|TO BE FILLED BY OEM|UNKNOWN',
    'TYPE2 - BOARD SERIAL NUMBER',
  ].flatMap((line) => line.split('|')),
);

/** UUIDs that many boards share: AMI's default and its byte-swapped twin, counting patterns, a Dell without a tag. */
const PLACEHOLDER_UUIDS: readonly RegExp[] = [
  /^(.)\1{7}-\1{4}-\1{4}-\1{4}-\1{12}$/,
  /^03000200-0400-0500-0006-000700080009$/,
  /^00020003-0004-0005-0006-000700080009$/,
  /^03d40274-0435-05..-..06-..0700080009$/,
  /^12345678-1234-5678-90ab-cddeefaabbcc$/,
  /^00010203-0405-0607-0809-0a0b0c0d0e0f$/,
  /^(?:fefefefe|deadbeef)-/,
  /^11111111-2222-3333-4444-555555555555$/,
  /^4c4c4544-0000-2010-8020-80c04f202020$/,
];

const HARDWARENAME_CHARS_MAX = 63;

/** Folds a serial for comparison: trimmed, spaces joined, upper case. */
export function serialKey(serial: string): string {
  return serial.trim().replace(/\s+/g, ' ').toUpperCase();
}

/** False for blanks, placeholders, one character repeated, and anything shorter than three characters. */
export function isUsableSerial(serial: string | undefined): serial is string {
  const key = serialKey(serial ?? '');
  const significant = key.replace(/[^A-Z0-9]/g, '');
  return (
    significant.length >= 3 &&
    !/^(.)\1*$/.test(significant) &&
    !PLACEHOLDER_SERIALS.has(key) &&
    !/-0123456789$/.test(key)
  );
}

export function usableUuid(uuid: string | undefined): string | undefined {
  const folded = (uuid ?? '').trim().toLowerCase();
  const wellFormed = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(folded);
  return wellFormed && !PLACEHOLDER_UUIDS.some((pattern) => pattern.test(folded))
    ? folded
    : undefined;
}

/** The serial that names this machine, or `undefined` when it has none that can. */
export function serialOf(report: ReconReport): string | undefined {
  return [report.dmi.serial, report.dmi.board?.serial].find(isUsableSerial)?.trim();
}

/** A serial as a name that is safe in DNS labels, URLs and file names. */
export function hardwarenameOf(serial: string): Hardwarename {
  const safe = serialKey(serial)
    .replace(/[^A-Z0-9._-]+/g, '-')
    .replace(/^[.-]+|[.-]+$/g, '');
  return safe.slice(0, HARDWARENAME_CHARS_MAX) as Hardwarename;
}

/** What the rules need to know about a machine on record. */
export interface KnownMachine {
  readonly hardwarename: Hardwarename;
  readonly serialKey: string | undefined;
  /** '' when it has none that identifies something. */
  readonly uuid: string;
  /** False: a person entered it, and it has never reported. */
  readonly reported: boolean;
  readonly macs: readonly Mac[];
  /** It is past the intake, or protected: no report takes a part of it. */
  readonly keeps: boolean;
  /** What a record in conflict has reported as its own, whoever has it. */
  readonly claimed: readonly Mac[];
  readonly hardware: ReconReport;
}

export interface KnownMachines {
  /** Every record with this serial; a settled datacenter has one. */
  bySerialKey(key: string): readonly KnownMachine[];
  byMac(mac: Mac): KnownMachine | undefined;
  byName(hardwarename: Hardwarename): KnownMachine | undefined;
}

export type Verdict =
  | { readonly kind: 'new'; readonly hardwarename: Hardwarename; readonly held: string | undefined }
  | { readonly kind: 'known'; readonly machine: KnownMachine; readonly held: string | undefined }
  | {
      readonly kind: 'conflict';
      readonly hardwarename: Hardwarename;
      readonly other: KnownMachine;
      readonly why: string;
    };

/** @param booted the NIC that this boot came from, which its token proves; the report only says what it says */
export function identify(report: ReconReport, known: KnownMachines, booted: Mac): Verdict {
  const macs = macsOf(report);
  const owners = distinct(macs.map((mac) => known.byMac(mac)));
  const serial = serialOf(report);
  const asked: Asked = { report, macs, booted, owners, known };
  return serial === undefined ? identifyWithoutSerial(asked) : identifyBySerial(asked, serial);
}

interface Asked {
  readonly report: ReconReport;
  readonly macs: readonly Mac[];
  readonly booted: Mac;
  readonly owners: readonly KnownMachine[];
  readonly known: KnownMachines;
}

function distinct(machines: readonly (KnownMachine | undefined)[]): KnownMachine[] {
  const byName = new Map<Hardwarename, KnownMachine>();
  for (const machine of machines) if (machine) byName.set(machine.hardwarename, machine);
  return [...byName.values()];
}

/** May a report speak for this machine at all? For one that keeps its parts, only from a NIC of its own. */
function maySpeakFor({ keeps, macs }: KnownMachine, { booted }: Asked): boolean {
  return !keeps || macs.includes(booted);
}

function identifyWithoutSerial(asked: Asked): Verdict {
  const { report, macs, known } = asked;
  const shown = report.dmi.serial ? `'${report.dmi.serial}'` : 'blank';
  const why = `no usable serial: the system serial is ${shown} and the board has none either`;
  const isAll = ({ macs: own }: KnownMachine) => macs.every((mac) => own.includes(mac));
  const owners = asked.owners.filter(
    (owner) => maySpeakFor(owner, asked) && (!owner.keeps || isAll(owner)),
  );
  const owner = owners[0];
  if (owner && owners.length === 1) {
    // Its own earlier record, or a machine whose board was reset. Either way this MAC's machine, and a person looks.
    const lost = owner.serialKey !== undefined && !isOwnNameByMac(owner);
    return {
      kind: 'known',
      machine: owner,
      held: lost ? `its serial ${owner.serialKey} is gone: ${why}` : why,
    };
  }
  const name = nameByMac(report.bootMac);
  const before = known.byName(name);
  if (before?.serialKey === undefined && before?.claimed.some((mac) => macs.includes(mac)))
    return { kind: 'known', machine: before, held: why };
  return { kind: 'new', hardwarename: unused(name, known), held: why };
}

function identifyBySerial(asked: Asked, serial: string): Verdict {
  const { report, macs, known } = asked;
  const key = serialKey(serial);
  const same = known.bySerialKey(key);
  const sharing = same.find(
    (machine) =>
      maySpeakFor(machine, asked) &&
      [...machine.macs, ...machine.claimed].some((mac) => macs.includes(mac)),
  );
  if (sharing) return { kind: 'known', machine: sharing, held: undefined };

  const other = same[0];
  if (other) {
    const awaited = same.find((machine) => !machine.reported && machine.macs.length === 0);
    if (awaited) return { kind: 'known', machine: awaited, held: undefined };
    const replaced = same.find((machine) => !machine.keeps && hasNewNics(machine, report));
    if (replaced) return { kind: 'known', machine: replaced, held: undefined };
    return {
      kind: 'conflict',
      hardwarename: unused(
        `${hardwarenameOf(serial).slice(0, 50)}.${macDigits(report.bootMac)}` as Hardwarename,
        known,
      ),
      other,
      why: `serial ${key} is reported by machines with different NICs`,
    };
  }
  return changedSerial(asked, key) ?? newBySerial(asked, serial);
}

/** The machine that has all these NICs, under a serial that nobody had. */
function changedSerial(asked: Asked, key: string): Verdict | undefined {
  const { report, macs, owners } = asked;
  const [machine] = owners;
  if (!machine || owners.length > 1 || !maySpeakFor(machine, asked)) return undefined;
  const nameless = machine.serialKey === undefined;
  if (nameless && !machine.reported) return { kind: 'known', machine, held: undefined };
  if (!macs.every((mac) => machine.macs.includes(mac))) return undefined;
  if (nameless)
    return { kind: 'known', machine, held: `it now has the serial ${key}: a person confirms it` };
  const uuid = usableUuid(report.dmi.uuid);
  if (machine.keeps || uuid === undefined || uuid !== machine.uuid) return undefined;
  return {
    kind: 'known',
    machine,
    held: `its serial changed from ${machine.serialKey} to ${key}`,
  };
}

function newBySerial({ report, known }: Asked, serial: string): Verdict {
  const hardwarename = hardwarenameOf(serial);
  if (!known.byName(hardwarename)) return { kind: 'new', hardwarename, held: undefined };
  return {
    kind: 'new',
    hardwarename: unused(nameByMac(report.bootMac), known),
    held: `the name ${hardwarename} is taken by another serial`,
  };
}

/** Serial and UUID agree, and so does something that is not a NIC: the NICs were replaced. */
function hasNewNics(machine: KnownMachine, report: ReconReport): boolean {
  const uuid = usableUuid(report.dmi.uuid);
  if (uuid === undefined || uuid !== machine.uuid) return false;
  const board = report.dmi.board?.serial;
  if (isUsableSerial(board) && board === machine.hardware.dmi.board?.serial) return true;
  const ids = new Set(
    machine.hardware.disks.map((disk) => disk.wwn || disk.serial).filter(isUsableSerial),
  );
  return report.disks.some((disk) => ids.has((disk.wwn || disk.serial) ?? ''));
}

/** The name, or the name with a number behind it when some other record has it: a report is never lost over a name. */
function unused(name: Hardwarename, known: KnownMachines): Hardwarename {
  for (let number = 2; ; number++) {
    const candidate = (number === 2 ? name : `${name}-${number - 1}`) as Hardwarename;
    if (!known.byName(candidate)) return candidate;
  }
}

/** The name of a machine that no serial names, after one of its NICs. */
export function nameByMac(mac: Mac): Hardwarename {
  return `MAC-${macDigits(mac).toUpperCase()}` as Hardwarename;
}

function isOwnNameByMac(machine: KnownMachine): boolean {
  return machine.macs.some((mac) => nameByMac(mac) === machine.hardwarename);
}
