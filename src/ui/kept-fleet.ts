/**
 * The fleet as it was last known, kept on this device: once a minute while it changes, when the line is lost, and when the
 * page is put away. A few hundred machines at a time, while the browser has nothing else to do, so that nobody who types feels
 * five thousand of them. A keeping that was cut short leaves the one before it in place.
 */
import { signInNeeded } from './api.ts';
import { clockOffset, connection, heardAt, setClock } from './feed.ts';
import { fleet, fleetLoaded, fleetVersion, type Row, restoreFleet, siteName } from './fleet.ts';
import { flushAnswers, forgetKept, keep, kept } from './kept.ts';
import { isFleet, type Session, session } from './session.ts';

const EVERY_MS = 60_000;
const FIRST_MS = 3000;
const ROWS_AT_ONCE = 200;

interface Head {
  /** Which of the two sets of parts is whole. */
  readonly half: 0 | 1;
  readonly parts: number;
  readonly site: string;
  readonly heardAt: number;
  readonly clockOffsetMs: number;
  readonly session: Session;
}

const partKey = (half: number, part: number): string => `fleet/${half}/${part}`;
const last: { half: 0 | 1; version: number; busy: boolean } = { half: 0, version: -1, busy: false };

const idle = (): Promise<void> =>
  new Promise((done) => {
    // Safari has no idle callback.
    if (typeof requestIdleCallback === 'undefined') setTimeout(done, 50);
    else requestIdleCallback(() => done(), { timeout: 500 });
  });

/** @param urgent the page may be gone in a moment: all at once */
async function keepFleet(urgent = false): Promise<void> {
  const who = session.peek();
  // Of many sites only who looks is kept here: central's pages read their answers one by one.
  if (!who || heardAt.peek() === 0 || !(fleetLoaded.peek() || isFleet.peek())) return;
  if (last.busy && !urgent) return;
  last.busy = true;
  const version = fleetVersion.peek();
  const half = last.half === 0 ? 1 : 0;
  const rows = [...fleet.values()];
  const parts = Math.ceil(rows.length / ROWS_AT_ONCE);
  const partOf = (part: number) => ({
    [partKey(half, part)]: rows.slice(part * ROWS_AT_ONCE, (part + 1) * ROWS_AT_ONCE),
  });
  const { csrf: _secret, ...person } = who;
  const head: Head = {
    ...{ half, parts, site: siteName.peek(), session: person },
    ...{ heardAt: heardAt.peek(), clockOffsetMs: clockOffset() },
  };
  const isGone = () => session.peek()?.who !== who.who;
  if (urgent) {
    const all = Array.from({ length: parts }, (_, part) => partOf(part));
    await keep(Object.assign({ head }, ...all));
  } else {
    for (let part = 0; part < parts; part++) {
      await idle();
      if (isGone()) break;
      await keep(partOf(part));
    }
    if (!isGone()) await keep({ head });
  }
  last.busy = false;
  if (!isGone()) Object.assign(last, { half, version });
}

/** Shows what was kept, when the appliance does not answer. @returns whether there was anything */
export async function showKept(): Promise<boolean> {
  const head = await kept<Head>('head');
  if (!head || fleetLoaded.peek() || connection.peek() === 'live') return false;
  const numbers = Array.from({ length: head.parts }, (_, part) => part);
  const parts = await Promise.all(numbers.map((part) => kept<Row[]>(partKey(head.half, part))));
  if (fleetLoaded.peek()) return false;
  setClock(Date.now() + head.clockOffsetMs);
  session.value = head.session;
  heardAt.value = head.heardAt;
  restoreFleet(
    parts.flatMap((rows) => rows ?? []),
    head.site,
  );
  return true;
}

/** What another person has left behind is nobody's business here. */
async function keepOnlyFor(who: string): Promise<void> {
  const head = await kept<Head>('head');
  if (!head) return;
  last.half = head.half;
  if (head.session.who !== who) await forgetKept();
}

export function startKeeping(): void {
  signInNeeded.subscribe((needed) => needed && void forgetKept());
  session.subscribe((person) => person && void keepOnlyFor(person.who));
  const changed = () => fleetVersion.peek() !== last.version;
  const now = () => connection.peek() === 'live' && changed() && void keepFleet();
  setInterval(now, EVERY_MS);
  fleetLoaded.subscribe((loaded) => loaded && setTimeout(now, FIRST_MS));
  // Even if nothing has changed: it was heard until now.
  connection.subscribe((state) => state === 'lost' && void keepFleet());
  addEventListener('visibilitychange', () => {
    if (document.visibilityState !== 'hidden' || connection.peek() === 'connecting') return;
    void flushAnswers();
    if (changed()) void keepFleet(true);
  });
}
