/**
 * Shutting a site out of the fleet, and removing one that has closed: what goes with it is said before, its name is typed, and how far central
 * is with it is shown. Whoever leaves before it is over leaves the rest to central.
 */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { SiteStanding } from '../../central/fleet-view.ts';
import type { Removal } from '../../central/removing.ts';
import { call, Problem } from '../api.ts';
import { plural } from '../format.ts';
import { tell } from '../notices.ts';
import { may } from '../session.ts';
import { readSites } from '../sites.ts';
import { Dialog } from './common.tsx';

interface SiteProps {
  readonly site: string;
  /** That count for it; undefined: not known yet. */
  readonly machines: number | undefined;
}

type Step = 'revoke' | 'remove';

export function SiteActions({ of, machines }: { of: SiteStanding; machines: number | undefined }) {
  const [open, setOpen] = useState<Step | undefined>();
  if (!may('admin')) return null;
  const { site, shutOut } = of;
  const close = () => {
    setOpen(undefined);
    void readSites();
  };
  return (
    <>
      <div class="buttons spaced">
        {shutOut ? (
          <button type="button" class="danger" onClick={() => setOpen('remove')}>
            Remove {site}…
          </button>
        ) : (
          <button type="button" onClick={() => setOpen('revoke')}>
            Shut {site} out…
          </button>
        )}
      </div>
      {open === 'revoke' && <ShutOut site={site} close={close} />}
      {open === 'remove' && <Remove site={site} machines={machines} close={close} />}
    </>
  );
}

function ShutOut({ site, close }: { site: string; close(): void }) {
  const [failed, setFailed] = useState('');
  const [busy, setBusy] = useState(false);
  const act = async () => {
    setBusy(true);
    try {
      await call('POST', `sites/${site}/revoke`);
      tell(`${site} is shut out.`, 'good');
      close();
    } catch (error) {
      setFailed((error as Error).message);
      setBusy(false);
    }
  };
  return (
    <Dialog title={`Shut ${site} out`} onClose={close}>
      <p>
        Every certificate of {site} ends, and its line is closed within seconds. Its appliance works
        on alone; central shows what it knew last. It comes back by a new code of{' '}
        <code>reveille sites join-code {site}</code> alone.
      </p>
      <p>A site that has closed is removed afterwards.</p>
      <Failed why={failed} />
      <button type="button" class="danger" disabled={busy} onClick={act}>
        Shut it out
      </button>
    </Dialog>
  );
}

const SILENT = 'Central does not answer. What has begun, it goes on with when it can.';

const Failed = ({ why }: { why: string }) =>
  why === '' ? null : (
    <p class="note bad" role="alert">
      {why}
    </p>
  );

function Remove({ site, machines, close }: SiteProps & { close(): void }) {
  const [failed, setFailed] = useState('');
  const [busy, setBusy] = useState(false);
  const [told, setTold] = useState<Removal | undefined>();
  const isLeft = useRef(false);
  useEffect(
    () => () => {
      isLeft.current = true;
    },
    [],
  );
  const act = async (event: Event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const confirm = String(form.get('confirm')).trim();
    if (confirm !== site) return setFailed(`Type ${site}: that is the site that goes.`);
    setBusy(true);
    setFailed('');
    try {
      // Each call is answered after a second, with how far it is.
      for (let isOver = false; !isOver && !isLeft.current; ) {
        const path = `sites/${site}/remove`;
        const { body } = await call<Removal>('POST', path, { body: { confirm } });
        setTold(body);
        isOver = body.endedAt !== null;
        if (isOver) tell(`${site} is removed: ${goneWords(body)}.`, 'good');
        if (isOver && !isLeft.current) close();
      }
    } catch (error) {
      if (isLeft.current) return;
      const isSilent = error instanceof Problem && error.code === 'OFFLINE';
      setFailed(isSilent ? SILENT : (error as Error).message);
      setBusy(false);
    }
  };
  return (
    <Dialog title={`Remove ${site} from the fleet`} onClose={close}>
      <form class="form" onSubmit={act}>
        <Losses site={site} machines={machines} />
        <label>
          To go on, type {site}
          <input
            {...{ name: 'confirm', required: true, maxLength: 63, autocomplete: 'off' }}
            {...{ autocapitalize: 'none', spellcheck: false, readOnly: busy }}
          />
        </label>
        {told && <Progress of={told} />}
        <Failed why={failed} />
        <button type="submit" class="danger" disabled={busy}>
          {told && !busy ? 'Go on' : 'Remove it'}
        </button>
      </form>
    </Dialog>
  );
}

function Losses({ site, machines }: SiteProps) {
  return (
    <div>
      <p>This cannot be undone. What central holds of {site} goes:</p>
      <ul>
        <li>
          {machines === undefined ? 'Its machines count' : countWords(machines)} no more; where
          another site claims one, it is that site’s.
        </li>
        <li>Its events, its own pools, and which machines are in pools are deleted.</li>
        <li>Pools of the fleet lose their part there; one that has no other part is removed.</li>
        <li>
          What it was asked for and has not answered is refused; requests go on at other sites.
        </li>
        <li>What it has taken on, and open jobs, are lost.</li>
      </ul>
      <p>
        Requests and jobs that have ended stay as long as any others. Its appliance works on alone,
        with all that it knows.
      </p>
    </div>
  );
}

const countWords = (machines: number): string =>
  `${plural(machines, 'machine')} ${machines === 1 ? 'counts' : 'count'}`;

function Progress({ of: { removed, left } }: { of: Removal }) {
  const done = (removed.machines ?? 0) + (removed.events ?? 0);
  const rest = left.machines + left.events;
  return (
    <div role="status">
      <progress
        max={Math.max(1, done + rest)}
        value={done}
        aria-label="Machines and events that are gone"
      />
      <p>
        {plural(left.machines, 'machine')} and {plural(left.events, 'event')} are left. If this page
        is closed, central goes on by itself within ten minutes.
      </p>
    </div>
  );
}

/** As they are called on the page. */
const WORDS: Readonly<Record<string, string>> = {
  poolParts: 'part of a pool',
  orders: 'order',
  requests: 'part of a request',
  jobs: 'job',
  resets: 'reset',
  machines: 'machine',
  poolMembers: 'pool member',
  pools: 'own pool',
  events: 'event',
};
const MANY: Readonly<Record<string, string>> = {
  poolParts: 'parts of pools',
  requests: 'parts of requests',
};

function goneWords({ removed }: Removal): string {
  const words = Object.entries(removed).map(([what, count]) => {
    const one = WORDS[what] ?? what;
    return plural(count, one, MANY[what] ?? `${one}s`);
  });
  return words.join(', ') || 'central held nothing of it';
}
