/** The scenarios of the virtual lab with one machine at most: `make test` runs them beside the portal's tests. */
import { describe, expect, it } from 'vitest';
import { itJudges, LARGE, SMALL } from '../support/lab-scenarios.ts';

describe('the virtual lab', () => {
  itJudges(SMALL);

  it('has some of either size', () => {
    for (const { length } of [SMALL, LARGE]) expect(length).toBeGreaterThan(3);
  });
});
