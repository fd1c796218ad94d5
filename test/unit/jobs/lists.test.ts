/** Lists of jobs: whatever they are filtered by leads through an index, newest first, and nothing is sorted or looked through whole. */
import { expect, it } from 'vitest';
import type { JobFilter, JobStatus } from '../../../src/jobs/store.ts';
import { jobBook } from '../../support/job-book.ts';

const STATUSES: readonly JobStatus[] = ['finished', 'failed', 'cancelled'];
const KINDS = ['install', 'power', 'burn-in'];

function world() {
  const book = jobBook();
  const { store, asked } = book;
  for (let each = 0; each < 60; each++)
    book.add({
      ...{ id: `job-${each}`, kind: KINDS[each % 7 === 0 ? 2 : each % 2] ?? '' },
      ...{ target: `M${each % 5}`, requester: `who-${each % 4}`, ended: STATUSES[each % 3] },
    });
  const planOf = (filter: JobFilter): string => {
    asked.length = 0;
    store.page(filter, 10);
    return book.planOf(asked[0] ?? '');
  };
  return { store, planOf };
}

it.each<[JobFilter, RegExp]>([
  [{ kind: 'burn-in' }, /jobs_of_kind \(kind=\?\)/],
  [{ kind: 'burn-in', below: 50 }, /jobs_of_kind \(kind=\? AND number<\?\)/],
  [{ kind: 'burn-in', status: ['failed'] }, /jobs_of_kind /],
  [{ requester: 'negz' }, /jobs_of_requester \(requester=\?\)/],
  [{ requester: 'negz', below: 9 }, /jobs_of_requester \(requester=\? AND number<\?\)/],
  [{ requester: 'negz', kind: 'install', status: ['failed', 'queued'] }, /jobs_of_requester /],
  [{ target: 'M1', kind: 'install', requester: 'negz', status: ['failed'] }, /jobs_by_target /],
  [{ status: ['failed'] }, /jobs_by_status /],
])('of %j go by the index', (filter, index) => {
  const plan = world().planOf(filter);
  expect(plan).toMatch(index);
  expect(plan).not.toMatch(/SCAN|TEMP B-TREE/);
});

it('has what was asked for, whatever is asked for together', () => {
  const { store } = world();
  const all = store.page({}, 100);
  const one = [undefined, 'one'] as const;
  for (const kind of [undefined, ...KINDS])
    for (const requester of [undefined, 'who-1', 'nobody'])
      for (const status of [undefined, ['failed'], ['failed', 'finished']] as const)
        for (const target of one.map((some) => some && 'M3'))
          for (const ids of one.map((some) => some && ['job-3', 'job-13', 'job-33'])) {
            const filter = { kind, requester, status, target, ids, below: 55 };
            const wanted = all.filter(
              (job) =>
                job.number < 55 &&
                (kind === undefined || job.kind === kind) &&
                (requester === undefined || job.requester === requester) &&
                (status === undefined || (status as readonly string[]).includes(job.status)) &&
                (target === undefined || job.target === target) &&
                (ids === undefined || ids.includes(job.id)),
            );
            const found = store.page(filter, 7).map(({ number }) => number);
            expect(found).toEqual(wanted.slice(0, 7).map(({ number }) => number));
          }
});
