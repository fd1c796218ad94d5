/** Where a site has two appliances: how the one that follows does, and that one is not looking at the active one. */
import { useEffect } from 'preact/hooks';
import type { Operations } from '../../client/operations.generated.ts';
import { now } from '../feed.ts';
import { seconds } from '../format.ts';
import { named, type Resource, useRead } from '../resource.ts';
import { session } from '../session.ts';
import { Panel, Reading } from './common.tsx';

type Status = Operations['GET /standby']['answer'];

const AGAIN_MS = 5000;

function usePair(): Resource<Status> {
  const pair = useRead<Status>(session.value?.paired ? 'standby' : '', named('standby.'));
  useEffect(() => {
    const timer = setInterval(() => session.peek()?.paired && pair.reload(), AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  return pair;
}

/** The age of what was read counts, too. */
function ageOf({ standby }: Status, readAt: number): string {
  now.value; // drawn anew every second
  if (standby.behindMs === null) return 'of unknown age';
  const ms = standby.behindMs + Math.max(0, Date.now() - readAt);
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s behind` : `${seconds(ms)} behind`;
}

/** Over every page of one that is not active. */
export function PairNotice() {
  const { value, at } = usePair();
  if (!value || value.mode === 'active') return null;
  const { protocol, port } = location;
  const { address } = value.partner;
  return (
    <div class="offline" role="status">
      <b>This appliance is not the active one.</b> Nothing can be changed here, and what it shows is
      a copy, {ageOf(value, at)}. The other one is{' '}
      <a href={`${protocol}//${address}${port && `:${port}`}/`}>{address}</a>.
    </div>
  );
}

/** On the overview of a site that has two. */
export function PairPanel() {
  const pair = usePair();
  if (!session.value?.paired) return null;
  const { value, at } = pair;
  return (
    <Panel title="Standby">
      <Reading of={pair} />
      {value && value.unwritten !== '' && (
        <p class="badge bad">no addresses are given: {value.unwritten}</p>
      )}
      {value && !value.partner.inTouch && <p class="badge bad">no standby</p>}
      {value && (
        <p>
          {value.partner.inTouch && (
            <span class={`badge ${value.standby.current ? 'good' : 'hold'}`}>
              {value.standby.current ? 'current' : 'not current'}
            </span>
          )}{' '}
          {value.partner.inTouch ? ageOf(value, at) : `${value.partner.address} is not heard`}
          {value.standby.images.missing > 0 &&
            `, ${value.standby.images.missing} files of images to copy`}
        </p>
      )}
    </Panel>
  );
}
