/**
 * What a request would get, asked again while somebody types: when the typing has stopped for a moment, and never two
 * questions at once. The last answer stays until the next one is there.
 */
import { useEffect, useState } from 'preact/hooks';
import type { Operations } from '../../client/operations.generated.ts';
import { call, type Problem } from '../api.ts';

export type Plan = Operations['POST /requests/plan']['answer'];

const PAUSE_MS = 350;

/** The value as it was when it last stood still for a moment. */
export function useSettled(value: string): string {
  const [settled, settle] = useState(value);
  useEffect(() => {
    if (value === settled) return;
    const timer = setTimeout(() => settle(value), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [value, settled]);
  return settled;
}

export interface Planned {
  readonly plan: Plan | undefined;
  readonly problem: Problem | undefined;
  /** An answer is on its way. */
  readonly asking: boolean;
}

const NONE: Planned = { plan: undefined, problem: undefined, asking: false };

/** @param body of the request as JSON; '' asks nothing yet */
export function usePlan(body: string): Planned {
  const settled = useSettled(body);
  const [state, setState] = useState<Planned>(NONE);
  useEffect(() => {
    if (settled === '') {
      setState(NONE);
      return;
    }
    const abort = new AbortController();
    setState((old) => ({ ...old, asking: true }));
    const wish: unknown = JSON.parse(settled);
    call<Plan>('POST', 'requests/plan', { body: wish, signal: abort.signal }).then(
      ({ body: plan }) => setState({ plan, problem: undefined, asking: false }),
      (error) => {
        if (!abort.signal.aborted)
          setState({ plan: undefined, problem: error as Problem, asking: false });
      },
    );
    return () => abort.abort();
  }, [settled]);
  return { ...state, asking: state.asking || settled !== body };
}
