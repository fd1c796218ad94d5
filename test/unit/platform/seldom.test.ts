/** What goes on and on is in the log once a minute, with how many there were. */
import { expect, it } from 'vitest';
import { seldom, seldomErrors } from '../../../src/platform/seldom.ts';

it('tells a trouble that goes on once a minute', () => {
  let now = 0;
  const told: number[] = [];
  const tell = seldom(
    (n: number) => void told.push(n),
    () => now,
  );
  for (let n = 0; n < 130; n++) {
    now = n * 1000;
    tell(n);
  }
  expect(told).toEqual([0, 60, 120]);
});

it('counts what it has not said, of each message', () => {
  let now = 0;
  const told: [string, unknown][] = [];
  const error = ((fields: { n: number }, message: string) =>
    void told.push([message, fields])) as never;
  const tell = seldomErrors({ error }, () => now);
  for (let n = 0; n < 130; n++) {
    now = n * 1000;
    tell({ n }, 'a packet');
    if (n % 50 === 0) tell({ n }, 'a name');
  }
  expect(told).toEqual([
    ['a packet', { n: 0 }],
    ['a name', { n: 0 }],
    ['a packet', { n: 60, unsaid: 59 }],
    ['a name', { n: 100, unsaid: 1 }],
    ['a packet', { n: 120, unsaid: 59 }],
  ]);
});
