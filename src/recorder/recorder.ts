/**
 * The flight recorder: keeps the packets of boots, and finds out why a boot stopped.
 *
 * It runs beside the protocols. Packets come from the DHCP shell after the answers have left, and are copied behind those of their
 * boot; those that say of no boot are looked at once a second. A boot is judged when it stalls, when its machine begins another one, and when a script
 * shows a loop; a machine that was switched on is judged when its firmware does not ask. Each verdict is one row and one
 * `boot.diagnosed` event; a boot that goes on after all ends its diagnosis.
 *
 * DNS questions come from the name server, for machines that boot only (`questions.ts`); the console and what the operating system
 * says of itself are read where they are kept, when a record is put together.
 *
 * Nothing in here decides what a machine boots. What was learned from a verdict goes into the quirks, which the next boot
 * decision reads.
 */

import { classify, isBootClient } from '../dhcp/client-class.ts';
import { decodePacket, macOf } from '../dhcp/packet.ts';
import type { DhcpExchange } from '../dhcp/server.ts';
import { type Diagnosis, diagnose } from '../diagnose/diagnose.ts';
import type { Flight } from '../diagnose/flight.ts';
import type { ClientStage } from '../events.ts';
import type { Boot } from '../inventory/boots.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { foldTimeline } from '../inventory/timeline.ts';
import { limit } from '../limits.ts';
import type { BootId } from '../wire/ids.ts';
import { formatIpv4, IPV4_ANY, type Ipv4, ipv4FromBytes } from '../wire/ipv4.ts';
import { type Mac, macFromBytes } from '../wire/mac.ts';
import type { Clock } from '../wire/time.ts';
import { type CollectorParts, createCollector } from './collect.ts';
import { createFeedWatch } from './feed-watch.ts';
import { holdBoots } from './held.ts';
import { createLearner } from './learn.ts';
import { createPacketRing, type KeptPacket, packetsOf } from './packets.ts';
import type { Expected, PhaseOfBoot, PhaseTimes } from './phase-times.ts';
import { type AskedQuestion, type AskerWatch, createQuestionDesk } from './questions.ts';
import { type FlightStore, openFlightStore } from './store.ts';
import { createUnnamed, createVerdicts } from './verdicts.ts';
import { createWorkWatch } from './work-watch.ts';

export interface RecorderParts extends Pick<CollectorParts, 'db' | 'live' | 'proxied'> {
  readonly inventory: Inventory;
  readonly clock: Clock;
  /** Packets of a boot that has been quiet for so long are written and forgotten. */
  readonly quietMs?: number;
  /** Where the name server finds whose questions to tell of. */
  readonly watch?: AskerWatch;
  /** How a machine leaves for its disk at present. */
  localBootOf(mac: Mac): string;
  /** How its BMC would be told at present to boot it from the network. */
  overrideOf(mac: Mac): string;
  /** Whether a boot client that nobody serves gets a row, when it would begin one. */
  admitsOutside?(mac: Mac, client: ClientStage): boolean;
  /** A part of the work failed, and the rest went on. @param what it was about */
  onError?(error: unknown, what: string): void;
}

/** Runs a part of the work and tells of it when it fails. @returns whether it succeeded */
export type Attempt = (what: string, run: () => void) => boolean;

export type Dropped = 'packets' | 'boots' | 'judgements' | 'questions';

export interface Recorder {
  readonly store: FlightStore;
  /** For the DHCP shell. */
  served(exchanges: readonly DhcpExchange[]): void;
  /** For the name server: a question of an address that it was told to watch. */
  asked(question: AskedQuestion): void;
  /**
   * Once a second, and soon again while it says that work is left: in a storm the other work of the thread has its turn between.
   * @param stalled boots that have stalled since the last time
   */
  tick(stalled: readonly Boot[]): boolean;
  /** What there was no room for, ever: packets, boots with all their packets, boots without a judgement, questions. */
  dropped(): Readonly<Record<Dropped, number>>;
  flight(boot: BootId): Flight | undefined;
  packets(boot: BootId): readonly KeptPacket[];
  /** Forgets what is too old or too much; a bounded part of it at a time. @returns how many rows */
  tidy(before: number): number;
  /** What would be said of a boot now; records nothing. */
  judge(boot: BootId): Diagnosis | undefined;
  expectedTimes(): Expected[];
  /** The phases of a boot that are over, beside what its model usually takes. */
  phasesOf(boot: BootId): PhaseOfBoot[] | undefined;
  /** Writes what is in memory. */
  close(): void;
}

