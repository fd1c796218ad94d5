/** How many machines each site is asked for: where there are some, evenly when that is wanted, and never more than allowed. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type SiteStock, type Spread, spreadOver } from '../../../src/central/spread.ts';

const site = (name: string, free: number, more: Partial<SiteStock> = {}): SiteStock => ({
  ...{ site: name, free, isCurrent: true, has: 0 },
  ...more,
});

const partsOf = (stocks: readonly SiteStock[], count: number, spread: Spread = {}) =>
  spreadOver(stocks, count, spread).parts.map((part) => `${part.site} ${part.count}`);

describe('machines over sites', () => {
  it('stay together where they are not to be spread', () => {
    expect(partsOf([site('ams', 3), site('lon', 9), site('sto', 5)], 6)).toEqual(['lon 6']);
    expect(partsOf([site('ams', 3), site('lon', 9), site('sto', 5)], 12)).toEqual([
      'lon 9',
      'sto 3',
    ]);
  });

  it('are divided evenly, as far as there are any', () => {
    const stocks = [site('ams', 1), site('lon', 9), site('sto', 9)];
    expect(partsOf(stocks, 7, { even: true })).toEqual(['ams 1', 'lon 3', 'sto 3']);
  });

  it('count what the request has already', () => {
    const stocks = [site('lon', 9, { has: 4 }), site('sto', 9)];
    expect(partsOf(stocks, 3, { even: true })).toEqual(['sto 3']);
    expect(spreadOver(stocks, 3, { perSiteMax: 5 })).toEqual({
      parts: [
        { site: 'lon', count: 1 },
        { site: 'sto', count: 2 },
      ],
      ...{ missing: 0, waiting: 0 },
    });
  });

  it('go to a site that is away only when no other has any', () => {
    const stocks = [site('lon', 99, { isCurrent: false }), site('sto', 2)];
    expect(partsOf(stocks, 2)).toEqual(['sto 2']);
    expect(partsOf(stocks, 5, { even: true })).toEqual(['lon 3', 'sto 2']);
  });

  it('wait somewhere when nothing is free, and are missing when no site may have them', () => {
    const none = [site('lon', 0), site('sto', -3)];
    expect(spreadOver(none, 4, { perSiteMax: 3 })).toMatchObject({ waiting: 4, missing: 0 });
    expect(spreadOver(none, 9, { perSiteMax: 3 })).toMatchObject({ waiting: 6, missing: 3 });
    expect(spreadOver([], 2, {})).toEqual({ parts: [], missing: 2, waiting: 0 });
  });

  it('are as many as were asked for, within every bound, in whatever order the sites come', () => {
    const stock = fc.record({
      ...{ free: fc.integer({ min: -5, max: 30 }), isCurrent: fc.boolean() },
      has: fc.nat({ max: 10 }),
    });
    const spread = fc.record(
      { perSiteMax: fc.integer({ min: 1, max: 20 }), even: fc.boolean() },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.array(stock, { maxLength: 6 }), fc.nat({ max: 80 }), spread, (all, n, how) => {
        const stocks = all.map((one, index) => ({ ...one, site: `s${index}` }));
        const plan = spreadOver(stocks, n, how);
        const asked = plan.parts.reduce((sum, { count }) => sum + count, 0);
        expect(asked + plan.missing).toBe(n);
        const { perSiteMax = Number.POSITIVE_INFINITY } = how;
        for (const { site: name, count } of plan.parts) {
          const has = stocks.find((one) => one.site === name)?.has ?? 0;
          expect(has + count).toBeLessThanOrEqual(perSiteMax);
        }
        expect(spreadOver([...stocks].reverse(), n, how)).toEqual(plan);
      }),
    );
  });
});
