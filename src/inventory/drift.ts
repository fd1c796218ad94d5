/**
 * What differs between two reports of one machine, as lines that a person reads in the history. Parts are matched by
 * what identifies them (a MAC, a disk's WWN or serial, a memory slot), so that a renamed device is no change. The firmware of
 * disks and NICs is told apart from the parts themselves, and only where both reports know it: another disk is no new version,
 * and an agent that reads more than the last one has found nothing new.
 */
import type { HardwareChange } from '../events.ts';
import type { ReconReport } from './report.ts';

type Part = readonly [key: string, line: string];

export function hardwareChanges(before: ReconReport, after: ReconReport): HardwareChange[] {
  const kinds: readonly [string, (report: ReconReport) => Part[]][] = [
    [
      'nic',
      (r) =>
        r.nics.map((n) => [
          n.permanentMac ?? n.mac,
          [n.permanentMac ?? n.mac, n.driver, n.pci].filter(Boolean).join(' '),
        ]),
    ],
    [
      'disk',
      (r) =>
        r.disks.map((d) => [
          diskKey(d),
          [d.model, d.serial, gigabytes(d.sizeBytes)].filter(Boolean).join(' '),
        ]),
    ],
    [
      'memory',
      (r) =>
        r.memory.modules.map((m, i) => [
          m.slot || `${i}`,
          [m.slot, gigabytes(m.sizeBytes), m.type, m.serial].filter(Boolean).join(' '),
        ]),
    ],
    [
      'cpu',
      (r) =>
        r.cpus.map((c) => [
          `${c.socket}`,
          `socket ${c.socket}: ${c.model ?? 'unknown'}, ${c.cores} cores, ${c.threads} threads`,
        ]),
    ],
    [
      'gpu',
      (r) =>
        r.pci
          .filter((p) => p.gpu)
          .map((p) => [p.slot, `${p.slot} ${p.name ?? `${p.vendor}:${p.device}`}`]),
    ],
    [
      'bios',
      (r) =>
        r.dmi.bios?.version
          ? [['version', `${r.dmi.bios.vendor ?? ''} ${r.dmi.bios.version}`.trim()]]
          : [],
    ],
    ['bmc', (r) => (r.bmc ? [['bmc', [r.bmc.mac, r.bmc.firmware].filter(Boolean).join(' ')]] : [])],
    // Apart from the BMC itself: a new lease is no new part.
    ['bmc address', (r) => (r.bmc?.address ? [['address', r.bmc.address]] : [])],
    ['serial', (r) => (r.dmi.serial ? [['system', r.dmi.serial]] : [])],
  ];
  const versions: typeof kinds = [
    [
      'disk-firmware',
      (r) =>
        r.disks.flatMap((d): Part[] =>
          d.firmware ? [[diskKey(d), `${d.serial || diskKey(d)} ${d.firmware}`]] : [],
        ),
    ],
    [
      'nic-firmware',
      (r) =>
        r.nics.flatMap((n): Part[] => {
          const key = n.permanentMac ?? n.mac;
          return n.firmware ? [[key, `${key} ${n.firmware}`]] : [];
        }),
    ],
  ];
  return [
    ...kinds.flatMap(([part, list]) => compare(part, list(before), list(after))),
    ...versions
      .flatMap(([part, list]) => compare(part, list(before), list(after)))
      .filter(({ change }) => change === 'changed'),
  ];
}

function diskKey({ wwn, serial, path, name }: ReconReport['disks'][number]): string {
  return wwn || serial || path || name;
}

function compare(part: string, before: Part[], after: Part[]): HardwareChange[] {
  const old = new Map(before);
  const now = new Map(after);
  const changes: HardwareChange[] = [];
  for (const [key, line] of old) {
    const next = now.get(key);
    if (next === undefined) changes.push({ part, change: 'removed', before: line });
    else if (next !== line) changes.push({ part, change: 'changed', before: line, after: next });
  }
  for (const [key, line] of now) {
    if (!old.has(key)) changes.push({ part, change: 'added', after: line });
  }
  return changes;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
