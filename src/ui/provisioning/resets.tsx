/** Rolling resets: begun, held, let go, ended; each with how far it is. */
import { useState } from 'preact/hooks';
import type { FleetResetView, ResetSiteView } from '../../central/resets.ts';
import type { Operations } from '../../client/operations.generated.ts';
import { post } from '../api.ts';
import { Badge, Empty, Facts, Panel, Reading, When } from '../parts/common.tsx';
import { Freshness } from '../parts/freshness.tsx';
import { WhyDialog } from '../parts/why-dialog.tsx';
import { named, useRead } from '../resource.ts';
import { machinePath } from '../router.ts';
import { may } from '../session.ts';

export interface Resets {
  readonly resets: readonly Reset[];
}
export type Reset = Operations['GET /resets']['answer']['resets'][number] &
  Partial<Pick<FleetResetView, 'sites'>>;
type Turn = 'pause' | 'resume' | 'abort';

/** @param pool only its own; '' is all @param squad who may turn it */
export function ResetPanel({ pool = '', squad = '' }: { pool?: string; squad?: string }) {
  const list = useRead<Resets>('resets', named('reset.'));
  const resets = (list.value?.resets ?? []).filter((one) => pool === '' || one.pool === pool);
  return (
    <Panel title="Rolling resets" wide>
      <Reading of={list} />
      {list.value && resets.length === 0 && <Empty>None yet.</Empty>}
      {resets.map((reset) => (
        <ResetCard key={reset.id} reset={reset} squad={squad} reload={list.reload} />
      ))}
    </Panel>
  );
}

const TURNS: Readonly<Record<Turn, { word: string; says: string; told: string }>> = {
  pause: {
    word: 'Pause',
    says: 'What has begun is finished; nothing more begins.',
    told: 'It is paused.',
  },
  resume: { word: 'Go on', says: 'It goes on with the next machine.', told: 'It goes on.' },
  abort: {
    word: 'Abort',
    says: 'What has begun is finished; it ends here and cannot be taken up again.',
    told: 'It has ended.',
  },
};

function turnsOf({ status }: Reset): readonly Turn[] {
  if (status === 'running') return ['pause', 'abort'];
  return status === 'paused' ? ['resume', 'abort'] : [];
}

interface CardProps {
  readonly reset: Reset;
  readonly squad: string;
  reload(): void;
}

function ResetCard({ reset, squad, reload }: CardProps) {
  const [turn, setTurn] = useState<Turn | undefined>();
  const { id, pool, site, status, machines, sites, atOnceMax, startedAt, endedAt } = reset;
  const [over, all, what] = sites ? sitesOver(sites) : machinesOver(machines);
  const allowed = pool === '' ? may('operator') : may('operator', squad);
  return (
    <section class="reset" data-reset={id} data-status={status}>
      <div class="panel-head">
        <h3>
          {pool === '' ? `All pools of ${site}` : <a href={`/pools/${pool}`}>{pool}</a>}{' '}
          <Badge word={status} />
        </h3>
        <div class="buttons">
          {allowed &&
            turnsOf(reset).map((one) => (
              <button
                key={one}
                type="button"
                class={one === 'abort' ? 'danger' : one === 'resume' ? 'primary' : ''}
                onClick={() => setTurn(one)}
              >
                {TURNS[one].word}…
              </button>
            ))}
        </div>
      </div>
      <progress
        max={Math.max(1, all)}
        value={over}
        aria-label={`${over} of ${all} ${what.toLowerCase()}`}
      />
      <Facts
        of={[
          [what, `${over} of ${all}`],
          ['At once', String(atOnceMax)],
          ['Why', reset.why],
          ['By', reset.who],
          ['Begun', <When key="b" at={startedAt} />],
          ['Begins no more', endedAt === null && !sites && <When key="d" at={reset.deadlineAt} />],
          ['Ended', endedAt !== null && <When key="e" at={endedAt} />],
        ]}
      />
      {sites ? <ResetSites sites={sites} /> : <Machines reset={reset} />}
      {turn && (
        <WhyDialog
          title={`${TURNS[turn].word}: rolling reset ${id}`}
          says={TURNS[turn].says}
          word={TURNS[turn].word}
          told={TURNS[turn].told}
          danger={turn === 'abort'}
          act={(why) => post(`resets/${id}/${turn}`, { why })}
          close={() => {
            setTurn(undefined);
            reload();
          }}
        />
      )}
    </section>
  );
}

