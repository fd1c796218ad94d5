/** What a member of a pair does at each message of the other one, for as long as one line lasts. */

import { seldom } from '../platform/seldom.ts';
import { roundTripMs } from '../standby/clock-difference.ts';
import { createPings, type Pings } from '../standby/pings.ts';
import type { HelloMessage, StandbyMessage } from '../standby/protocol.ts';
import { mayHaveServed } from '../standby/standing.ts';
import type { Pair } from './standby.ts';
import { mono } from './standby-clock.ts';
import { handOver } from './standby-desk.ts';
import type { Telling } from './standby-dhcp.ts';
import type { Meeting } from './standby-meeting.ts';
import { noPiece, sendPiece } from './standby-pieces.ts';

/** @param lost called once, when the line is gone */
export function hearOther(pair: Pair, meeting: Meeting, lost: (why: string) => void): void {
  /** Which of our daemons tells the other one: after a change of places and back, on the same line, it is another. */
  let begun: Telling | undefined;
  /** What was sent of the small files: central gives new certificates, and a site joins a fleet, while the two are together. */
  let had = new Map<string, Buffer>();
  const unread = seldom((err: unknown) =>
    pair.parts.log.warn({ err }, 'what goes along with the copy could not be sent'),
  );
  const sendChanged = (): void => {
    // One that has everything has no database on its way, whose bytes these would be taken for.
    if (!pair.part.isCurrent()) return;
    try {
      pair.copy.sendFiles(meeting.line, had);
    } catch (err) {
      unread(err);
    }
  };
  const pings = createPings();
  /** The hello that was heard last: its `at`, and when it came. */
  let greeted: { readonly at: number; readonly cameAt: number } | undefined;
  const ping = (): void => {
    if (pair.clockWasSet()) return;
    const n = pings.sent(mono(), pair.part.telling?.feeder.mark());
    const { epoch } = pair.right.kept();
    const heard = greeted && { at: greeted.at, heldMs: Math.max(0, mono() - greeted.cameAt) };
    meeting.line.send({ kind: 'ping', n, epoch, clock: Date.now(), heard });
  };
  const beat = setInterval(() => {
    // Who has the newest epoch and not the right to it may be renewed by the other one.
    if (!pair.serves()) meeting.hello();
    if (!pair.right.isNewest() || pair.part.couldNot('active')) return;
    ping();
    if (pair.isActive()) sendChanged();
  }, pair.leaseMs / 8);
  meeting.use({
    hello(hello) {
      greeted = { at: hello.at, cameAt: mono() };
      greet(pair, hello);
      meeting.active = hello.active;
      if (!hello.active) meeting.wholeOf = 0;
      meeting.version = hello.version;
      meeting.images = hello.images;
      pair.settle();
      const { telling } = pair.part;
      if (hello.active || pair.mode !== 'active' || !telling || telling === begun) return;
      begun = telling;
      had = new Map();
      pair.copy.sendFiles(meeting.line, had);
      telling.feeder.begin(hello.place);
    },
    heard: (message) => hear(pair, meeting, { message, pings }),
    bytes(bytes) {
      if (pair.pieces.bytes(bytes)) return;
      if (pair.mode !== 'active') pair.copy.bytes(bytes);
    },
    closed(why) {
      clearInterval(beat);
      lost(why);
    },
  });
}

function greet(pair: Pair, hello: HelloMessage): void {
  const { settings } = pair.parts;
  pair.oriented = true;
  pair.footing.touched({ clock: hello.clock, roundTripMs: undefined }, undefined);
  const isFirst = settings.member === 'a' && hello.epoch === 0;
  if (isFirst && pair.right.kept().epoch === 0) pair.begin();
  const before = pair.right.kept();
  // What it gave while it was active, and we did not hear of, has to end first.
  const wasActive = mayHaveServed(hello, { own: before.own, witness: settings.witness });
  pair.right.met(hello, mono());
  // Without the other one's word on what it has promised. Without a witness it may be told to take over again, too.
  if (pair.right.kept().own !== before.own && pair.right.isNewest())
    pair.footing.tookOver(
      settings.witness ? 'witness' : 'order',
      'the other one has left its place to this one',
    );
  const isNew = wasActive && pair.right.isNewest();
  if (isNew || (pair.isActive() && !hello.active)) pair.footing.met(wasActive);
}

interface Heard {
  readonly message: StandbyMessage;
  readonly pings: Pings;
}

function hear(pair: Pair, meeting: Meeting, { message, pings }: Heard): void {
  const { right } = pair;
  const { line } = meeting;
  const { telling } = pair.part;
  switch (message.kind) {
    case 'ping':
      pair.touched(
        {
          clock: message.clock,
          roundTripMs: message.heard && roundTripMs(mono(), message.heard),
        },
        // It had everything that we have when it said so: when that was is not known, but that it was after what it answers.
        meeting.wholeOf === message.epoch ? message.heard?.at : undefined,
      );
      if (right.supports(message.epoch, mono()) && !pair.clockWasSet())
        line.send({ kind: 'pong', n: message.n, clock: Date.now() });
      return;
    case 'pong': {
      const { sentAt, inStepAt } = pings.answered(message.n);
      right.supported(sentAt ?? Number.NEGATIVE_INFINITY, mono());
      const wayMs = sentAt === undefined ? undefined : mono() - sentAt;
      pair.touched({ clock: message.clock, roundTripMs: wayMs }, inStepAt);
      return;
    }
    case 'ack':
      telling?.feeder.acked(message.to);
      telling?.promises.acked(message.to);
      telling?.moves.acked(message.to);
      return;
    case 'bye':
      right.left(message.epoch);
      return;
    case 'whole':
      right.copied(message.epoch, mono());
      pair.footing.copied();
      meeting.wholeOf = message.epoch;
      pair.part.images?.wake();
      return;
    case 'want':
      // Who asks waits for an answer, also when there is nothing to give.
      if (pair.mode !== 'active') line.send(noPiece(message));
      else
        sendPiece(pair.imageFolder(), line, message).catch((err) =>
          pair.parts.log.warn({ err }, 'a piece of an image could not be sent'),
        );
      return;
    case 'piece':
      pair.pieces.heard(message);
      return;
    case 'give':
      handOver(pair, 'the other one was ordered to take over').catch((err) =>
        line.send({ kind: 'refused', why: String(err.message).slice(0, 300) }),
      );
      return;
    case 'yours': {
      const before = right.kept().own;
      right.given(message.epoch, mono());
      if (right.kept().own !== before) pair.footing.tookOver('handed', 'the other one handed over');
      pair.settle();
      return;
    }
    case 'refused':
      pair.parts.log.warn({ why: message.why }, 'the other appliance refuses');
      pair.closing = message.why;
      return;
    case 'file':
    case 'rows':
      // Nothing is written over the newest database, also when nothing can be begun in it.
      if (pair.mode !== 'active' && !right.isNewest()) pair.copy.heard(message, line);
      // It ends its own part still, and what is lost of a copy is not told twice: on another line it is.
      else if (pair.mode !== 'active' || !pair.isActive()) line.close();
      return;
    case 'hello':
      return;
  }
}
