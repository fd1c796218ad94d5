/** One machine in a list: its name, its condition, where it stands, how far it has got, and what is wrong with it. */
import { computed, signal } from '@preact/signals';
import type { Row } from '../fleet.ts';
import { slot } from '../format.ts';
import { machinePath } from '../router.ts';
import { watched } from '../watch.ts';
import { BootBar, bootLine, Elapsed } from './boot-bar.tsx';
import { Badge } from './common.tsx';
import { rowHeights, type Screen } from './row-height.ts';

/** As the style sheet's border between a phone and a desk. */
const WIDE = matchMedia('(min-width: 60rem)');
const remPx = Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;
const readScreen = (): Screen => ({
  kind: WIDE.matches ? 'desk' : 'phone',
  widthRem: document.documentElement.clientWidth / remPx,
});
const screen = signal(readScreen());
addEventListener('resize', () => {
  const { kind, widthRem } = readScreen();
  const before = screen.peek();
  // A phone hides and shows its address bar all the time: that is no other width.
  if (kind !== before.kind || widthRem !== before.widthRem) screen.value = { kind, widthRem };
});

export interface Trouble {
  readonly cause: string;
  readonly next: string;
}

/** Why this machine wants somebody, and what that person can do. */
function troubleOf({ machine, timeline, diagnosis, kind }: Row): Trouble | undefined {
  if (diagnosis) return { cause: `${diagnosis.title}.`, next: diagnosis.next };
  if (timeline?.state === 'stalled' && timeline.stall)
    return { cause: timeline.stall.cause, next: timeline.stall.next };
  if (!machine || (kind !== 'held' && kind !== 'stalled')) return undefined;
  const other = machine.conflictWith === '' ? '' : ` The other one is ${machine.conflictWith}.`;
  const word = machine.state === 'broken' ? 'Broken' : machine.state === 'held' ? 'Held' : 'Stuck';
  return { cause: `${word}: ${machine.stateWhy}.${other}`, next: machine.stateNext };
}

/** In rem, gap included; another function on another screen. */
export const rowHeight = computed(() => {
  const heightOf = rowHeights(screen.value);
  return (row: Row): number => heightOf(troubleOf(row));
});

export function MachineRow({ row }: { row: Row }) {
  const { machine, timeline, kind, key } = row;
  const trouble = troubleOf(row);
  const word = kind === 'stalled' || kind === 'booting' ? kind : (machine?.state ?? kind);
  const href = machine
    ? machinePath(machine.hardwarename)
    : `/boots/${encodeURIComponent(timeline?.boot ?? '')}`;
  return (
    <a
      class={`row ${kind}`}
      href={href}
      data-key={key}
      data-mac={timeline?.mac}
      data-diagnosis={row.diagnosis?.name}
    >
      <span class="name">
        {watched.value.has(key) && (
          <>
            <span aria-hidden="true">★ </span>
            <span class="spoken">watched </span>
          </>
        )}
        {key}
      </span>
      <Badge word={word} />
      <span class="what">{describe(row)}</span>
      <span class="time">{timeline && <Elapsed timeline={timeline} />}</span>
      {timeline ? <BootBar steps={timeline.steps} /> : <span class="bar none" />}
      <span class="now">{timeline && bootLine(timeline)}</span>
      {trouble && (
        <span class="trouble">
          <b>{trouble.cause}</b>
          <span>{trouble.next}</span>
        </span>
      )}
    </a>
  );
}

function describe({ machine, timeline }: Row): string {
  if (!machine) return `unknown machine, ${timeline?.arch ?? ''}`;
  const { hostname, product, manufacturer, hardwareType } = machine;
  const what = hostname || hardwareType || `${manufacturer} ${product}`.trim() || machine.serial;
  return [slot(machine), what].filter(Boolean).join(' · ');
}
