/**
 * Two members of a pair, a witness and clients in one made-up time: the rules themselves (right, feeder, promises, moves, standing),
 * with everything around them replaced by messages that are late, lost or overtake each other, and by crashes at any moment.
 */

import { type Footing, openFooting, withRight } from '../../../src/daemon/standby-footing.ts';
import { NEW, type PairState } from '../../../src/daemon/standby-state.ts';
import type { Feeder } from '../../../src/standby/feeder.ts';
import type { Following } from '../../../src/standby/following.ts';
import type { Standing } from '../../../src/standby/gate.ts';
import type { MoveNote, Moves } from '../../../src/standby/moves.ts';
import { createPings } from '../../../src/standby/pings.ts';
import type { Promises } from '../../../src/standby/promises.ts';
import type { Place } from '../../../src/standby/protocol.ts';
import { createRight, type Hello, type Right } from '../../../src/standby/right.ts';
import { mayHaveServed, type TakingOver } from '../../../src/standby/standing.ts';
import { createTold } from '../../../src/standby/told.ts';
import type { Member } from '../../../src/standby/witness.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { startSimDaemon } from './pair-daemon.ts';
import { LEASE_MS, LONG_S, MCLT_S, tell, type World } from './pair-form.ts';
import { beat, endLine, SimLine } from './pair-line.ts';
import { begin, yieldPlace } from './pair-places.ts';
import { SimStore } from './pair-store.ts';
import { askWitness } from './pair-witness.ts';

const MCLT_MS = MCLT_S * 1000;
/** No time of day is less than what may be taken from it. */
const WALL_MS = 1_000_000_000;

interface Met extends Hello {
  readonly place: Place | undefined;
  readonly clock: number;
  readonly at: number;
}

export class SimMember {
  up = false;
  /** What it keeps beside its database. */
  kept: PairState = NEW;
  footing!: Footing;
  readonly store = new SimStore();
  readonly line = new SimLine(this);
  right!: Right;
  feeder: Feeder | undefined;
  promises!: Promises;
  moves!: Moves;
  following!: Following;
  told = createTold({
    ...{ before: [], mono: () => this.world.now, keep: () => undefined },
    soon: (task) => task(),
  });
  run = 0;
  oriented = false;
  startedAt = 0;
  /** As which its daemon runs. */
  wasActive = false;
  pings = createPings();
  /** On which line the other one has been told everything. */
  begun = 0;
  /** As the other one has said last. */
  otherActive = false;
  /** Of which epoch it has everything, as it was told on this line. */
  wholeOf = 0;
  /** On which line the other one has said who it is, and its last hello. */
  metOn = 0;
  greeted: { readonly at: number; readonly cameAt: number } | undefined;
  /** It has handed over, and waits for the other one to have everything. */
  handing = false;
  /** Its disk is full, or a port is in use: no active daemon can be begun. */
  unable = false;
  failing = false;
  /** By SIGSTOP, until then. What comes meanwhile it hears when it wakes. */
  frozenUntil = 0;
  readonly id: Member;
  readonly world: World;
  /** Its time of day is off by so much. */
  skew: number;

  constructor(id: Member, world: World, skew: number) {
    this.id = id;
    this.world = world;
    this.skew = skew;
  }

  wall(): Millis {
    return (WALL_MS + this.world.now + this.skew) as Millis;
  }

  isFrozen(): boolean {
    return this.frozenUntil > this.world.now;
  }

  runs(): boolean {
    return this.up && !this.isFrozen();
  }

  /** At `at`, or when it wakes: then in the order in which all that came meanwhile has come. */
  hearAt(at: number, run: () => void): void {
    const hear = () => {
      if (this.isFrozen()) this.world.later.push({ at, run: hear });
      else run();
    };
    this.world.later.push({ at, run: hear });
  }

  runMs(): number {
    return this.world.now - this.startedAt;
  }

  active(): boolean {
    return this.up && this.oriented && this.right.isActive(this.world.now);
  }

  keep(change: Partial<PairState>): void {
    this.kept = { ...this.kept, ...change };
  }

