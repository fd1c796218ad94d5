/**
 * Two members of a pair, a witness and clients in one made-up time: the rules themselves (right, feeder, promises, standing), with
 * everything around them replaced by messages that are late, lost or overtake each other, and by crashes at any moment.
 */

import { createFeeder, type Feeder } from '../../../src/standby/feeder.ts';
import { createFollowing, type Following } from '../../../src/standby/following.ts';
import { apartHoldSeconds, reservedHoldSeconds } from '../../../src/standby/gate.ts';
import { createMoves, type MoveNote, type Moves } from '../../../src/standby/moves.ts';
import { createPromises, type Promises } from '../../../src/standby/promises.ts';
import type { Place } from '../../../src/standby/protocol.ts';
import { createRight, FRESH, type Right } from '../../../src/standby/right.ts';
import {
  afterLoss,
  afterMeeting,
  afterStart,
  afterSteppingDown,
  afterTakeOver,
  standingOf,
  TOGETHER,
} from '../../../src/standby/standing.ts';
import { createTold } from '../../../src/standby/told.ts';
import { judge, type Member, otherMember } from '../../../src/standby/witness.ts';
import type { Ipv4 } from '../../../src/wire/ipv4.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import type { Millis } from '../../../src/wire/time.ts';

import { DOUBT_MS, type Kept, LEASE_MS, MCLT_S, type Row, type World } from './pair-form.ts';

export class SimMember {
  up = false;
  kept: Kept = {
    ...{ ...TOGETHER, right: FRESH, touchAt: 0, aheadMs: 0, unsure: [], moved: [] },
  };
  leases = new Map<number, Row>();
  /** By address. */
  reserved = new Map<number, Mac>();
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
  line = 0;
  oriented = false;
  startedAt = 0;
  wasActive = false;
  head = 0;
  changes: { seq: number; address: number }[] = [];
  pings = new Map<number, number>();
  n = 0;
  jump = 0;
  readonly id: Member;
  readonly world: World;
  /** Its time of day is off by so much. */
  readonly skew: number;

  constructor(id: Member, world: World, skew: number) {
    this.id = id;
    this.world = world;
    this.skew = skew;
  }

  wall(): Millis {
    return (1_000_000 + this.world.now + this.skew) as Millis;
  }

  active(): boolean {
    return this.up && this.oriented && this.right.isActive(this.world.now);
  }

  start(): void {
    const { world, id } = this;
    this.up = true;
    this.run += 1;
    this.oriented = false;
    this.wasActive = false;
    this.startedAt = world.now;
    this.right = createRight(
      {
        ...{ member: id, witness: world.withWitness, leaseMs: LEASE_MS },
        keep: (right) => {
          this.kept = { ...this.kept, right };
        },
        wall: () => this.wall() + this.jump,
        ask: (question, asked) => {
          const run = this.run;
          this.send(() => {
            if (!world.witnessUp) return;
            const { answer, row } = judge(world.row, question, 5_000_000 + world.now);
            if (row) world.row = row;
            this.send(() => {
              if (!this.up || run !== this.run) return;
              this.oriented = true;
              const own = this.right.kept().own;
              this.right.answered(asked, answer, world.now);
              if (this.right.kept().own !== own) this.tookOver('witness');
            });
          });
        },
      },
      this.kept.right,
      world.now,
    );
    this.kept = {
      ...this.kept,
      ...afterStart(this.kept, { touchAt: this.kept.touchAt, doubtMs: DOUBT_MS }),
    };
    this.serve();
    if (id === 'a' && this.kept.right.epoch === 0) {
      this.right.takeOver(world.now, { fenced: true });
      this.kept = { ...this.kept, fenced: true, off: true, wholeFrom: 0 };
    }
  }

