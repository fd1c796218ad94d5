/** One generation of DNS: its cause, what it changed record by record, and the way back to it. */
import type { Operations } from '../../client/operations.generated.ts';
import { post } from '../api.ts';
import { tell, tellProblem } from '../notices.ts';
import { useRead } from '../resource.ts';
import { may } from '../session.ts';
import { Dialog, Reading, When } from './common.tsx';
import { Diff } from './diff.tsx';

export type Generation = Operations['GET /dns/generations']['answer']['generations'][number];

export function DiffOf({ path }: { path: string }) {
  const diff = useRead<{ text: string }>(path);
  return diff.value ? <Diff text={diff.value.text} /> : <Reading of={diff} />;
}

export function GenerationDialog({
  generation,
  served,
  close,
}: {
  generation: Generation;
  served: boolean;
  close(): void;
}) {
  const rollback = () =>
    post('dns/rollback', { generation: generation.id })
      .then(
        () => tell(`Generation ${generation.id} is served again, and held.`, 'good'),
        tellProblem,
      )
      .then(close);
  return (
    <Dialog title={`Generation ${generation.id}`} onClose={close}>
      <p>
        {generation.cause}, <When at={generation.at} />
      </p>
      {generation.faults.map(({ code, name, why }) => (
        <p key={`${code} ${name}`} class="note bad">
          <code>{name}</code> {why}
        </p>
      ))}
      <DiffOf path={`dns/generations/${generation.id}`} />
      {may('operator') && !served && generation.status === 'served' && (
        <div class="buttons spaced">
          <button type="button" class="danger" onClick={() => void rollback()}>
            Roll back to it
          </button>
        </div>
      )}
    </Dialog>
  );
}
