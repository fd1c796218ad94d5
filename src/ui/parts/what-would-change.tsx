/**
 * What another configuration, record or template would change over the whole fleet, asked before anybody applies it. The appliance
 * makes the comparison on a copy; nothing here changes anything.
 */
import { useState } from 'preact/hooks';
import { post } from '../api.ts';
import { may } from '../session.ts';
import { Panel } from './common.tsx';
import { Diff } from './diff.tsx';
import { type Answer, KINDS, type Kind, linesOf, proposalOf } from './what-would-change-text.ts';

/** What its name looks like, where one might not know. */
const NAMED: Partial<Record<Kind, string>> = {
  ...{ script: 'pxeimage.ipxe', template: 'debian-12/stable', channel: 'debian-12/stable' },
};
/** What is given of it, where that is no record. */
const GIVEN: Partial<Record<Kind, string>> = {
  ...{ config: 'The whole text of it', script: 'The whole text of it' },
  ...{ template: 'The whole text of it', channel: 'The version that it would point to' },
};
/** They are the appliance's own files. */
const FILES: readonly Kind[] = ['config', 'script'];

export function WhatWouldChange() {
  const kinds = (Object.keys(KINDS) as Kind[]).filter(
    (each) => may('admin') || !FILES.includes(each),
  );
  const [kind, setKind] = useState<Kind>(kinds[0] ?? 'subnet');
  const [name, setName] = useState('');
  const [text, setText] = useState('');
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState('');
  const [answer, setAnswer] = useState<Answer | undefined>(undefined);
  const ask = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setFailed('');
    setAnswer(undefined);
    try {
      const { body } = await post<Answer>(
        'configuration/diff',
        proposalOf(kind, name.trim(), text),
      );
      setAnswer(body);
    } catch (error) {
      setFailed((error as Error).message);
    }
    setBusy(false);
  };
  return (
    <Panel title="What would change" wide>
      <form class="form" onSubmit={ask}>
        <label>
          If this were another:
          <select value={kind} onChange={(event) => setKind(event.currentTarget.value as Kind)}>
            {kinds.map((value) => (
              <option key={value} value={value}>
                {KINDS[value]}
              </option>
            ))}
          </select>
        </label>
        {kind !== 'config' && (
          <label>
            Its name
            <input
              required
              value={name}
              placeholder={NAMED[kind] ?? ''}
              onInput={(event) => setName(event.currentTarget.value)}
            />
          </label>
        )}
        <label>
          {GIVEN[kind] ?? 'The record; empty: deleted'}
          <textarea
            class="mono"
            rows={8}
            spellcheck={false}
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="primary" disabled={busy}>
          {busy ? 'Comparing…' : 'Compare'}
        </button>
        <p class="dim">Nothing is changed by asking.</p>
      </form>
      <div aria-live="polite">
        {failed !== '' && <p class="note bad">{failed}</p>}
        {answer && <Compared answer={answer} />}
      </div>
    </Panel>
  );
}

function Compared({ answer }: { answer: Answer }) {
  const { asked, machines, counts, faults } = answer;
  return (
    <div data-compared>
      <p>
        <b>
          {counts.answers} answers change for {counts.machines} of {machines} machines;{' '}
          {counts.leases} leases get another segment or none; {counts.records} records of zones
          change.
        </b>
        {asked < machines && ` Only ${asked} machines were asked about: the time was over.`}
      </p>
      {faults.map((fault) => (
        <p key={fault} class="note bad">
          The new zones would be refused: {fault}
        </p>
      ))}
      <Diff text={linesOf(answer)} />
    </div>
  );
}
