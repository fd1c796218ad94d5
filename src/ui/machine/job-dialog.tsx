/** Asks for a job: its parameters as the kind describes them, and the machine's name where its data is at stake. */
import { useState } from 'preact/hooks';
import type { Operations } from '../../client/operations.generated.ts';
import { Dialog } from '../parts/common.tsx';
import { askFor, jobWords } from './calls.ts';
import type { MachineView } from './types.ts';

export type JobKind = Operations['GET /jobs/kinds']['answer']['kinds'][number];

/** As much of JSON Schema as the parameters of jobs use. */
interface Property {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
}

function propertiesOf({ params }: JobKind): readonly (readonly [string, Property])[] {
  return Object.entries((params.properties ?? {}) as Record<string, Property>);
}

export function JobDialog({
  machine,
  job,
  close,
}: {
  machine: MachineView;
  job: JobKind;
  close(): void;
}) {
  const [failed, setFailed] = useState('');
  const { hardwarename } = machine;
  const inUse = machine.state === 'in-use' && (job.destructive || job.interrupts);
  const ask = async (event: Event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    try {
      const params = paramsOf(propertiesOf(job), form);
      const release = inUse ? { release: String(form.get('release')).trim() } : {};
      await askFor({ action: job.action, target: hardwarename, params, ...release });
    } catch (error) {
      setFailed((error as Error).message);
    }
  };
  return (
    <Dialog title={`${jobWords(job.action)}: ${hardwarename}`} onClose={close}>
      <form class="form" onSubmit={ask}>
        <p>{job.says}</p>
        <p class="dim">{job.steps.join(' → ')}</p>
        {propertiesOf(job).map(([name, property]) => (
          <Field key={name} name={name} property={property} />
        ))}
        {inUse && (
          <label>
            It is in use. Type {hardwarename} to release it for this.
            <input name="release" required autocomplete="off" />
          </label>
        )}
        {failed !== '' && (
          <p class="note bad" role="alert">
            {failed}
          </p>
        )}
        <button type="submit" class={job.destructive ? 'danger' : 'primary'}>
          {jobWords(job.action)}
        </button>
      </form>
    </Dialog>
  );
}

/** `graceSeconds` as people read it. */
const wordsOf = (name: string): string =>
  jobWords(name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`));

function Field({ name, property }: { name: string; property: Property }) {
  const initial = property.default === undefined ? '' : String(property.default);
  if (property.type === 'boolean')
    return (
      <label class="check">
        <input name={name} type="checkbox" defaultChecked={property.default === true} />{' '}
        {wordsOf(name)}
      </label>
    );
  if (property.enum)
    return (
      <label>
        {wordsOf(name)}
        <select name={name}>
          {property.enum.map((one) => (
            <option key={one} selected={one === initial}>
              {one}
            </option>
          ))}
        </select>
      </label>
    );
  const { minimum, maximum } = property;
  const numeric = property.type === 'integer' || property.type === 'number';
  return (
    <label>
      {wordsOf(name)} {property.description && <small>{property.description}</small>}
      <input
        name={name}
        type={numeric ? 'number' : 'text'}
        defaultValue={initial}
        {...(numeric && { min: minimum, max: maximum })}
      />
    </label>
  );
}

/** What was left empty is left to the kind. */
function paramsOf(properties: readonly (readonly [string, Property])[], form: FormData) {
  const params: Record<string, unknown> = {};
  for (const [name, { type }] of properties) {
    const text = String(form.get(name) ?? '').trim();
    if (type === 'boolean') params[name] = form.get(name) !== null;
    else if (text === '') continue;
    else if (type === 'integer' || type === 'number') params[name] = Number(text);
    else if (type === 'object' || type === 'array') params[name] = JSON.parse(text) as unknown;
    else params[name] = text;
  }
  return params;
}
