/**
 * Which machines for a wish: the most appropriate ones, each with the reason, and why all the others are not.
 *
 * First what rules a machine out; then an order, always the same for the same facts: spread when it was asked for to be
 * even; the least waste, in steps of half a doubling, so that a gigabyte more does not decide; fewer in one rack; warm
 * before cold; no failures before few; then the exact waste and the name. Waste is how much more a machine has than the
 * smallest that fits. Pure.
 */
import { chooseDisks, type SeenDisk } from '../install/disk-rule.ts';
import type { DisksWanted } from '../install/fits.ts';
import { type Place, rackPlace } from '../inventory/rack-place.ts';
import type { Hardwarename } from '../wire/ids.ts';
import { type FactorValue, factorsOf } from './factors.ts';
import { type Hardware, type HardwareFacts, unmet } from './hardware.ts';

/** A machine as the matching sees it. */
export interface Candidate extends Place {
  readonly hardwarename: Hardwarename;
  readonly switches: readonly string[];
  readonly biosVersion: string;
  readonly bmcFirmware: string;
  readonly hardware: HardwareFacts;
  /** As its report has them, those on USB too. */
  readonly disks: readonly SeenDisk[];
  /** It waits in pxeimage and takes an install without a power cycle. */
  readonly warm: boolean;
  /** Failed jobs that are still remembered. */
  readonly failures: number;
  /** Why it cannot be taken now, whoever asks; '' when nothing speaks against it. */
  readonly unfit: string;
}

export interface Spread {
  /** At most so many of the request in one rack. */
  readonly perRackMax?: number | undefined;
  /** As even over the racks as possible, before anything else. */
  readonly even?: boolean | undefined;
}

export interface Wish {
  readonly site: string;
  readonly hall?: string | undefined;
  readonly racks?: readonly string[] | undefined;
  readonly hardware: Hardware;
  /** What its installs are to be written to; absent: that is not known here. */
  readonly disks?: DisksWanted | undefined;
  readonly count: number;
  readonly spread: Spread;
  /** Machines that have failed for this request. */
  readonly avoid: ReadonlySet<Hardwarename>;
  /** How many of the same request or pool stand in a rack already, by `rackPlace`. */
  readonly placed: ReadonlyMap<string, number>;
  /** What too many failures have in common: machines that share it are left alone. */
  readonly blocked: readonly FactorValue[];
  /** How many more the squad may have, of any type and of one. */
  readonly quota: Quota;
}

export interface Quota {
  readonly left: number;
  readonly leftOfType: ReadonlyMap<string, number>;
}

export interface Choice {
  readonly hardwarename: Hardwarename;
  readonly rack: string;
  readonly why: string;
}

export interface Rejection {
  readonly why: string;
  readonly count: number;
  /** The first few by name. */
  readonly examples: readonly Hardwarename[];
}

export interface Match {
  readonly chosen: readonly Choice[];
  readonly rejected: readonly Rejection[];
  /** Machines that fit and are free, chosen or not. */
  readonly fitting: number;
  readonly missing: number;
  /** Why there are not enough; '' when there are. */
  readonly shortOf: string;
}

const EXAMPLES_MAX = 3;
const DISKLESS = 'has no disk that the install may take';
const UNDECIDED = 'has several disks for the install, and no rule chooses';

export function match(wish: Wish, candidates: Iterable<Candidate>): Match {
  const rejected = new Map<string, Hardwarename[]>();
  const fitting: Candidate[] = [];
  for (const candidate of candidates) {
    const why = ruledOut(wish, candidate);
    if (why === undefined) fitting.push(candidate);
    else push(rejected, why, candidate.hardwarename);
  }
  const { chosen, left } = choose(wish, fitting);
  for (const [why, names] of left) for (const name of names) push(rejected, why, name);
  const missing = wish.count - chosen.length;
  return {
    chosen,
    rejected: [...rejected]
      .map(([why, names]) => ({
        ...{ why, count: names.length },
        examples: names.sort().slice(0, EXAMPLES_MAX),
      }))
      .sort((a, b) => b.count - a.count || (a.why < b.why ? -1 : 1)),
    fitting: fitting.length,
    missing,
    shortOf: missing > 0 ? shortOf(wish, fitting.length, rejected.get(UNDECIDED)?.length ?? 0) : '',
  };
}

