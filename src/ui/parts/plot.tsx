/** A rate over time as a line with its newest value in figures; the scale begins at zero. */

const WIDTH = 300;
const HEIGHT = 70;

export interface PlotProps {
  readonly name: string;
  readonly unit: string;
  readonly points: readonly number[];
  /** How many points fill the width. */
  readonly span?: number;
}

export function Plot({ name, unit, points, span = 60 }: PlotProps) {
  const most = Math.max(1, ...points);
  const shown = points.slice(-span);
  const x = (index: number) => ((span - shown.length + index) / (span - 1)) * WIDTH;
  const y = (value: number) => HEIGHT - 3 - (value / most) * (HEIGHT - 8);
  const line = shown.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`);
  const last = shown.at(-1) ?? 0;
  return (
    <figure class="plot">
      <figcaption>
        {name} <b>{figure(last)}</b> <span class="dim">{unit}</span>
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${name}: ${figure(last)} ${unit}, at most ${figure(most)}`}
      >
        <line class="ground" x1="0" x2={WIDTH} y1={HEIGHT - 2} y2={HEIGHT - 2} />
        {shown.length > 1 && <polyline points={line.join(' ')} />}
      </svg>
    </figure>
  );
}

export const figure = (value: number): string =>
  value >= 1000 || Number.isInteger(value)
    ? Math.round(value).toLocaleString('en')
    : value.toFixed(1);
