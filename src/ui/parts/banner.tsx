/** What lies over the page: that the connection is lost, and short messages. */
import { connection, heardAt, now } from '../feed.ts';
import { fleetLoaded } from '../fleet.ts';
import { seconds } from '../format.ts';
import { dismiss, notices } from '../notices.ts';

export function ConnectionNotice() {
  if (connection.value !== 'lost') return null;
  now.value; // drawn anew every second
  const age = heardAt.value === 0 ? '' : ` as of ${seconds(Date.now() - heardAt.value)} ago`;
  return (
    <div class="offline" role="status">
      <b>Connection lost.</b>{' '}
      {fleetLoaded.value
        ? `This is the last known state${age}. It goes on by itself when the network is back.`
        : 'The appliance does not answer. Trying again.'}
    </div>
  );
}

export function Notices() {
  return (
    <div class="notices" role="log" aria-live="polite">
      {notices.value.map(({ id, text, tone, href }) => (
        <div key={id} class={`notice ${tone}`}>
          {href === '' ? <span>{text}</span> : <a href={href}>{text}</a>}
          <button type="button" class="quiet" aria-label="Dismiss" onClick={() => dismiss(id)}>
            ✕
          </button>
        </div>
      ))}
    </div>
  );
}
