/**
 * A request for machines. What it would get is shown beside it while one types, by the appliance's own matching: first how
 * many machines meet the hardware, then, when role and image are known, which ones and why, and why not the others.
 */
import { useMemo, useState } from 'preact/hooks';
import { post } from '../api.ts';
import { fleet } from '../fleet.ts';
import { tell } from '../notices.ts';
import { Empty, Panel, Title } from '../parts/common.tsx';
import { CapacityTable, Match } from '../provisioning/match.tsx';
import { MainFields, MoreFields } from '../provisioning/request-fields.tsx';
import { usePlan } from '../provisioning/use-plan.ts';
import { bodyOf, lacking, NO_WISH, readWish, type Wish } from '../provisioning/wish.ts';
import { go } from '../router.ts';
import { mayAnywhere, session } from '../session.ts';
import '../styles/provisioning.css';

export function RequestNewPage() {
  return (
    <>
      <Title>Ask for machines</Title>
      {mayAnywhere('operator') ? <Ask /> : <MayNotAsk />}
    </>
  );
}

function MayNotAsk() {
  return (
    <>
      <Empty>
        {session.value?.kind === 'session'
          ? 'It takes an operator of a squad, or of the site.'
          : 'Sign in as an operator to ask for machines.'}
      </Empty>
      <Panel title="What is free">
        <CapacityTable hardware="" site="" />
      </Panel>
    </>
  );
}

function Ask() {
  const [wish, setWish] = useState<Wish>(NO_WISH);
  const [failed, setFailed] = useState('');
  const [busy, setBusy] = useState(false);
  const roles = useMemo(rolesOf, []);
  const follow = (event: Event) => {
    const form = event.currentTarget as HTMLFormElement;
    setWish((before) => readWish(new FormData(form), before));
    setFailed('');
  };
  const ask = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const { body } = await post<{ id: string }>('requests', bodyOf(wish));
      tell('It is asked for.', 'good');
      go(`/requests/${body.id}`);
    } catch (error) {
      setFailed((error as Error).message);
      setBusy(false);
    }
  };
  return (
    <div class="ask">
      <form class="form panel" onInput={follow} onSubmit={ask}>
        <MainFields wish={wish} roles={roles} />
        <MoreFields wish={wish} />
        {failed !== '' && (
          <p class="note bad" role="alert">
            {failed}
          </p>
        )}
        <button type="submit" class="primary" disabled={busy}>
          Ask for {wish.count || 'them'}
        </button>
      </form>
      <div>
        <Prospect wish={wish} setWish={setWish} />
      </div>
    </div>
  );
}

/** What there is for such a wish, and once it says enough, what it would get. */
function Prospect({ wish, setWish }: { wish: Wish; setWish(next: Wish): void }) {
  const lacks = lacking(wish);
  const planned = usePlan(lacks.length === 0 ? JSON.stringify(bodyOf(wish)) : '');
  if (lacks.length > 0)
    return (
      <Panel title="What is free">
        <CapacityTable
          hardware={wish.hardware}
          site={wish.site}
          pick={(type) => setWish({ ...wish, hardware: withType(wish.hardware, type) })}
        />
        <p class="dim">Say {lacks.join(', ')} to see which machines, and why.</p>
      </Panel>
    );
  return (
    <Panel title="What you would get">
      <div aria-live="polite" aria-busy={planned.asking} class={planned.asking ? 'old' : ''}>
        {planned.problem && (
          <p class="note bad" role="alert">
            {planned.problem.message}
          </p>
        )}
        {planned.plan && <Match plan={planned.plan} count={Number(wish.count)} />}
        {!planned.plan && !planned.problem && <p class="dim">Matching…</p>}
      </div>
    </Panel>
  );
}

/** Roles that machines of this site have: a request is seldom for the first of its kind. */
function rolesOf(): readonly string[] {
  const roles = new Set<string>();
  for (const { machine } of fleet.values()) if (machine?.role) roles.add(machine.role);
  return [...roles].sort();
}

/** The type in the words, in the place of the one that was there. */
function withType(hardware: string, type: string): string {
  const others = hardware
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '' && !/^type\b/i.test(part));
  return [`type ${type}`, ...others].join(', ');
}