function push(map: Map<string, Hardwarename[]>, why: string, name: Hardwarename): void {
  const names = map.get(why);
  if (names) names.push(name);
  else map.set(why, [name]);
}

function shortOf({ quota, spread, count }: Wish, fitting: number, undecided: number): string {
  if (quota.left < Math.min(count, fitting)) return `the squad's quota: ${quota.left} left`;
  if (fitting >= count)
    return spread.perRackMax === undefined
      ? "the squad's quota for a hardware type"
      : `racks: at most ${spread.perRackMax} in each`;
  const more = undecided > 0 ? `; of ${undecided} more the rule for disks chooses none` : '';
  return `capacity: ${fitting} free that fit${more}`;
}

function ruledOut(wish: Wish, candidate: Candidate): string | undefined {
  const { site, hall, rack, hardware, disks, hardwarename, unfit } = candidate;
  if (site !== wish.site) return `is at ${site || 'an unknown site'}`;
  if (wish.hall !== undefined && hall !== wish.hall) return `is not in hall ${wish.hall}`;
  if (wish.racks && !wish.racks.includes(rack)) return 'is in another rack';
  const fault = unmet(wish.hardware, hardware);
  if (fault !== undefined) return fault;
  if (unfit !== '') return unfit;
  const choice = wish.disks && chooseDisks(disks, wish.disks.rule, wish.disks.count);
  if (choice && !choice.ok) return choice.code === 'DISK_NONE' ? DISKLESS : UNDECIDED;
  if (wish.avoid.has(hardwarename)) return 'has failed for this request';
  const factors = factorsOf(candidate);
  const shared = wish.blocked.find(({ factor, value }) => factors[factor].includes(value));
  return shared && `shares ${shared.factor} ${shared.value} with too many failures`;
}

interface Ranked {
  readonly candidate: Candidate;
  readonly waste: number;
  readonly wasteClass: number;
}

/** Doublings of memory, cores and disk space above the smallest that fits; a GPU that is not wanted weighs as much as two. */
function rank(fitting: readonly Candidate[]): Ranked[] {
  const dimensions = (has: HardwareFacts) => [
    has.memoryBytes / 2 ** 30,
    has.cores,
    has.disks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) / 1e9,
    (has.gpus + 1) ** 2 - 1,
  ];
  const least = [0, 1, 2, 3].map((at) =>
    fitting.reduce(
      (low, { hardware }) => Math.min(low, dimensions(hardware)[at] ?? 0),
      Number.POSITIVE_INFINITY,
    ),
  );
  return fitting.map((candidate) => {
    const waste = dimensions(candidate.hardware).reduce(
      (sum, value, at) => sum + Math.log2((value + 1) / ((least[at] ?? 0) + 1)),
      0,
    );
    return { candidate, waste, wasteClass: Math.floor(waste * 2 + 1e-9) };
  });
}

/** What does not change while machines are being chosen; negative when `a` comes first. */
function compare(a: Ranked, b: Ranked): number {
  const [one, two] = [a.candidate, b.candidate];
  return (
    Number(two.warm) - Number(one.warm) ||
    one.failures - two.failures ||
    a.waste - b.waste ||
    (one.hardwarename < two.hardwarename ? -1 : 1)
  );
}

/** A queue for each rack and step of waste, best first: a choice looks at the heads alone. */
interface Queue {
  /** Of its rack. */
  readonly place: string;
  readonly wasteClass: number;
  readonly ranked: Ranked[];
  next: number;
}