  /** A new daemon over what is on disk. */
  serve(): void {
    this.head = 0;
    this.changes = [];
    this.feeder = createFeeder({
      log: {
        head: () => this.head,
        floor: () => 0,
        forget: () => undefined,
        read: (after) => {
          const changed = this.changes.filter(({ seq }) => seq > after);
          const rows = [...new Set(changed.map(({ address }) => address))].map((address) =>
            JSON.stringify({
              ...(this.leases.get(address as number) ?? { address, gone: true }),
              owner: this.reserved.get(address as number),
            }),
          );
          return [{ table: 'leases', columns: ['row'], key: [], rows: [rows], gone: [] }];
        },
      },
      run: `${this.id}${this.run}`,
      send: (message) => {
        if (message.kind !== 'rows') return;
        const rows = message.changes.flatMap(({ rows: [row = []] }) => row.map(String));
        this.toOther((other) => {
          for (const text of rows) {
            const { owner, gone, ...row }: Row & { gone?: true; owner?: Mac } = JSON.parse(text);
            if (gone) other.leases.delete(row.address);
            else other.leases.set(row.address, row);
            if (owner === undefined) other.reserved.delete(row.address);
            else other.reserved.set(row.address, owner);
          }
          const { to } = message;
          if (to === undefined) return;
          other.toOther((back) => {
            back.touched(back.kept.aheadMs);
            back.feeder?.acked(to);
            back.promises.acked(to);
            back.moves.acked(to);
          });
        });
      },
      sendCopy: (place: Place) => this.sendCopy(place),
      onWhole: () => this.whole(),
      onError: () => undefined,
    });
    this.moves = createMoves({
      before: this.kept.moved.map(({ text, leftMs, at }) => ({
        ...{ text, leftMs: leftMs === 0 ? 0 : Math.max(1, leftMs - (this.world.now - at)) },
      })),
      isCurrent: () => this.feeder?.isWhole() ?? false,
      ...{ head: () => this.head, mono: () => this.world.now },
      holdMs: reservedHoldSeconds(MCLT_S) * 1000,
      apartMs: apartHoldSeconds(MCLT_S) * 1000,
    });
    const leases = {
      byAddress: (_segment: string, address: Ipv4) => this.leases.get(address),
      byMac: (_segment: string, mac: Mac) =>
        [...this.leases.values()].find((row) => row.mac === mac),
    };
    const standing = () => this.standing();
    this.following = createFollowing({
      ...{ mcltSeconds: MCLT_S, standsBackSeconds: 4, standing, told: this.told },
      leases: {
        byAddress: (segment, address) => {
          const row = leases.byAddress(segment, address);
          const expiresAt = ((row?.expiresAt ?? 0) + this.kept.aheadMs) as Millis;
          return row && { ...row, expiresAt };
        },
      },
    });
    this.promises = createPromises(
      {
        ...{ member: this.id, mcltSeconds: MCLT_S, head: () => this.head },
        ...{ leases, moves: this.keptMoves(), standing, told: this.told },
        aheadMs: () => this.kept.aheadMs,
        waits: () => this.feeder?.waits() ?? false,
      },
      this.kept.unsure,
    );
  }

  /** As the log of moves does it, in the transaction. */
  private keptMoves(): Pick<Moves, 'formerly' | 'left'> {
    const { moves } = this;
    return {
      formerly: moves.formerly,
      left: (segment, address, lease) => this.keepMove(moves.left(segment, address, lease)),
    };
  }

  keepMove({ text, leftMs }: MoveNote): MoveNote {
    const others = this.kept.moved.filter((one) => one.text !== text);
    this.kept = { ...this.kept, moved: [...others, { text, leftMs, at: this.world.now }] };
    return { text, leftMs };
  }

  private async sendCopy(_place: Place): Promise<void> {
    const rows = JSON.stringify([[...this.leases], [...this.reserved]]);
    return new Promise((resolve) => {
      this.toOther((other) => {
        const [leases, reserved] = JSON.parse(rows);
        other.leases = new Map(leases);
        other.reserved = new Map(reserved);
        other.kept = { ...other.kept, moved: [] };
      });
      resolve();
    });
  }

  standing() {
    return standingOf(this.kept, {
      member: this.id,
      active: this.active() && this.wasActive,
      current: this.feeder?.isWhole() ?? false,
      follows: this.right.follows(),
      inTouch: this.line !== 0 && this.otherActive,
      now: this.wall(),
      witness: this.world.withWitness,
    });
  }

  whole(): void {
    this.right.caughtUp();
    this.promises.together();
    this.moves.together();
    this.kept = { ...this.kept, fenced: false, off: false, unsure: [], unheard: false };
    const { own } = this.right.kept();
    this.toOther((other) => other.right.copied(own));
  }

  tookOver(by: 'witness' | 'handed' | 'fenced' | 'order'): void {
    const { touchAt } = this.kept;
    const mcltMs = MCLT_S * 1000;
    const how = { by, touchAt, mcltMs, doubtMs: DOUBT_MS, now: this.wall() };
    const apart = afterTakeOver(this.kept, how);
    this.kept = { ...this.kept, ...apart, unsure: [], moved: [] };
    this.world.log.push(`${this.world.now} ${this.id} took over by ${by} ${this.kept.right.epoch}`);
  }

  touched(aheadMs: number): void {
    this.kept = { ...this.kept, touchAt: this.wall(), aheadMs };
  }

