import { describe, expect, it } from 'vitest';
import { judgeFile } from '../../../src/cli/diagnose-file.ts';
import { DIAGNOSES } from '../../../src/diagnose/table.ts';
import { healthyCaptures, judgeCorpus, judgeHealthy, scoreOf } from '../../support/corpus.ts';

describe('the corpus', () => {
  it('is named with precision and recall of 95 % or more, and shows every diagnosis', async () => {
    const judged = [...(await judgeCorpus()), ...(await judgeHealthy())];
    const { precision, recall, falseAlarms, healthy, wrong } = scoreOf(judged);
    expect(precision, JSON.stringify(wrong)).toBeGreaterThanOrEqual(0.95);
    expect(recall, JSON.stringify(wrong)).toBeGreaterThanOrEqual(0.95);
    expect(falseAlarms, JSON.stringify(wrong)).toBe(0);
    expect(healthy).toBeGreaterThan(20);
    const shown = new Set(
      judged.filter((one) => one.found === one.expect).map((one) => one.expect),
    );
    expect(DIAGNOSES.filter((name) => !shown.has(name))).toEqual([]);
  });

  it('counts a wrong name against both figures, and a name for a healthy boot', () => {
    const one = (expected: string | null, found: string | null) => ({
      ...{ name: '', from: 'scene' as const, expect: expected, found },
    });
    const { precision, recall, falseAlarms } = scoreOf([
      ...[one('a', 'a'), one('a', 'b'), one('b', null), one(null, 'a'), one(null, null)],
    ]);
    expect([precision, recall, falseAlarms]).toEqual([1 / 3, 1 / 3, 1]);
  });
});

describe('healthy boots of real clients', () => {
  it.each(healthyCaptures())('%s has no diagnosis', async (file) => {
    const judged = await judgeFile(file, false);
    expect(judged.length).toBeGreaterThan(0);
    expect(judged.flatMap(({ diagnosis }) => (diagnosis ? [diagnosis.name] : []))).toEqual([]);
  });
});
