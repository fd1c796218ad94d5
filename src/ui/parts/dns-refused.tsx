/** Over the board while DNS refuses what the inventory wants: names stay as they were until somebody looks. */
import type { Operations } from '../../client/operations.generated.ts';
import type { StoredEvent } from '../../events.ts';
import { useRead } from '../resource.ts';

type Status = Operations['GET /dns']['answer'];

export function DnsRefused() {
  let refused = false;
  // Generations that are served pass by all day: they matter here only while one is refused.
  const concerns = ({ name }: StoredEvent) =>
    name === 'dns.refused' || (refused && name.startsWith('dns.'));
  const status = useRead<Status>('dns', concerns);
  refused = (status.value?.faults.length ?? 0) > 0;
  if (!refused) return null;
  return (
    <p class="note bad" role="alert">
      <b>DNS:</b> the next generation is refused, and names stay as they were.{' '}
      <a href="/dns">Why, and what can be done</a>
    </p>
  );
}
