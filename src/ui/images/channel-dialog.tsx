/** One channel: where it points, where it has pointed, and the two moves: to another version, or back to the one before. */
import { useState } from 'preact/hooks';
import type { Operations } from '../../client/operations.generated.ts';
import { call, post } from '../api.ts';
import { tell } from '../notices.ts';
import { Dialog, Empty, Reading, When } from '../parts/common.tsx';
import { named, useRead } from '../resource.ts';
import { may } from '../session.ts';

type Detail = Operations['GET /images/{name}/channels/{channel}']['answer'];

export interface ChannelProps {
  readonly of: { readonly name: string; readonly channel: string; readonly version: string };
  readonly versions: readonly string[];
  close(): void;
}

export function ChannelDialog({ of: { name, channel, version }, versions, close }: ChannelProps) {
  const path = `images/${encodeURIComponent(name)}/channels/${encodeURIComponent(channel)}`;
  const detail = useRead<Detail>(path, named('image.channel'));
  const moves = detail.value?.moves ?? [];
  return (
    <Dialog title={`${name}/${channel}`} onClose={close}>
      <p>
        It points to <b>{version}</b>. Installs that begin from now on get what it points to.
      </p>
      {may('operator') && (
        <MoveForm {...{ path, channel, version, versions, close }} before={moves[0]?.from ?? ''} />
      )}
      <h3 class="spaced">Where it has pointed</h3>
      <Reading of={detail} />
      {detail.value && moves.length === 0 && <Empty>It has never moved.</Empty>}
      <ul class="plain-list">
        {moves.map(({ at, from, to, who, why }) => (
          <li key={`${at} ${to}`}>
            <span>
              {from || 'nothing'} → <b>{to || 'nothing'}</b>
            </span>
            <span class="dim">
              {who}
              {why !== '' && `: ${why}`}, <When at={at} />
            </span>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}

interface MoveProps {
  readonly path: string;
  readonly channel: string;
  readonly version: string;
  readonly versions: readonly string[];
  /** Where it pointed before; '' where it never pointed elsewhere. */
  readonly before: string;
  close(): void;
}

function MoveForm({ path, channel, version, versions, before, close }: MoveProps) {
  const [failed, setFailed] = useState('');
  const act = async (done: Promise<unknown>, told: string) => {
    try {
      await done;
      tell(told, 'good');
      close();
    } catch (error) {
      setFailed((error as Error).message);
    }
  };
  const move = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const why = String(form.get('why')).trim();
    const back = (event.submitter as HTMLButtonElement | null)?.value === 'back';
    const to = String(form.get('version'));
    return back
      ? act(post(`${path}/rollback`, { why }), `${channel} points to ${before} again.`)
      : act(call('PUT', path, { body: { version: to, why } }), `${channel} points to ${to}.`);
  };
  return (
    <form class="form" onSubmit={move}>
      <label>
        Version
        <select name="version" required>
          {versions.map((one) => (
            <option key={one} selected={one === version}>
              {one}
            </option>
          ))}
        </select>
      </label>
      <label>
        Why
        <input name="why" required autocomplete="off" />
      </label>
      {failed !== '' && (
        <p class="note bad" role="alert">
          {failed}
        </p>
      )}
      <div class="buttons">
        <button type="submit" class="primary" value="move">
          Point it there
        </button>
        {before !== '' && (
          <button type="submit" class="danger" value="back">
            Back to {before}
          </button>
        )}
      </div>
    </form>
  );
}
