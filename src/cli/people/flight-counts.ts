/** `reveille diagnose --by switch`: where boots stop, counted. */
import { COUNTED_BY, groupedBy } from '../../diagnose/counts.ts';
import { AppError } from '../../errors.ts';
import { type CliContext, type CommonOptions, clientFor } from './connection.ts';
import { show } from './output.ts';

/** @throws AppError REQUEST_INVALID for a place that is none */
export async function showCounts(
  context: CliContext,
  options: CommonOptions & { readonly by?: string },
): Promise<void> {
  const by = COUNTED_BY.find((place) => place === options.by);
  if (by === undefined)
    throw new AppError('REQUEST_INVALID', {
      detail: `'${options.by}' is none of ${COUNTED_BY.join(', ')}.`,
    });
  const { body } = await clientFor<'diagnoses'>(context, options).call('GET /diagnoses/counts');
  const groups = groupedBy(body.counts, by);
  show(context, options, {
    document: { by, groups },
    rows: groups,
    columns: [
      { title: by.toUpperCase(), of: ({ place }) => place || 'unknown' },
      { title: 'STOPPED', of: ({ total }) => String(total) },
      { title: 'OPEN', of: ({ open }) => String(open) },
      {
        title: 'CAUSES',
        of: ({ causes }) => causes.map(({ name, total }) => `${name} ${total}`).join(', '),
      },
    ],
  });
}
