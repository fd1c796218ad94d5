/**
 * What follows from a recon report, in its transaction: the hardware type by the rules, the place by the switch that LLDP
 * named, and the policy on parts that went missing. A place that a person wrote is never overwritten by an inference.
 */
import type { HardwareChange } from '../events.ts';
import type { EventStore } from './event-store.ts';
import { typeOf } from './hardware-types.ts';
import type { FieldValues, Machine, Machines } from './machines.ts';
import type { RecordDoc } from './record-kinds.ts';
import type { Records } from './records.ts';
import type { ReconReport } from './report.ts';
import { isCapacity } from './states.ts';

interface Parts {
  readonly machines: Machines;
  readonly records: Records;
  readonly events: EventStore;
}

export function createAfterReport(
  parts: Parts,
): (machine: Machine, changes: readonly HardwareChange[]) => void {
  return (machine, changes) => {
    applyType(parts, machine);
    place(parts, machine);
    applyPolicy(parts, machine, changes);
  };
}

function applyType({ machines, records, events }: Parts, machine: Machine): void {
  const { hardwarename } = machine;
  const { type, mismatch, hold } = typeOf(machine.hardware, records.list('type'));
  if (type !== machine.hardwareType || mismatch !== machine.typeMismatch) {
    machines.write(hardwarename, { hardwareType: type, typeMismatch: mismatch });
    const data = { from: machine.hardwareType, to: type, mismatch };
    events.append({ name: 'machine.typed', hardwarename, data });
  }
  if (hold) holdIfFree(machines, machine, `not what a ${type} has: ${mismatch}`);
}

function place({ machines, records, events }: Parts, machine: Machine): void {
  if (machine.locatedBy === 'person') return;
  const found = placeByNeighbours(machine.hardware, records);
  if (!found) return;
  const { rack, unit, ...rest } = found;
  if (rack === machine.rack && (unit === 0 || unit === machine.unit)) return;
  const before = { rack: machine.rack, unit: machine.unit };
  const after = { rack, unit: unit === 0 ? machine.unit : unit };
  machines.write(machine.hardwarename, { ...after, ...rest, locatedBy: 'lldp' });
  events.append({
    name: 'machine.edited',
    hardwarename: machine.hardwarename,
    data: { who: 'recon', why: 'LLDP names a switch of this rack', before, after },
  });
}

/** The rack whose switch most of its NICs see; NICs that disagree (a cable into the next rack) lose the vote. */
function placeByNeighbours(
  report: ReconReport,
  records: Records,
): (FieldValues & { rack: string; unit: number }) | undefined {
  const seen = report.nics.flatMap(({ lldp }) =>
    lldp?.switch ? [{ name: lldp.switch, port: lldp.port ?? '' }] : [],
  );
  if (seen.length === 0) return undefined;
  const votes = records
    .list('rack')
    .map((rack) => ({ rack, cables: seen.filter(({ name }) => rack.doc.switches.includes(name)) }))
    .filter(({ cables }) => cables.length > 0)
    .sort((a, b) => b.cables.length - a.cables.length || (a.rack.name < b.rack.name ? -1 : 1));
  const [best] = votes;
  if (!best) return undefined;
  const { site, hall, row, ports } = best.rack.doc;
  const unit = best.cables.map(({ port }) => ports[port] ?? 0).find((number) => number > 0) ?? 0;
  return { rack: best.rack.name, unit, site, hall, row };
}

function applyPolicy(
  { machines, records }: Parts,
  machine: Machine,
  changes: readonly HardwareChange[],
): void {
  // A record that was written before the newer of the two keys was known lacks it.
  const policy: Partial<RecordDoc<'policy'>> = records.get('policy', 'drift')?.doc ?? {};
  const watched: Readonly<Record<HardwareChange['change'], readonly string[]>> = {
    ...{ removed: policy.holdOnLost ?? [], changed: policy.holdOnChanged ?? [], added: [] },
  };
  const hit = changes.filter(({ part, change }) => watched[change].includes(part));
  const gone = hit.filter(({ change }) => change === 'removed').map(lineOf);
  const differs = hit.filter(({ change }) => change === 'changed').map(lineOf);
  const why = [
    ...(gone.length > 0 ? [`gone since the last report: ${gone.join(', ')}`] : []),
    ...(differs.length > 0 ? [`changed since the last report: ${differs.join(', ')}`] : []),
  ];
  if (why.length > 0) holdIfFree(machines, machine, why.join('; '));
}

function lineOf({ part, before = '', after }: HardwareChange): string {
  const was = `${part} ${before}`.trim();
  return after === undefined ? was : `${was} is ${after}`;
}

/** Only what nobody uses yet, and nobody protects, is taken out of the capacity. */
function holdIfFree(machines: Machines, { hardwarename }: Machine, why: string): void {
  const current = machines.record(hardwarename);
  if (current && isCapacity(current.state) && !current.protected)
    machines.transition(hardwarename, 'held', { by: 'recon', why });
}
