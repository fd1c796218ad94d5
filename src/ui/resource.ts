/**
 * What a page has read from the API: the last answer that came, whether a newer one failed, and the way to read it again.
 * It is read anew when an event of the named kinds passes by, at most once in half a second; of a fleet, every few seconds. A failed
 * reading leaves what was there in place; where nothing was, and the appliance does not answer, it is what this device kept when it
 * was last here.
 */
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { StoredEvent } from '../events.ts';
import { type Problem, read } from './api.ts';
import { connection, onEvents } from './feed.ts';
import { keepAnswer, keptAnswer } from './kept.ts';
import { isFleet } from './session.ts';
import { FLEET_READ_MS } from './sites.ts';

export interface Resource<Body> {
  readonly value: Body | undefined;
  readonly problem: Problem | undefined;
  /** When the value was read, by this device's clock. */
  readonly at: number;
  reload(): void;
}

const AGAIN_MS = 500;

/** @param path below /api/v1/; '' reads nothing yet @param concerns which events make the answer old */
export function useRead<Body>(
  path: string,
  concerns?: (event: StoredEvent) => boolean,
): Resource<Body> {
  const value = useSignal<Body | undefined>(undefined);
  const problem = useSignal<Problem | undefined>(undefined);
  const at = useSignal(0);
  const reload = useRef<() => void>(() => undefined);
  const concern = useRef(concerns);
  concern.current = concerns;
  useEffect(() => {
    if (path === '') return;
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const load = () =>
      read<Body>(path, abort.signal).then(
        (body) => {
          value.value = body;
          problem.value = undefined;
          at.value = Date.now();
          keepAnswer(path, body);
        },
        async (error) => {
          if (abort.signal.aborted) return;
          problem.value = error as Problem;
          if (value.peek() !== undefined || (error as Problem).code !== 'OFFLINE') return;
          const kept = await keptAnswer<Body>(path);
          if (!kept || abort.signal.aborted || value.peek() !== undefined) return;
          value.value = kept.body;
          at.value = kept.at;
        },
      );
    const soon = () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        load();
      }, AGAIN_MS);
    };
    reload.current = () => void load();
    load();
    const stop = onEvents((events) => {
      if (concern.current && events.some(concern.current)) soon();
    });
    const again = isFleet.peek() && concern.current && setInterval(load, FLEET_READ_MS);
    // What failed for want of a network is read again when there is one.
    const unfollow = connection.subscribe((state) => {
      if (state === 'live' && problem.peek()?.code === 'OFFLINE') soon();
    });
    return () => {
      unfollow();
      abort.abort();
      clearTimeout(timer);
      if (again) clearInterval(again);
      stop();
    };
  }, [path]);
  return {
    ...{ value: value.value, problem: problem.value, at: at.value },
    reload: () => reload.current(),
  };
}

/** Events whose name begins so. */
export const named =
  (...prefixes: readonly string[]) =>
  (event: StoredEvent): boolean =>
    prefixes.some((prefix) => event.name.startsWith(prefix));