const QUIET_MS = 120_000;
/** A boot that stalled without a name is looked at again until then. */
const JUDGE_FOR_MS = 120_000;
/** A boot that stalled so long ago is not judged after a start: nobody stands before it any more. */
const UNNAMED_FOR_MS = 3_600_000;
const IGNORED_PER_TICK_MAX = 20;
/** The name server is told so often who boots: it looks through all of them. */
const QUESTIONS_MS = 900;

export function createRecorder(parts: RecorderParts): Recorder {
  const { db, inventory, clock } = parts;
  const store = openFlightStore(db, clock);
  const ring = createPacketRing();
  const questions = createQuestionDesk(parts.watch ?? { set: () => undefined });
  const held = holdBoots({ store, inventory, quietMs: parts.quietMs ?? QUIET_MS });
  const collector = createCollector({
    ...{ db, store, packets: held.packets, live: parts.live, proxied: parts.proxied },
    ...{ events: inventory.events, boots: inventory.boots, machines: inventory.machines },
    consoles: inventory.consoles,
  });
  const { localBootOf, overrideOf } = parts;
  const learner = createLearner({ inventory, collector, localBootOf, overrideOf });
  const verdicts = createVerdicts({ inventory, store, collector, clock, learned: learner.failed });
  const unnamed = createUnnamed();
  let questionsAt = 0;
  const attempt: Attempt = (what, run) => {
    try {
      run();
      return true;
    } catch (error) {
      parts.onError?.(error, what);
      return false;
    }
  };
  // What had stalled when the last process ended, and was not named yet.
  for (const id of store.stalledUnnamed(clock() - UNNAMED_FOR_MS))
    unnamed.add(id, { until: clock() + JUDGE_FOR_MS, stalled: true });
  const work = createWorkWatch({ db, clock, verdicts, store, attempt });
  const feed = createFeedWatch({
    ...{ db, inventory, store, collector, clock, verdicts, learner, attempt },
    judgeSoon: (boot) => unnamed.add(boot, { until: clock() + JUDGE_FOR_MS, stalled: false }),
  });

  const keep = (exchange: DhcpExchange, boot: BootId): void => {
    const one = held.of(boot) ?? held.begin({ boot, mac: senderOf(exchange) });
    held.add(one, packetsOf(exchange), exchange.at);
    const told = toldAddress(exchange);
    if (told !== IPV4_ANY) questions.told(told, one, exchange.at);
  };
  const sort = () => {
    let ignored = 0;
    for (const exchange of ring.drain()) {
      if (!mayBoot(exchange)) continue;
      const owner = ownerOf(exchange, inventory);
      if (owner) keep(exchange, owner);
      else if (ignored < IGNORED_PER_TICK_MAX && noteIgnored(exchange, parts)) ignored += 1;
    }
    for (const { booting, packets, at } of questions.drain())
      held.add(held.of(booting.boot) ?? held.begin(booting), packets, at);
  };
  return {
    store,
    // Most packets of a site are renewals of operating systems: they belong to no boot, and are not even held.
    served(exchanges) {
      attempt('packets', () => {
        for (const exchange of exchanges) {
          if (exchange.boot) keep(exchange, exchange.boot);
          else if (exchange.drop) ring.add(exchange);
        }
      });
    },
    asked: questions.asked,
    tidy: (before) => inventory.transactionUnsynced(() => store.tidy(before)),
    tick(stalled) {
      const now = clock();
      // First of all: nobody tells of them a second time.
      for (const { id } of stalled) unnamed.add(id, { until: now + JUDGE_FOR_MS, stalled: true });
      attempt('packets', sort);
      if (now - questionsAt >= QUESTIONS_MS) {
        questionsAt = now;
        attempt('questions', () => questions.tick(now));
      }
      const unjudged = unnamed.look(now, (id, { until, stalled: stopped }) => {
        let done = now > until;
        attempt(`boot ${id}`, () => {
          const boot = inventory.boots.byId(id);
          const over = !boot || (stopped && boot.stalledAt === undefined);
          if (over || verdicts.judge(id, limit('consoleLinesLateMs'))) done = true;
        });
        return done;
      });
      attempt('work', work);
      let more = false;
      attempt('the feed', () => {
        more = feed.look();
      });
      attempt('writing', () => {
        if (held.write(now)) more = true;
      });
      return more || unjudged;
    },
    dropped: () => ({
      packets: ring.dropped(),
      boots: held.dropped(),
      judgements: unnamed.dropped(),
      questions: questions.dropped(),
    }),
    flight: (boot) => {
      sort();
      return collector.ofBoot(boot, clock());
    },
    packets: (boot) => {
      sort();
      return [...store.packets(boot), ...held.packets(boot)];
    },
    judge: (boot) => {
      const flight = collector.ofBoot(boot, clock());
      return flight && diagnose(flight);
    },
    expectedTimes: feed.times.list,
    phasesOf: (boot) => phasesOf(boot, { inventory, times: feed.times, clock }),
    close() {
      sort();
      held.write(Number.POSITIVE_INFINITY);
    },
  };
}