function choose(
  wish: Wish,
  fitting: readonly Candidate[],
): { chosen: Choice[]; left: Map<string, Hardwarename[]> } {
  const queues = queuesOf(rank(fitting));
  const inRack = new Map(wish.placed);
  const ofType = new Map(wish.quota.leftOfType);
  const left = new Map<string, Hardwarename[]>();
  const chosen: Choice[] = [];
  const countOf = (place: string) => inRack.get(place) ?? 0;
  const isFull = (place: string) => countOf(place) >= (wish.spread.perRackMax ?? Infinity);
  while (chosen.length < Math.min(wish.count, wish.quota.left)) {
    const best = bestOf(queues, (queue) => headOf(queue, ofType) && !isFull(queue.place), {
      even: wish.spread.even === true,
      countOf,
    });
    const head = best?.ranked[best.next];
    if (!best || !head) break;
    best.next += 1;
    const { rack, hardwarename, hardware } = head.candidate;
    const count = countOf(best.place);
    chosen.push({ hardwarename, rack, why: explain(head, count) });
    inRack.set(best.place, count + 1);
    const quota = ofType.get(hardware.type);
    if (quota !== undefined) ofType.set(hardware.type, quota - 1);
  }
  const taken = new Set(chosen.map(({ hardwarename }) => hardwarename));
  for (const candidate of fitting) {
    const { hardwarename, hardware } = candidate;
    if (taken.has(hardwarename)) continue;
    const why =
      (ofType.get(hardware.type) ?? 1) <= 0
        ? `is of type ${hardware.type}, of which the squad's quota is used up`
        : isFull(rackPlace(candidate))
          ? 'stands in a rack that has its share'
          : 'fits, and others fit better';
    push(left, why, hardwarename);
  }
  return { chosen, left };
}

function queuesOf(ranked: Ranked[]): Queue[] {
  const queues = new Map<string, Queue>();
  for (const one of ranked.sort(compare)) {
    const place = rackPlace(one.candidate);
    const key = `${one.wasteClass}/${place}`;
    const queue = queues.get(key) ?? { place, wasteClass: one.wasteClass, ranked: [], next: 0 };
    queues.set(key, queue);
    queue.ranked.push(one);
  }
  return [...queues.values()];
}

/** Moves a queue past machines of a type whose quota is used up; says whether one is left. */
function headOf(queue: Queue, ofType: ReadonlyMap<string, number>): boolean {
  const type = () => queue.ranked[queue.next]?.candidate.hardware.type;
  for (let is = type(); is !== undefined; is = type()) {
    if ((ofType.get(is) ?? 1) > 0) return true;
    queue.next += 1;
  }
  return false;
}

function bestOf(
  queues: readonly Queue[],
  usable: (queue: Queue) => boolean,
  { even, countOf }: { even: boolean; countOf(place: string): number },
): Queue | undefined {
  const order = (a: Queue, b: Queue): number => {
    const racks = countOf(a.place) - countOf(b.place);
    const waste = a.wasteClass - b.wasteClass;
    const [one, two] = [a.ranked[a.next], b.ranked[b.next]];
    if (!one || !two) return 0;
    return (even ? racks || waste : waste || racks) || compare(one, two);
  };
  let best: Queue | undefined;
  for (const queue of queues) if (usable(queue) && (!best || order(queue, best) < 0)) best = queue;
  return best;
}

function explain({ candidate, waste }: Ranked, inRack: number): string {
  const { warm, failures, rack } = candidate;
  const size =
    waste < 0.05
      ? 'the smallest that fits'
      : `${(2 ** waste).toFixed(1)} times the smallest that fits`;
  const place =
    rack === '' ? '' : `, ${inRack === 0 ? 'first' : `number ${inRack + 1}`} in rack ${rack}`;
  const past = failures === 0 ? 'no failures' : `${failures} failures in its past`;
  return `${size}${place}, ${warm ? 'warm' : 'cold'}, ${past}`;
}