const machinesOver = (machines: Reset['machines']): [number, number, string] => {
  const over = machines.filter((one) => ['done', 'failed', 'gone'].includes(one.status));
  return [over.length, machines.length, 'Machines'];
};

const sitesOver = (sites: readonly ResetSiteView[]): [number, number, string] => {
  const over = sites.filter((one) => !['waiting', 'asked', 'running'].includes(one.status));
  return [over.length, sites.length, 'Sites'];
};

/** One after the other, in this order. */
function ResetSites({ sites }: { sites: readonly ResetSiteView[] }) {
  return (
    <ul class="plain-list">
      {sites.map(({ site, status, done, failed, why, ...fresh }) => (
        <li key={site}>
          {site} {fresh.freshness !== 'current' && <Freshness of={fresh} />}
          <span>
            {(done > 0 || failed > 0) && `${done} done${failed > 0 ? `, ${failed} failed` : ''} `}
            <span class="dim">{why}</span> <Badge word={status} />
          </span>
        </li>
      ))}
    </ul>
  );
}

function Machines({ reset: { machines } }: { reset: Reset }) {
  const moving = machines.filter(({ status }) => status === 'running' || status === 'failed');
  return (
    <>
      {moving.length > 0 && (
        <ul class="plain-list">
          {moving.map(({ hardwarename, status, job, code }) => (
            <li key={hardwarename}>
              <a href={machinePath(hardwarename)}>{hardwarename}</a>
              <span>
                {code !== '' && <code>{code}</code>}{' '}
                {job !== '' && <a href={`/jobs/${job}`}>job</a>} <Badge word={status} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

/** @param pool '' resets all pools of the site */
export function BeginReset({ pool, reload }: { pool: string; reload(): void }) {
  const [open, setOpen] = useState(false);
  const of = pool === '' ? 'all pools of this site' : pool;
  return (
    <>
      <button type="button" class="danger" onClick={() => setOpen(true)}>
        Rolling reset…
      </button>
      {open && (
        <WhyDialog
          title={`Install ${of} anew`}
          says={`Every machine of ${of} is installed anew, one after the other. What is on their disks is lost.`}
          word="Begin"
          told="The rolling reset has begun."
          danger
          act={(why, form) => post('resets', bodyOf(pool, why, form))}
          close={() => {
            setOpen(false);
            reload();
          }}
        >
          <div class="form-row">
            <label>
              Away at once
              <input name="atOnceMax" type="number" min="1" max="1000" defaultValue="1" required />
            </label>
            <label>
              Within hours
              <input
                name="withinHours"
                type="number"
                min="0.01"
                max="720"
                step="any"
                defaultValue="24"
                required
              />
            </label>
            <label>
              Failures that it bears
              <input
                name="failuresMax"
                type="number"
                min="0"
                max="1000"
                defaultValue="0"
                required
              />
            </label>
          </div>
          <label>
            Image, if another
            <input name="image" placeholder="that of the pool" autocapitalize="none" />
          </label>
        </WhyDialog>
      )}
    </>
  );
}

function bodyOf(pool: string, why: string, form: FormData) {
  const number = (name: string) => Number(form.get(name));
  const image = String(form.get('image') ?? '').trim();
  return {
    ...(pool !== '' && { pool }),
    ...(image !== '' && { image }),
    atOnceMax: number('atOnceMax'),
    withinHours: number('withinHours'),
    failuresMax: number('failuresMax'),
    why,
  };
}