function phasesOf(
  boot: BootId,
  { inventory, times, clock }: { inventory: Inventory; times: PhaseTimes; clock: Clock },
): PhaseOfBoot[] | undefined {
  const row = inventory.boots.byId(boot);
  if (!row) return undefined;
  const events = inventory.events.ofBoot(boot, limit('stallEventsMax'));
  const { steps, hardwarename } = foldTimeline(row, events, clock());
  const model = hardwarename ? inventory.serverdb.quirks.modelOf(hardwarename) : '';
  const over = steps.flatMap(({ name, state, tookMs }) =>
    state === 'done' && tookMs !== undefined ? [{ phase: name as string, tookMs }] : [],
  );
  return times.compare(model, over);
}

/** Only what was dropped can belong to a boot without saying so, and only if its sender speaks like boot firmware. */
function mayBoot({ bytes, drop }: DhcpExchange): boolean {
  if (drop === undefined) return false;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return BOOT_CLASSES.some((word) => view.includes(word, OPTIONS_AT));
}

const OPTIONS_AT = 240;
const BOOT_CLASSES = ['PXEClient', 'HTTPClient', 'iPXE'].map((word) => Buffer.from(word));

/** A packet that led to no event belongs to the boot that its NIC is in, if it is one of boot firmware. */
function ownerOf({ bytes, at }: DhcpExchange, inventory: Inventory): BootId | undefined {
  const packet = decodePacket(bytes);
  if (!packet.ok || !isBootClient(classify(packet.value))) return undefined;
  const mac = macOf(packet.value);
  const boot = mac && inventory.boots.latest(mac);
  return boot && at - boot.lastAt <= limit('bootIdleMs') ? boot.id : undefined;
}

const CHADDR_AT = 28;
const YIADDR_AT = 16;

function senderOf({ bytes }: DhcpExchange): Mac {
  return macFromBytes(bytes.subarray(CHADDR_AT, CHADDR_AT + 6));
}

/** Read where it stands (RFC 2131, section 2): decoding each answer would cost more than all the rest here. */
function toldAddress({ reply }: DhcpExchange): Ipv4 {
  return reply && reply.bytes.length >= YIADDR_AT + 4
    ? ipv4FromBytes(reply.bytes, YIADDR_AT)
    : IPV4_ANY;
}

/** Firmware that asks where nobody serves it: it gets a boot and a row on the board, or nobody would ever see it. */
function noteIgnored(
  { bytes, drop, iface, source }: DhcpExchange,
  { inventory, admitsOutside }: Pick<RecorderParts, 'inventory' | 'admitsOutside'>,
): boolean {
  if (drop !== 'unknown-segment' && drop !== 'not-from-its-relay') return false;
  const packet = decodePacket(bytes);
  if (!packet.ok) return false;
  const client = classify(packet.value);
  const mac = macOf(packet.value);
  if (!mac || !isBootClient(client)) return false;
  if (admitsOutside?.(mac, client.stage) === false) return false;
  const relay = packet.value.giaddr === IPV4_ANY ? iface : formatIpv4(packet.value.giaddr);
  const from = drop === 'unknown-segment' ? relay : `${relay}, sent by ${source.address}`;
  inventory.soon(() => {
    const machine = inventory.machines.stateByMac(mac);
    const hardwarename = machine?.hardwarename;
    const sighting = { mac, client: client.stage, arch: client.archName, hardwarename };
    const sighted = inventory.boots.sight(sighting);
    const subject = { mac, boot: sighted?.boot.id, hardwarename };
    if (sighted?.begun) {
      const data = { client: client.stage, arch: client.archName, iface: from };
      inventory.events.append({ ...subject, name: 'boot.started', data });
    }
    const data = { client: client.stage, why: drop, from };
    inventory.events.append({ ...subject, name: 'dhcp.ignored', data });
  });
  return true;
}