  start(): void {
    const { world, id } = this;
    tell(world, `${id} starts`);
    this.up = true;
    this.failing = false;
    this.frozenUntil = 0;
    this.run += 1;
    [this.oriented, this.wasActive, this.handing] = [false, false, false];
    this.startedAt = world.now;
    this.right = createRight(
      {
        ...{ member: id, witness: world.withWitness, leaseMs: LEASE_MS },
        keep: (right, from) => {
          this.footing.look();
          const how = { mcltMs: MCLT_MS, now: this.wall(), ...from };
          this.keep(withRight(this.kept, right, how));
        },
        canServe: () => !this.failing,
        ask: (question, asked) => askWitness(this, question, asked),
      },
      this.kept.right,
      world.now,
    );
    this.footing = openFooting({
      settings: { member: id, witness: world.withWitness },
      ...{
        mcltMs: MCLT_MS,
        longestMs: LONG_S * 1000,
        right: this.right,
        log: { warn: () => undefined },
      },
      state: { get: () => this.kept, put: (change) => this.keep(change) },
      clocks: { wall: () => this.wall(), mono: () => world.now },
    });
    this.serve();
    if (id === 'a' && this.kept.right.epoch === 0) {
      this.right.takeOver(world.now, { fenced: true });
      this.keep({ fenced: true, off: true, wholeFrom: 0, quietUntil: 0 });
    }
  }

  /** Now and then it crashes when it has an epoch of its own, and has not noted why. */
  mayTakeOver(by: TakingOver['by'], how: () => void): void {
    const before = this.right.kept().own;
    how();
    const { own } = this.right.kept();
    if (own === before || !this.right.isNewest()) return;
    this.world.takeOvers += 1;
    tell(
      this.world,
      `${this.id} takes over by ${by}: ${own} ${JSON.stringify(this.right.source())}`,
    );
    if (this.world.random() < 0.03) this.crash();
    else this.footing.tookOver(by, '');
  }

  /** A new daemon over what is on disk. */
  serve(): void {
    this.store.restart();
    Object.assign(this, startSimDaemon(this));
  }

  /** It writes nothing over the database of an active daemon, or over the newest: of one that ends, another line is to begin. */
  mayTake(): boolean {
    const isNewest = this.right.isNewest();
    if (this.wasActive ? !this.active() : isNewest) this.lost();
    return !this.wasActive && !isNewest;
  }

  /** As the log of moves does it, in the transaction. */
  note(note: MoveNote): MoveNote {
    if (note.kind === 'until' || !this.isAlone()) this.store.put(note, this.wall());
    tell(this.world, `${this.id} notes ${note.kind} '${note.was.slice(-2)}'`, note.address);
    return note;
  }

  isAlone(): boolean {
    const standing = this.standing();
    return standing.mode === 'whole' && standing.alone;
  }

  standing(): Standing {
    return this.footing.standing({
      active: this.active() && this.wasActive,
      current: this.feeder?.isWhole() ?? false,
      inTouch: this.line.id !== 0 && this.otherActive,
    });
  }

  /** As the daemon does it: another line, and what is kept by the time of day goes with it. */
  clockWasSet(): boolean {
    if (!this.footing.wasSet()) return false;
    tell(this.world, `${this.id} notices that its clock was set`);
    this.lost();
    if (this.wasActive && this.active())
      this.store.followClock(this.kept.clockSetMs ?? 0, this.wall(), this.runMs());
    return true;
  }

  whole(): void {
    if (!this.right.caughtUp(this.world.now)) return;
    tell(this.world, `${this.id} has told everything`);
    this.promises.together();
    this.moves.together();
    this.footing.whole();
    const { own } = this.right.kept();
    this.line.send((other) => {
      other.right.copied(own, other.world.now);
      other.footing.copied();
      other.wholeOf = own;
    });
  }

  /** @param inStepAt when, as far as is known, each of the two had everything */
  touched(clock: number, roundTripMs: number | undefined, inStepAt: number | undefined): void {
    this.footing.touched({ clock, roundTripMs }, inStepAt);
  }

