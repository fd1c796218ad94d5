/**
 * How long the phases of a boot usually take, as counts in buckets that grow by a tenth: a quantile is exact to five
 * percent, a sketch is a few dozen numbers, and sketches of two sites add up. Pure.
 */
const GROWTH = Math.log(1.1);

/** How many boots fell into a bucket, by its number. */
export type Sketch = Readonly<Record<string, number>>;

export function addTo(sketch: Sketch, ms: number): Sketch {
  const bucket = String(Math.round(Math.log(Math.max(1, ms)) / GROWTH));
  return { ...sketch, [bucket]: (sketch[bucket] ?? 0) + 1 };
}

export function countOf(sketch: Sketch): number {
  return Object.values(sketch).reduce((sum, count) => sum + count, 0);
}

/** @param share 0.5 is the median; 0 for an empty sketch */
export function quantile(sketch: Sketch, share: number): number {
  const wanted = Math.max(1, Math.ceil(countOf(sketch) * share));
  let seen = 0;
  const buckets = Object.keys(sketch)
    .map(Number)
    .sort((a, b) => a - b);
  for (const bucket of buckets) {
    seen += sketch[String(bucket)] ?? 0;
    if (seen >= wanted) return Math.round(Math.exp(bucket * GROWTH));
  }
  return 0;
}

/** Boots of a model before anything is called unusual for it. */
const BOOTS_MIN = 8;
const SLACK_MS = 5000;

/** Twice what all but one in twenty took, and more than a hiccup above it. */
export function isOutlier(sketch: Sketch, ms: number): boolean {
  if (countOf(sketch) < BOOTS_MIN) return false;
  const usual = quantile(sketch, 0.95);
  return ms > 2 * usual && ms > usual + SLACK_MS;
}
