/**
 * Warm capacity: how many free machines wait in pxeimage, ready to be installed within a moment, and how many are off. Pure.
 *
 * A rule keeps so many machines of a type warm. What is warm beyond that and has waited for long enough is switched off; when
 * the warm ones become fewer, because they were taken or have failed, cold ones are switched on. Each machine belongs to the
 * first rule that it fits, and one that fits none is left alone. Machines on their way to being warm count as warm, so that
 * a slow boot is not answered by another machine, and so does nothing twice.
 */
import type { Hardwarename } from '../wire/ids.ts';

export interface WarmRule {
  /** Hardware type; absent: every one. */
  readonly type?: string | undefined;
  readonly site?: string | undefined;
  readonly count: number;
}

export interface WarmMachine {
  readonly hardwarename: Hardwarename;
  readonly type: string;
  readonly site: string;
  /** Of its rack, by `rackPlace`. */
  readonly place: string;
  /** Failed jobs: those with fewer are kept ready. */
  readonly failures: number;
  /** `leaving`: a job that switches it off has been asked for; `other`: in the hands of some other job. */
  readonly is: 'warm' | 'waking' | 'cold' | 'leaving' | 'other';
  /** Since when it has nothing to do; meaningful for warm ones. */
  readonly idleSinceAt: number;
}

export interface WarmAction {
  readonly rule: WarmRule;
  /** With those that are on their way, before anything of this is done. */
  readonly warm: number;
  readonly wake: readonly Hardwarename[];
  readonly rest: readonly Hardwarename[];
  /** So many more would be needed than there are. */
  readonly short: number;
}

export interface WarmFacts {
  readonly rules: readonly WarmRule[];
  readonly machines: readonly WarmMachine[];
  readonly now: number;
  readonly idleMs: number;
  /** Machines that are switched in one go: the others follow. */
  readonly movesMax: number;
}

export function nextWarm(facts: WarmFacts): WarmAction[] {
  const left = new Set(facts.machines);
  return facts.rules.map((rule) => {
    const mine = [...left].filter((machine) => fits(rule, machine));
    for (const machine of mine) left.delete(machine);
    return actionOf(rule, mine, facts);
  });
}

function fits({ type, site }: WarmRule, machine: WarmMachine): boolean {
  return (
    (type === undefined || type === machine.type) && (site === undefined || site === machine.site)
  );
}

function actionOf(
  rule: WarmRule,
  machines: readonly WarmMachine[],
  { now, idleMs, movesMax }: WarmFacts,
): WarmAction {
  const of = (...states: WarmMachine['is'][]) => machines.filter(({ is }) => states.includes(is));
  const ready = of('warm', 'waking');
  const missing = rule.count - ready.length;
  const cold = missing > 0 ? of('cold') : [];
  const idle = missing < 0 ? of('warm').filter((one) => one.idleSinceAt + idleMs <= now) : [];
  return {
    ...{ rule, warm: ready.length },
    wake: namesOf(wakers(cold, ready, Math.min(missing, movesMax))),
    rest: namesOf(idle.sort(leavesFirst).slice(0, Math.min(-missing, movesMax))),
    short: Math.max(0, missing - cold.length),
  };
}

const namesOf = (machines: readonly WarmMachine[]) =>
  machines.map(({ hardwarename }) => hardwarename);

/** Who has failed more often goes first, then who has waited longest. */
function leavesFirst(a: WarmMachine, b: WarmMachine): number {
  return b.failures - a.failures || a.idleSinceAt - b.idleSinceAt || byName(a, b);
}

/** In the order in which they are woken: sound ones first, and each in the rack that has the fewest ready ones by then. */
function wakers(
  cold: readonly WarmMachine[],
  ready: readonly WarmMachine[],
  count: number,
): WarmMachine[] {
  const inRack = new Map<string, number>();
  const readyIn = ({ place }: WarmMachine) => inRack.get(place) ?? 0;
  const add = (machine: WarmMachine) => inRack.set(machine.place, readyIn(machine) + 1);
  for (const machine of ready) add(machine);
  const left = [...cold];
  const order: WarmMachine[] = [];
  while (left.length > 0 && order.length < count) {
    const next = left.reduce((best, one) =>
      (one.failures - best.failures || readyIn(one) - readyIn(best) || byName(one, best)) < 0
        ? one
        : best,
    );
    left.splice(left.indexOf(next), 1);
    add(next);
    order.push(next);
  }
  return order;
}

const byName = (a: WarmMachine, b: WarmMachine) => (a.hardwarename < b.hardwarename ? -1 : 1);