  crash(): void {
    if (!this.up) return;
    tell(this.world, `${this.id} crashes`);
    this.up = false;
    endLine(this);
    this.wholeOf = 0;
    this.feeder = undefined;
    const { world, run } = this;
    // Somebody pulled the wrong plug, or the service manager starts it anew.
    if (world.random() < 0.3)
      world.later.push({
        at: world.now + Math.floor(world.random() * 3000),
        run: () => {
          if (!this.up && run === this.run) this.start();
        },
      });
  }

  /** In order: a follower says that it will not take over. */
  stop(): void {
    const { world } = this;
    if (!this.runs() || this.active()) return;
    const epoch = this.right.leave();
    this.line.send((other) => other.right.left(epoch));
    world.later.push({ at: world.now + 300, run: () => this.crash() });
  }

  /** It notices that the line is gone. */
  lost(): void {
    if (this.line.id === 0) return;
    tell(this.world, `${this.id} has lost touch`);
    endLine(this);
    [this.handing, this.wholeOf] = [false, 0];
    // Its part changes, or not, before the next line: then it goes on from where it was.
    if (this.world.random() < 0.5) this.store.place = undefined;
    if (this.wasActive && this.feeder) {
      const wasCurrent = this.feeder.isWhole();
      this.feeder.end();
      this.moves.apart();
      if (wasCurrent) this.promises.apart();
      this.footing.lost(wasCurrent ? this.promises.unsure() : undefined);
    }
    // One that is apart runs another daemon, over its copy as it is now.
    else this.serve();
    this.right.lost(this.world.now);
  }

  hello(): void {
    const { world } = this;
    if (this.clockWasSet()) return;
    const place = this.wasActive ? undefined : this.store.place;
    const hello = {
      ...{ ...this.right.kept(), active: this.active() && !this.failing },
      ...{ place, clock: this.wall(), at: world.now },
    };
    this.line.send((other) => other.met(hello));
  }

  met(hello: Met): void {
    const { world } = this;
    this.oriented = true;
    this.otherActive = hello.active;
    if (!hello.active) this.wholeOf = 0;
    // The clock of either may have been set while the two were apart.
    if (this.metOn !== this.line.id) this.footing.begins();
    [this.metOn, this.greeted] = [this.line.id, { at: hello.at, cameAt: world.now }];
    this.touched(hello.clock, undefined, undefined);
    const before = this.right.kept();
    const wasActive = mayHaveServed(hello, { own: before.own, witness: world.withWitness });
    const by = world.withWitness ? 'witness' : 'order';
    this.mayTakeOver(by, () => this.right.met(hello, world.now));
    if ((wasActive && this.right.isNewest()) || (this.active() && !hello.active))
      this.footing.met(wasActive);
    this.settle();
    if (hello.active || !this.active() || !this.wasActive || this.begun === this.line.id) return;
    this.begun = this.line.id;
    this.feeder?.begin(hello.place);
  }

  tick(): void {
    const { world } = this;
    if (!this.runs()) return;
    this.clockWasSet();
    this.right.tick(world.now);
    if (world.now - this.startedAt > 2 * LEASE_MS) this.oriented = true;
    this.settle();
    if (this.line.id !== 0 && world.now % 500 === 0) beat(this);
    this.feeder?.pump();
    if (!this.wasActive || !this.active()) return;
    if (!this.handing && this.feeder?.isWhole() && !this.right.countsOnOther()) this.lost();
    for (const note of this.moves.over()) this.store.drop(note);
    if (this.promises.unsure().length === 0) this.keep({ unsure: [] });
    if (!this.feeder?.isWhole() && (!world.withWitness || this.right.kept().sole))
      this.feeder?.release();
  }

  /** Its daemon becomes what it is to be. A daemon of ours looks at each tick, and at what the other one and the witness say. */
  settle(): void {
    if (!this.up) return;
    const active = this.active();
    this.failing = active && !this.wasActive && this.unable;
    if (this.failing) yieldPlace(this);
    else if (active && !this.wasActive) begin(this);
    if (!active && this.wasActive && !this.handing) {
      if (this.feeder?.isCopying()) this.lost();
      this.feeder?.end();
      this.feeder?.release(new Error('not active'));
    }
    this.wasActive = (active && !this.failing) || (this.wasActive && this.handing);
  }
}
