/** Small parts that every page is made of. */
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import type { Problem } from '../api.ts';
import { now } from '../feed.ts';
import { moment, seconds } from '../format.ts';

export function Loading() {
  return (
    <p class="empty" role="status">
      Loading…
    </p>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

export function Failure({ says, retry }: { says: string; retry?: () => void }) {
  return (
    <div class="note bad" role="alert">
      <p>{says}</p>
      {retry && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** What a reading has to say beside its value: that it failed, or that it is on its way. */
export function Reading({
  of,
}: {
  of: { value: unknown; problem: Problem | undefined; at?: number; reload(): void };
}) {
  if (of.problem && of.value === undefined)
    return <Failure says={of.problem.message} retry={of.reload} />;
  if (of.value === undefined) return <Loading />;
  if (!of.problem) return null;
  const { at = 0 } = of;
  return (
    <p class="stale">
      Not current: {of.problem.message}
      {at > 0 && ` This was read ${seconds(Date.now() - at)} ago.`}
    </p>
  );
}

export function Title({ children, beside }: { children: ComponentChildren; beside?: unknown }) {
  return (
    <div class="title">
      <h1>{children}</h1>
      <div class="beside">{beside as ComponentChildren}</div>
    </div>
  );
}

export function Panel({
  title,
  beside,
  children,
  wide = false,
}: {
  title: string;
  beside?: ComponentChildren;
  children: ComponentChildren;
  wide?: boolean;
}) {
  const id = useId();
  return (
    <section class={wide ? 'panel wide' : 'panel'} aria-labelledby={id}>
      <div class="panel-head">
        <h2 id={id}>{title}</h2>
        {beside}
      </div>
      {children}
    </section>
  );
}

/** States are told by word, colour and sign together. */
const SIGNS: Readonly<Record<string, string>> = {
  ...{ stalled: '!', held: '‖', broken: '✕', failed: '✕', refused: '✕', missing: '?' },
  ...{ booting: '›', installing: '›', recycling: '›', running: '›', queued: '…' },
  ...{ available: '✓', ready: '✓', finished: '✓', served: '✓', arrived: '✓', 'in-use': '●' },
  ...{ working: '›', replacing: '↻', waiting: '…', cancelling: '…', stopped: '✕' },
  ...{ fulfilled: '✓', healthy: '✓', done: '✓', stored: '✓', receiving: '›', checking: '›' },
  ...{ current: '✓', 'catching-up': '›', away: '!', never: '?', short: '✕', lost: '✕' },
};
const TONES: Readonly<Record<string, string>> = {
  ...{ critical: 'bad', warning: 'hold', cancelled: 'plain' },
  ...{ stalled: 'bad', broken: 'bad', failed: 'bad', refused: 'bad', missing: 'bad' },
  ...{ held: 'hold', 'wrong slot': 'hold', duplicate: 'hold', unexpected: 'hold', paused: 'hold' },
  ...{ booting: 'busy', installing: 'busy', recycling: 'busy', running: 'busy', queued: 'busy' },
  ...{ available: 'good', ready: 'good', finished: 'good', served: 'good', arrived: 'good' },
  ...{ 'in-use': 'used' },
  ...{ working: 'busy', wanted: 'plain', replacing: 'hold', waiting: 'hold', cancelling: 'hold' },
  ...{ fulfilled: 'good', healthy: 'good', done: 'good', stored: 'good', stopped: 'bad' },
  ...{ receiving: 'busy', checking: 'busy', aborted: 'plain', gone: 'plain' },
  ...{ current: 'good', 'catching-up': 'busy', away: 'bad', short: 'bad', lost: 'bad' },
};
const toneOf = (word: string): string => TONES[word] ?? 'plain';

export function Badge({ word }: { word: string }) {
  return (
    <span class={`badge ${toneOf(word)}`}>
      <span aria-hidden="true">{SIGNS[word] ?? '·'}</span> {word}
    </span>
  );
}

/** A moment, with how long ago it was. */
export function When({ at, ago = false }: { at: number; ago?: boolean }) {
  if (at <= 0) return <span class="dim">–</span>;
  const text = ago ? `${seconds(Math.max(0, now.value - at))} ago` : moment(at);
  return (
    <time dateTime={new Date(at).toISOString()} title={new Date(at).toLocaleString()}>
      {text}
    </time>
  );
}

/** Facts as pairs; what is empty is left out. */
export function Facts({ of }: { of: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {of
        .filter(([, value]) => value !== '' && value !== undefined && value !== false)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

export function Dialog({
  title,
  onClose,
  children,
}: {
  title: string;
  onClose(): void;
  children: ComponentChildren;
}) {
  const box = useRef<HTMLDialogElement>(null);
  const gone = useRef(false);
  const id = useId();
  useEffect(() => {
    const dialog = box.current;
    dialog?.showModal();
    return () => {
      // The browser tells of this closing later, when another dialog may stand here with the same onClose.
      gone.current = true;
      dialog?.close();
    };
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes a dialog by itself; this is the click beside it
    <dialog
      ref={box}
      aria-labelledby={id}
      onClose={() => gone.current || onClose()}
      onClick={(event) => event.target === box.current && onClose()}
    >
      <div class="dialog">
        <div class="panel-head">
          <h2 id={id}>{title}</h2>
          <button type="button" class="quiet" aria-label="Close" onClick={onClose}>
            ✕
          </button>
        </div>
        {children}
      </div>
    </dialog>
  );
}

/** What a column is called: `figures` stand at the right, as they do; `spoken` where its content shows it to who sees it. */
export type ColumnName = string | { readonly figures: string } | { readonly spoken: string };

/** A table that may be wider than the phone: it scrolls by itself, and by keyboard. Its children are its rows. */
export function Table({
  label,
  head = [],
  children,
}: {
  label: string;
  /** Without: a table whose rows say what they are. */
  head?: readonly ColumnName[];
  children: ComponentChildren;
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard
    <section class="scroll" tabIndex={0} aria-label={label}>
      <table>
        {head.length > 0 && (
          <thead>
            <tr>
              {head.map((name) => (
                <ColumnHead key={JSON.stringify(name)} name={name} />
              ))}
            </tr>
          </thead>
        )}
        <tbody>{children}</tbody>
      </table>
    </section>
  );
}

function ColumnHead({ name }: { name: ColumnName }) {
  if (typeof name === 'string') return <th scope="col">{name}</th>;
  return 'figures' in name ? (
    <th scope="col" class="number">
      {name.figures}
    </th>
  ) : (
    <th scope="col">
      <span class="spoken">{name.spoken}</span>
    </th>
  );
}

export interface Chip {
  readonly value: string;
  /** Where it is called otherwise than its value. */
  readonly word?: string;
  readonly tone?: string;
  /** How many there are, where that is told; undefined: not known yet. */
  readonly count?: number | undefined;
}

/** One of them is chosen, or none: what stands below is only that. A second tap lets it go. */
export function Chips({
  of,
  chosen,
  choose,
}: {
  of: readonly Chip[];
  chosen: string;
  choose(value: string): void;
}) {
  return (
    <fieldset class="chips" aria-label="Show only">
      {of.map((chip) => (
        <button
          key={chip.value}
          type="button"
          class={`chip ${chip.tone ?? chip.value}`}
          aria-pressed={chosen === chip.value}
          onClick={() => choose(chosen === chip.value ? '' : chip.value)}
        >
          {'count' in chip && <b>{chip.count?.toLocaleString('en') ?? '–'}</b>}{' '}
          {chip.word ?? chip.value}
        </button>
      ))}
    </fieldset>
  );
}
