/** Expected times of each phase by model: the rows behind `src/diagnose/phases.ts`, and what is told of a slow boot. */
import type { Database } from 'better-sqlite3';
import { addTo, countOf, isOutlier, quantile, type Sketch } from '../diagnose/phases.ts';

export interface Expected {
  readonly model: string;
  readonly phase: string;
  readonly boots: number;
  readonly medianMs: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

/** A phase of one boot beside what boots of its model take. */
export interface PhaseOfBoot {
  readonly phase: string;
  readonly tookMs: number;
  /** Boots that this is known from; nothing is expected of a model that has few. */
  readonly boots: number;
  /** 0 where nothing is known. */
  readonly medianMs: number;
  readonly p95Ms: number;
  /** Unusually long for its model. */
  readonly slow: boolean;
}

export interface SlowPhase {
  readonly phase: string;
  readonly tookMs: number;
  readonly expectedMs: number;
}

export type PhaseTimes = ReturnType<typeof openPhaseTimes>;

export function openPhaseTimes(db: Database) {
  const get = db.prepare<[string, string], { buckets: string }>(
    'SELECT buckets FROM phase_times WHERE model = ? AND phase = ?',
  );
  const all = db.prepare<[], { model: string; phase: string; buckets: string }>(
    'SELECT model, phase, buckets FROM phase_times ORDER BY model, phase',
  );
  const put = db.prepare(
    `INSERT INTO phase_times (model, phase, count, buckets) VALUES (?, ?, ?, ?)
     ON CONFLICT (model, phase) DO UPDATE SET count = excluded.count, buckets = excluded.buckets`,
  );
  const sketchOf = (model: string, phase: string): Sketch => {
    const row = get.get(model, phase);
    return row ? JSON.parse(row.buckets) : {};
  };
  return {
    /** Adds one boot; within the caller's transaction. @returns the phases that took unusually long */
    add(model: string, phases: readonly { phase: string; tookMs: number }[]): SlowPhase[] {
      return phases.flatMap(({ phase, tookMs }) => {
        const before = sketchOf(model, phase);
        const after = addTo(before, tookMs);
        put.run(model, phase, countOf(after), JSON.stringify(after));
        const expectedMs = quantile(before, 0.95);
        return isOutlier(before, tookMs) ? [{ phase, tookMs, expectedMs }] : [];
      });
    },
    compare: (model: string, phases: readonly { phase: string; tookMs: number }[]): PhaseOfBoot[] =>
      phases.map(({ phase, tookMs }) => {
        const sketch = sketchOf(model, phase);
        const [medianMs, p95Ms] = [quantile(sketch, 0.5), quantile(sketch, 0.95)];
        const slow = isOutlier(sketch, tookMs);
        return { phase, tookMs, boots: countOf(sketch), medianMs, p95Ms, slow };
      }),
    list: (): Expected[] =>
      all.all().map(({ model, phase, buckets }) => {
        const sketch: Sketch = JSON.parse(buckets);
        return {
          ...{ model, phase, boots: countOf(sketch) },
          medianMs: quantile(sketch, 0.5),
          p95Ms: quantile(sketch, 0.95),
          p99Ms: quantile(sketch, 0.99),
        };
      }),
    /** How long a model takes at most until its firmware asks, where that is known. */
    firmwareMs(model: string): number | undefined {
      const sketch = sketchOf(model, 'firmware');
      return countOf(sketch) < 3 ? undefined : 2 * quantile(sketch, 0.99);
    },
  };
}
