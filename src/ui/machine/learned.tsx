/** What has worked and failed on this machine and on others like it: the next boot goes by it (docs/diagnoses.md). Operators may change it. */
import { useState } from 'preact/hooks';
import type { Operations } from '../../client/operations.generated.ts';
import { call } from '../api.ts';
import { tellProblem } from '../notices.ts';
import { Badge, Panel, Table } from '../parts/common.tsx';
import { WhyDialog } from '../parts/why-dialog.tsx';
import { named, useRead } from '../resource.ts';
import { may } from '../session.ts';
import type { MachineView } from './types.ts';

type Answer = Operations['GET /quirks']['answer'];
type Quirk = Answer['quirks'][number];

const WORDS: Readonly<Record<string, string>> = {
  ...{ binary: 'Boot file', blksize: 'Block size of TFTP', 'local-boot': 'Way to its disk' },
  override: 'Order for a network boot',
};

export function Learned({ machine }: { machine: MachineView }) {
  const { bootMac, manufacturer, product } = machine;
  const answer = useRead<Answer>('quirks', named('quirk.changed'));
  const mine = (answer.value?.quirks ?? []).filter(({ scope, subject }) =>
    scope === 'machine'
      ? subject === bootMac
      : subject.startsWith(`${manufacturer} / ${product} /`),
  );
  const [writing, setWriting] = useState(false);
  const mayWrite = may('operator');
  if (mine.length === 0 && !mayWrite) return null;
  const write = mayWrite && (
    <button type="button" class="quiet" onClick={() => setWriting(true)}>
      Write…
    </button>
  );
  return (
    <Panel title="What was learned" beside={write}>
      {mine.length === 0 && <p class="dim">Nothing: it has booted as machines do.</p>}
      {mine.length > 0 && (
        <Table
          label="What works and fails"
          head={[
            'Of',
            'What',
            'Value',
            'Outcome',
            'Why',
            ...(mayWrite ? [{ spoken: 'Forget' }] : []),
          ]}
        >
          {mine.map((one) => (
            <Row key={`${one.subject} ${one.trait} ${one.value}`} of={one} mayWrite={mayWrite} />
          ))}
        </Table>
      )}
      {writing && <WriteDialog machine={machine} close={() => setWriting(false)} />}
    </Panel>
  );
}

function Row({ of, mayWrite }: { of: Quirk; mayWrite: boolean }) {
  const { scope, subject, trait, value, outcome, why, source } = of;
  const forget = () => {
    const key = new URLSearchParams({ scope, subject, trait, value });
    call('DELETE', `quirks?${key}`).catch(tellProblem);
  };
  return (
    <tr>
      <td>{scope === 'machine' ? 'this machine' : subject}</td>
      <td>{WORDS[trait] ?? trait}</td>
      <td>
        <code>{value}</code>
      </td>
      <td>
        <Badge word={outcome} />
      </td>
      <td>
        {why}
        {source !== 'learned' && <span class="dim"> (by {source})</span>}
      </td>
      {mayWrite && (
        <td>
          <button type="button" class="quiet" onClick={forget}>
            Forget
          </button>
        </td>
      )}
    </tr>
  );
}

/** A person's word: it comes before what is learned, and learning never changes it. */
function WriteDialog({ machine, close }: { machine: MachineView; close(): void }) {
  const { bootMac, manufacturer, product, biosVersion } = machine;
  const model = [manufacturer, product, biosVersion].filter((text) => text !== '').join(' / ');
  return (
    <WhyDialog
      title="What works, and what does not"
      says="It comes before what is learned by itself, and is never changed by that."
      word="Write"
      told="Written: the next boot goes by it."
      act={(why, form) => {
        const [scope = '', subject = ''] =
          form.get('of') === 'model' ? ['model', model] : ['machine', bootMac];
        const said = Object.fromEntries(
          ['trait', 'value', 'outcome'].map((name) => [name, String(form.get(name)).trim()]),
        );
        return call('PUT', 'quirks', { body: { scope, subject, ...said, why } });
      }}
      close={close}
    >
      <label>
        Of
        <select name="of">
          <option value="machine">this machine</option>
          {model !== '' && <option value="model">{model}</option>}
        </select>
      </label>
      <label>
        What
        <select name="trait">
          {Object.entries(WORDS).map(([trait, says]) => (
            <option key={trait} value={trait}>
              {says}
            </option>
          ))}
        </select>
      </label>
      <label>
        Value
        <input name="value" required maxLength={128} autocomplete="off" placeholder="ipxe.efi" />
      </label>
      <label>
        Outcome
        <select name="outcome">
          <option value="works">works</option>
          <option value="fails">fails</option>
        </select>
      </label>
    </WhyDialog>
  );
}
