import { describe, expect, it } from 'vitest';
import { type LampJob, lampOf } from '../../../src/ui/machine/lamp.ts';

const T = Date.UTC(2026, 10, 21, 12);
const text = (ms: number): string => new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
const job = (changes: Partial<LampJob>): LampJob => ({
  ...{ status: 'finished', params: { seconds: 120 }, ended_at: text(T), code: '', detail: '' },
  ...changes,
});

describe('the lamp of a machine', () => {
  it.each([
    ['is dark where nobody ever lit it', undefined, T, { is: 'dark' }],
    [
      'is not lit before the BMC has been heard',
      job({ status: 'queued', ended_at: null }),
      T,
      { is: 'asked' },
    ],
    ['is lit for as long as was asked', job({}), T + 119_000, { is: 'lit' }],
    ['goes out by itself', job({}), T + 120_000, { is: 'dark' }],
    ['is lit for a minute where no time was said', job({ params: {} }), T + 59_000, { is: 'lit' }],
    ['is put out', job({ params: { seconds: 0 } }), T, { is: 'dark' }],
    [
      'tells why it was not lit, to who still stands there',
      job({ status: 'failed', code: 'BMC_UNREACHABLE', detail: '10.0.0.9 is silent' }),
      T + 59_000,
      { is: 'failed', why: 'BMC_UNREACHABLE 10.0.0.9 is silent' },
    ],
    [
      'and to nobody later',
      job({ status: 'failed', code: 'BMC_TIMEOUT' }),
      T + 60_000,
      { is: 'dark' },
    ],
    [
      'is dark where its site tells of it no more',
      job({ status: 'lost' as LampJob['status'], code: 'JOB_LOST' }),
      T,
      { is: 'dark' },
    ],
    ['is dark when it was called off', job({ status: 'cancelled' }), T, { is: 'dark' }],
  ] as const)('%s', (_, of, now, expected) => {
    expect(lampOf(of, now)).toEqual(expected);
  });
});