  /** Late, or never. */
  send(run: () => void): void {
    const { world } = this;
    if (world.random() < 0.1) return;
    world.later.push({ at: world.now + Math.floor(world.random() ** 3 * 6000), run });
  }

  /** Over the line: in order, or not at all. */
  toOther(run: (other: SimMember) => void): void {
    const { world, line } = this;
    const other = world.members[otherMember(this.id)];
    const at = Math.max(world.now + Math.floor(world.random() * 300), this.lineAt);
    this.lineAt = at;
    world.later.push({
      at,
      run: () => {
        if (line !== 0 && this.line === line && other.up && other.line === line) run(other);
      },
    });
  }
  lineAt = 0;

  crash(): void {
    this.up = false;
    this.cut();
    this.feeder = undefined;
  }

  cut(): void {
    const other = this.world.members[otherMember(this.id)];
    for (const member of [this, other]) {
      if (member.line === 0) continue;
      member.line = 0;
      if (!member.up) continue;
      if (member.wasActive && member.feeder) {
        const wasCurrent = member.feeder.isWhole();
        member.feeder.end();
        member.moves.apart();
        member.kept = { ...member.kept, unheard: true };
        if (wasCurrent) {
          member.promises.apart();
          const loss = { now: member.wall(), touchAt: member.kept.touchAt, doubtMs: DOUBT_MS };
          const apart = afterLoss(member.kept, loss);
          member.kept = { ...member.kept, ...apart, unsure: member.promises.unsure() };
        }
      }
      member.right.lost(this.world.now);
    }
  }

  hello(): void {
    const { epoch, own } = this.right.kept();
    const active = this.active();
    this.toOther((other) => other.met({ epoch, own, active }));
  }

  met(hello: { epoch: number; own: number; active: boolean }): void {
    const { world } = this;
    this.oriented = true;
    this.otherActive = hello.active;
    const before = this.right.kept();
    const wasActive = hello.own > 0 && hello.active && hello.epoch <= before.own;
    this.right.met(hello, world.now);
    if (this.right.kept().own !== before.own) this.tookOver('witness');
    if (this.active() && (wasActive || !hello.active))
      this.kept = {
        ...this.kept,
        ...afterMeeting(this.kept, { now: this.wall(), mcltMs: MCLT_S * 1000, wasActive }),
      };
    if (hello.active || !this.active() || !this.wasActive || this.begun === this.line) return;
    this.begun = this.line;
    this.feeder?.begin(undefined);
  }
  begun = 0;
  /** As the other one has said last. */
  otherActive = false;

  wasNewest = false;

  tick(): void {
    const { world } = this;
    if (!this.up) return;
    this.right.tick(world.now);
    const { own, epoch } = this.right.kept();
    if (this.wasNewest && own !== epoch)
      this.kept = {
        ...this.kept,
        ...afterSteppingDown(this.kept, { now: this.wall(), mcltMs: MCLT_S * 1000 }),
      };
    this.wasNewest = own > 0 && own === epoch;
    if (world.now - this.startedAt > 2 * LEASE_MS) this.oriented = true;
    const active = this.active();
    if (active && !this.wasActive) {
      // As the daemon does it: what ran by the other one's clock runs on by ours.
      const { aheadMs } = this.kept;
      if (aheadMs > 0)
        for (const row of this.leases.values()) row.expiresAt = (row.expiresAt + aheadMs) as Millis;
      this.kept = { ...this.kept, aheadMs: 0, unheard: true };
      this.serve();
      this.begun = 0;
      if (this.line !== 0) this.hello();
    }
    if (!active && this.wasActive) {
      this.feeder?.end();
      this.feeder?.release(new Error('not active'));
    }
    this.wasActive = active;
    if (this.line !== 0) this.beat();
    this.feeder?.pump();
    if (!this.feeder?.isWhole() && active && (!world.withWitness || this.right.kept().sole))
      this.feeder?.release();
  }

  private beat(): void {
    const { world } = this;
    if (world.now % 500 !== 0) return;
    if (!this.active()) {
      this.hello();
      return;
    }
    this.n += 1;
    const { n } = this;
    this.pings.set(n, world.now);
    const { epoch } = this.right.kept();
    const clock = this.wall();
    this.toOther((other) => {
      other.touched(other.wall() - clock);
      if (other.right.supports(epoch, world.now))
        other.toOther((back) => {
          back.right.supported(back.pings.get(n) ?? Number.NEGATIVE_INFINITY);
          back.touched(back.kept.aheadMs);
        });
    });
  }
}
