import { describe, expect, it } from 'vitest';
import { type Measured, type Run, summarise } from '../../../bench/dhcp-figures.ts';

const best: Run = {
  ...{ rate: 9000, sustained: true, generatorBound: false, cpuMsPerExchange: 0.1 },
  ...{ peakBytes: 2 ** 27, serverDrops: 0, completed: 50_000, sentPerSecond: 9000, lost: 0 },
  ...{ meanDelayMs: 1, generatorCpuSeconds: 1, generatorDrops: 0, wrong: 0 },
};

function measured(name: string, wrong: number): Measured {
  return {
    server: { name, settings: '' },
    best: { light: best, perfdhcp: best },
    durability: { exchanges: 60, fsyncs: 60, ackAfterSync: 1 },
    wrong,
  };
}

describe('the verdict on wrong replies', () => {
  it.each([
    [0, true],
    [3, false],
  ])('%i of ours in any run, the best ones or others: met %s', (wrong, met) => {
    const servers = [measured('reveille', wrong), measured('keaDurable', 7)];
    const { verdicts } = summarise(servers, { generators: ['light', 'perfdhcp'], ceiling: best });
    expect(verdicts?.find(({ what }) => what === 'wrong replies of ours')).toMatchObject({
      ...{ value: wrong, target: 0, met },
    });
  });
});

it('tells the ceiling of the generator beside the figures, and compares nothing with it', () => {
  const { ceiling, peers, ratio } = summarise([measured('reveille', 0)], {
    ...{ generators: ['light', 'perfdhcp'], ceiling: { ...best, rate: 11_000 } },
  });
  expect(ceiling).toMatchObject({ exchangesPerSecond: 11_000, cpuSecondsPer1000: 0.1 });
  expect([peers, ratio]).toEqual([{}, {}]);
});

it('of some parts alone says nothing of the others, and holds to no target of them', () => {
  const servers = [measured('reveille', 0), measured('kea', 0)];
  const { ratio, verdicts } = summarise(servers, { generators: ['perfdhcp'], ceiling: undefined });
  expect(ratio).toEqual({ kea: 1 });
  expect(verdicts?.map(({ what }) => what)).toEqual([
    'times Kea with its memfile, perfdhcp',
    'share of our ACKs after their sync',
    'wrong replies of ours',
  ]);
});
