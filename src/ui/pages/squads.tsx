/** Squads: what each has of what it may have, in all and of each hardware type; live, from the machines that the page follows. */
import { useState } from 'preact/hooks';
import type { Operations } from '../../client/operations.generated.ts';
import { call } from '../api.ts';
import { fleet, fleetVersion } from '../fleet.ts';
import { plural } from '../format.ts';
import { tell } from '../notices.ts';
import { Dialog, Empty, Panel, Reading, Title } from '../parts/common.tsx';
import {
  NO_USAGE,
  readTypeQuotas,
  typeQuotaText,
  type Usage,
  type Used,
  usageOf,
} from '../provisioning/usage.ts';
import { named, useRead } from '../resource.ts';
import { may } from '../session.ts';
import '../styles/provisioning.css';

type List = Operations['GET /squads']['answer'];
type Squad = List['items'][number];

function* machinesOf(): Iterable<Used> {
  for (const { machine } of fleet.values()) if (machine) yield machine;
}

export function SquadsPage() {
  fleetVersion.value;
  const list = useRead<List>('squads?limit=1000', named('record.changed'));
  const [edited, edit] = useState<Squad | undefined>();
  const usage = usageOf(machinesOf());
  const squads = list.value?.items ?? [];
  return (
    <>
      <Title beside={<span class="dim">{plural(squads.length, 'squad')}</span>}>
        Squads and their quotas
      </Title>
      <Reading of={list} />
      {list.value && squads.length === 0 && (
        <Empty>
          No squad is on record. <code>reveille squads put NAME</code> enters one.
        </Empty>
      )}
      <div class="panels">
        {squads.map((squad) => (
          <SquadPanel
            key={squad.name}
            squad={squad}
            usage={usage.get(squad.name) ?? NO_USAGE}
            edit={edit}
          />
        ))}
        <Free usage={usage.get('') ?? NO_USAGE} />
      </div>
      {edited && (
        <QuotaDialog
          squad={edited}
          close={() => {
            edit(undefined);
            list.reload();
          }}
        />
      )}
    </>
  );
}

interface SquadProps {
  readonly squad: Squad;
  readonly usage: Usage;
  edit(squad: Squad): void;
}

function SquadPanel({ squad, usage, edit }: SquadProps) {
  const { name, contact, quota, notes } = squad;
  const types = new Set([...usage.types.keys(), ...Object.keys(quota?.types ?? {})]);
  return (
    <Panel
      title={name}
      beside={
        may('admin') && (
          <button type="button" class="quiet" onClick={() => edit(squad)}>
            Quota…
          </button>
        )
      }
    >
      <ul class="bars quota" data-squad={name}>
        <Bar
          word="all"
          href={`/machines?squad=${encodeURIComponent(name)}`}
          used={usage.machines}
          most={quota?.machines}
        />
        {[...types].sort().map((type) => (
          <Bar
            key={type}
            word={type || 'no type'}
            href={`/machines?squad=${encodeURIComponent(name)}&hardwareType=${encodeURIComponent(type)}`}
            used={usage.types.get(type) ?? 0}
            most={quota?.types?.[type]}
          />
        ))}
      </ul>
      {usage.out > 0 && (
        <p class="dim">
          {plural(usage.out, 'machine is', 'machines are')} broken or retired, and not counted.
        </p>
      )}
      <p class="dim">
        {[contact, notes].filter(Boolean).join(' · ')}{' '}
        <a href={`/requests?squad=${encodeURIComponent(name)}`}>its requests</a>
      </p>
    </Panel>
  );
}

interface BarProps {
  readonly word: string;
  readonly href: string;
  readonly used: number;
  /** undefined: no limit. */
  readonly most: number | undefined;
}

function Bar({ word, href, used, most }: BarProps) {
  const full = most !== undefined && used >= most;
  const share = most === undefined ? 0 : most === 0 ? 1 : Math.min(1, used / most);
  return (
    <li>
      <a href={href}>{word}</a>
      <span class="track">
        <i class={full ? 'held' : 'in-use'} style={{ width: `${100 * share}%` }} />
      </span>
      <b>{used.toLocaleString('en')}</b>
      <span class="dim">
        {most === undefined ? 'no limit' : `of ${most.toLocaleString('en')}`}
        {full && ', full'}
      </span>
    </li>
  );
}

function Free({ usage }: { usage: Usage }) {
  if (usage.machines === 0) return null;
  return (
    <Panel title="No squad's">
      <p>
        {plural(usage.machines, 'machine')}:{' '}
        {[...usage.types].map(([type, count]) => `${count} ${type || 'without a type'}`).join(', ')}
      </p>
    </Panel>
  );
}

type Edited = Pick<Squad, 'name' | 'version' | 'contact' | 'notes' | 'quota'>;

export function QuotaDialog({ squad, close }: { squad: Edited; close(): void }) {
  const [failed, setFailed] = useState('');
  const save = async (event: Event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const why = String(form.get('why')).trim();
    try {
      const body = { contact: squad.contact, notes: squad.notes, ...quotaOf(form) };
      const path = `squads/${encodeURIComponent(squad.name)}?why=${encodeURIComponent(why)}`;
      await call('PUT', path, { body, version: squad.version });
      tell(`The quota of ${squad.name} is written.`, 'good');
      close();
    } catch (error) {
      setFailed((error as Error).message);
    }
  };
  return (
    <Dialog title={`Quota of ${squad.name}`} onClose={close}>
      <form class="form" onSubmit={save}>
        <label>
          Machines in all; empty is no limit
          <input
            name="machines"
            type="number"
            min="0"
            max="1000000"
            defaultValue={String(squad.quota?.machines ?? '')}
          />
        </label>
        <label>
          Of a hardware type: type and number, divided by commas
          <input
            name="types"
            placeholder="gpu 4, high-io 20"
            autocapitalize="none"
            spellcheck={false}
            defaultValue={typeQuotaText(squad.quota?.types)}
          />
        </label>
        <label>
          Why
          <input name="why" required autocomplete="off" />
        </label>
        <p class="dim">Requests and pools stop there, and go on when there is room.</p>
        {failed !== '' && (
          <p class="note bad" role="alert">
            {failed}
          </p>
        )}
        <button type="submit" class="primary">
          Write it
        </button>
      </form>
    </Dialog>
  );
}

/** @throws Error that names what cannot be read */
function quotaOf(form: FormData): Pick<Squad, 'quota'> {
  const machines = String(form.get('machines')).trim();
  const types = readTypeQuotas(String(form.get('types')));
  const quota = {
    ...(machines !== '' && { machines: Number(machines) }),
    ...(Object.keys(types).length > 0 && { types }),
  };
  return Object.keys(quota).length > 0 ? { quota } : {};
}
