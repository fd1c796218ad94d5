/**
 * One rack from the front, unit 1 at the bottom. Machines are links that a keyboard and a screen reader reach; empty units
 * are only lines. What has no unit, or lies where another machine is, is listed below the drawing and never hidden.
 */

import { type ExpectedSlot, freeSlots } from '../expected.ts';
import type { Row } from '../fleet.ts';
import { machinePath } from '../router.ts';
import { memo } from './memo.ts';

export interface RackDrawing {
  readonly name: string;
  readonly row: string;
  readonly units: number;
  readonly rows: readonly Row[];
  /** Of the delivery that is looked at: what is still to come, and machines that want somebody. */
  readonly expected: readonly ExpectedSlot[];
  readonly flags: ReadonlyMap<string, string>;
}

const UNIT_PX = 18;
const WIDTH_PX = 230;
const RAIL_PX = 26;
const MARKS: Readonly<Record<string, string>> = {
  ...{ stalled: '!', held: '‖', booting: '›', ready: '✓', 'in-use': '●', away: '–' },
};

interface Placed {
  readonly row: Row;
  readonly unit: number;
  readonly height: number;
}

/** Those that fit where they say they are, and the others. */
function place(rows: readonly Row[], units: number): { placed: Placed[]; others: Row[] } {
  const taken = new Set<number>();
  const placed: Placed[] = [];
  const others: Row[] = [];
  for (const row of rows) {
    const { unit = 0, height = 1 } = row.machine ?? {};
    const slots = Array.from({ length: Math.max(1, height) }, (_, index) => unit + index);
    const fits = unit > 0 && slots.every((slot) => slot <= units && !taken.has(slot));
    if (!fits) {
      others.push(row);
      continue;
    }
    for (const slot of slots) taken.add(slot);
    placed.push({ row, unit, height: slots.length });
  }
  return { placed: placed.sort((a, b) => b.unit - a.unit), others };
}

export const Elevation = memo(
  function Elevation({ rack }: { rack: RackDrawing }) {
    const { name, units, rows, expected, flags } = rack;
    const { placed, others } = place(rows, units);
    const taken = new Set(
      placed.flatMap(({ unit, height: high }) => Array.from({ length: high }, (_, n) => unit + n)),
    );
    const { drawn, listed } = freeSlots(expected, taken, units);
    const height = units * UNIT_PX;
    return (
      <figure class="elevation">
        <figcaption>
          <b>{name}</b> <span class="dim">{rows.length} machines</span>
        </figcaption>
        {/* biome-ignore lint/a11y/useSemanticElements: a drawing has no field set */}
        <svg
          viewBox={`0 0 ${WIDTH_PX} ${height + 8}`}
          width={WIDTH_PX}
          role="group"
          aria-label={`Rack ${name}, ${units} units`}
        >
          <rect class="frame" x="1" y="1" width={WIDTH_PX - 2} height={height + 6} rx="4" />
          {Array.from({ length: units }, (_, index) => (
            <Unit key={index} number={units - index} y={4 + index * UNIT_PX} />
          ))}
          {placed.map((one) => (
            <Machine
              key={one.row.key}
              {...one}
              flag={flags.get(one.row.key) ?? ''}
              top={4 + (units - one.unit - one.height + 1) * UNIT_PX}
            />
          ))}
          {drawn.map((slot) => (
            <Awaited key={slot.serial} slot={slot} top={4 + (units - slot.unit) * UNIT_PX} />
          ))}
        </svg>
        {listed.length > 0 && (
          <div class="others">
            <span class="dim">Expected here, but not in a free unit:</span>
            <ul>
              {listed.map(({ serial, unit, elsewhere }) => (
                <li key={serial}>
                  {serial} {unit > 0 && `in U${unit}`}{' '}
                  {elsewhere !== '' && <span class="dim">is in {elsewhere}</span>}
                </li>
              ))}
            </ul>
          </div>
        )}
        {others.length > 0 && (
          <div class="others">
            <span class="dim">No unit of their own:</span>
            <ul>
              {others.map((row) => (
                <li key={row.key} class={row.kind}>
                  <a href={machinePath(row.key)}>{row.key}</a>
                </li>
              ))}
            </ul>
          </div>
        )}
      </figure>
    );
  },
  // The same machines in the same condition draw the same rack.
  (a, b) =>
    a.rack.units === b.rack.units &&
    a.rack.expected === b.rack.expected &&
    a.rack.flags === b.rack.flags &&
    a.rack.rows.length === b.rack.rows.length &&
    a.rack.rows.every((row, index) => looks(row, b.rack.rows[index])),
);

const looks = (a: Row, b: Row | undefined) =>
  a === b ||
  (b !== undefined &&
    a.key === b.key &&
    a.kind === b.kind &&
    a.machine?.unit === b.machine?.unit &&
    a.machine?.height === b.machine?.height &&
    a.machine?.hostname === b.machine?.hostname);

function Unit({ number, y }: { number: number; y: number }) {
  return (
    <>
      <line class="unit" x1={RAIL_PX} x2={WIDTH_PX - 4} y1={y + UNIT_PX} y2={y + UNIT_PX} />
      <text class="number" x={RAIL_PX - 6} y={y + 12.5} text-anchor="end">
        {number}
      </text>
    </>
  );
}

/** Nothing stands there yet: the outline of what the list says, with where it is instead. */
function Awaited({ slot: { serial, unit, elsewhere }, top }: { slot: ExpectedSlot; top: number }) {
  const words = elsewhere === '' ? serial : `${serial} is in ${elsewhere}`;
  return (
    // biome-ignore lint/a11y/noInteractiveElementToNoninteractiveRole: a group of a drawing takes no input
    <g
      class="slot expected"
      role="img"
      aria-label={`Unit ${unit}: expected, ${words}`}
      data-expected={serial}
    >
      <rect x={RAIL_PX} y={top + 1} width={WIDTH_PX - RAIL_PX - 5} height={UNIT_PX - 2} rx="2" />
      <text x={RAIL_PX + 7} y={top + UNIT_PX / 2 + 4}>
        {elsewhere === '' ? '?' : '↷'}
      </text>
      <text class="label" x={RAIL_PX + 22} y={top + UNIT_PX / 2 + 4}>
        {words.length > 25 ? `${words.slice(0, 24)}…` : words}
      </text>
    </g>
  );
}

function Machine({ row, height, top, unit, flag }: Placed & { top: number; flag: string }) {
  const { key, kind, machine } = row;
  const label = machine?.hostname || key;
  return (
    <a
      href={machinePath(key)}
      class={`slot ${kind}${flag === '' ? '' : ' flagged'}`}
      aria-label={[`Unit ${unit}: ${key}`, kind, machine?.hostname, flag]
        .filter(Boolean)
        .join(', ')}
    >
      <rect
        x={RAIL_PX}
        y={top + 1}
        width={WIDTH_PX - RAIL_PX - 5}
        height={height * UNIT_PX - 2}
        rx="2"
      />
      <text x={RAIL_PX + 7} y={top + (height * UNIT_PX) / 2 + 4}>
        {flag === '' ? MARKS[kind] : '⚑'}
      </text>
      <text class="label" x={RAIL_PX + 22} y={top + (height * UNIT_PX) / 2 + 4}>
        {label.length > 21 ? `${label.slice(0, 20)}…` : label}
      </text>
    </a>
  );
}
