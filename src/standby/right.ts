/**
 * Who of the two is active: one member's side of it, without a clock, a socket or a disk.
 *
 * Each time that somebody becomes active has an epoch, and each epoch has one member (`nextEpoch`). A member is active while the
 * newest epoch that it has heard of is its own and its right to it has not ended. Without a witness a right ends when a higher
 * epoch is heard of, and nobody takes over but by a person's order. With one, it lasts for a time from when it was asked for, and is
 * renewed by the witness or by the other member, which does not ask for it itself for longer than that: two of the three
 * agree at any time. While the other one cannot take over by itself (`sole`) no renewal is needed, so a site whose
 * standby and whose central are both away works on; but that has to be said by one of them first.
 *
 * Times that are compared are of a clock that never jumps (`now`); what is kept is on disk before it is acted upon.
 */
import { isCopyOf, isLeftTo, isNewest, isOlder, type KeptRight } from './kept-right.ts';
import {
  type Answer,
  heldMs,
  type Member,
  nextEpoch,
  otherMember,
  type Question,
} from './witness.ts';

export interface RightPorts {
  readonly member: Member;
  readonly witness: boolean;
  readonly leaseMs: number;
  /** On disk when it returns; with `from` when it is of a new epoch of ours. */
  keep(kept: KeptRight, from: Source): void;
  /** Asks the witness; the answer, if any, comes by `answered` with the same `id`. */
  ask(question: Question, id: number): void;
  /** What an active one does can be done here, as far as is known: who cannot keeps no right from the other one. */
  canServe(): boolean;
}

/** In which database it became active. */
export interface Source {
  /** With a copy that is not the newest, or after a time without a right: the other one may have had the whole pool since. */
  readonly stale: boolean;
  /** In no copy: it is the one in which we have served before. */
  readonly original: boolean;
}

export interface Hello extends Pick<KeptRight, 'epoch' | 'own' | 'copy' | 'unbegun' | 'ahead'> {
  readonly active: boolean;
}

export type TakeOver = 'done' | 'asked' | 'in-touch' | 'no-copy' | 'not-current' | 'active';

export interface Right {
  kept(): KeptRight;
  isActive(now: number): boolean;
  /** The newest epoch is ours, whether or not the right to it runs: the other one may renew it. */
  isNewest(): boolean;
  /** Our database is a copy of the newest active one's, and we were not active since. */
  follows(): boolean;
  source(): Source;
  /** What the witness said last, when it refused. */
  refusal(): string | undefined;
  tick(now: number): void;
  /** The line is open and the other one has said who it is. */
  met(hello: Hello, now: number): void;
  lost(now: number): void;
  /** As a follower: may the active one of this epoch count on us? */
  supports(epoch: number, now: number): boolean;
  /** As the active one: it does, for what was asked at `sentAt`. */
  supported(sentAt: number, now: number): void;
  answered(id: number, answer: Answer, now: number): void;
  /**
   * As the active one: the follower has everything now. It may take over from here on, but not before it has been silent for long enough.
   *
   * @returns whether that counts: not for one whose right is over, whose next daemon tells everything anew
   */
  caughtUp(now: number): boolean;
  /** Does it hold the other one for current? Not after a lapse of its right, or a place that came back, though no daemon was begun anew. */
  countsOnOther(): boolean;
  /** The other one says that it will not take over before it has caught up again. */
  left(epoch: number): void;
  /** As a follower: about to stop, and to say so. @returns the epoch that this is about */
  leave(): number;
  /** As a follower: the copy is whole, of this epoch. */
  copied(epoch: number, now: number): void;
  /** A person's order. `fenced`: the person knows that the other one is off. */
  takeOver(now: number, options: { readonly fenced: boolean }): TakeOver;
  /** It is active here, and serves. */
  begun(): void;
  /** We have a right and cannot serve. Has the other one everything that the site has, so that it can take our place? */
  mayYield(): boolean;
  /** As the active one: gives its right away, and is not active any more; a hello says so, too. @returns the epoch for the other one */
  handOver(): number;
  /** As a follower: the active one has handed over. */
  given(epoch: number, now: number): void;
}

interface Asking {
  readonly id: number;
  readonly question: Question;
  readonly at: number;
}

export function createRight(ports: RightPorts, from: KeptRight, startedAt: number): Right {
  return new MemberRight(ports, from, startedAt);
}

const NEVER = Number.NEGATIVE_INFINITY;
/** So many questions have their numbers from one writing. */
const NUMBERS_KEPT = 1000;

class MemberRight implements Right {
  private readonly ports: RightPorts;
  private state: KeptRight;
  private rightUntil = NEVER;
  private touch = false;
  /** As the active one: the follower has everything, on this line. */
  private current = false;
  /** As the follower: of which epoch the active one has told us everything, on this line. */
  private wholeOf = 0;
  private supportedAt: number;
  private asking: Asking | undefined;
  private lastId = 0;
  private lastN: number;
  private denied: string | undefined;
  /** What the witness has been told last, of this right: may the other one take over? */
  private told: boolean | undefined;
  /** It has said that it stops: what it is told still makes it no less so. */
  private leaving = false;
  private renewedAt = NEVER;
  /** What the witness has given us without our hearing of it in time: nobody else's, and no use any more. */
  private missed = 0;
  private from: Source = { stale: false, original: false };
  /** What the other one has said last on this line. */
  private other: Hello | undefined;
  /** When it was last noticed that its right is over. */
  private lapsedAt = NEVER;

  constructor(ports: RightPorts, from: KeptRight, startedAt: number) {
    this.ports = ports;
    this.state = from;
    this.supportedAt = startedAt;
    this.lastN = from.n;
  }

  kept(): KeptRight {
    return this.state;
  }

  refusal(): string | undefined {
    return this.denied;
  }

  source(): Source {
    return this.from;
  }

  follows(): boolean {
    const { copy, epoch, own } = this.state;
    return copy > 0 && copy === epoch && own !== epoch;
  }

  isActive(now: number): boolean {
    return this.isNewest() && (!this.ports.witness || this.state.sole || now < this.rightUntil);
  }

  tick(now: number): void {
    const { witness, leaseMs, member } = this.ports;
    if (!witness) return;
    this.noticeLapse(now);
    if (this.asking && now - this.asking.at < Math.max(leaseMs / 3, 1000)) return;
    if (this.isNewest()) {
      if (!this.ports.canServe()) return;
      const due = now - this.renewedAt >= leaseMs / 4 || this.told !== this.current;
      if (due) this.ask('renew', this.state.own, now);
      return;
    }
    if (this.mayAskToTake(now))
      this.ask('take', nextEpoch(member, Math.max(this.state.epoch, this.missed)), now);
  }

  met(hello: Hello, now: number): void {
    const [{ epoch, active }, { member }] = [hello, this.ports];
    [this.touch, this.other] = [true, hello];
    // It knows of a right of ours that we have not heard of: the answer, or the line, was lost.
    const isOurs = nextEpoch(member, epoch - 1) === epoch && epoch > this.state.epoch && !active;
    if (!active) this.wholeOf = 0;
    // That one has served, counting on our not listening to it: with the newer database it has the next, which ours never is. Nor is one with an older one (`isLeftTo`).
    if (isOurs && hello.ahead && isCopyOf(this.state, hello))
      this.heard(nextEpoch(otherMember(member), epoch));
    else if (isOurs && this.state.copy > 0 && !isOlder(this.state, hello)) this.given(epoch, now);
    this.heard(epoch);
    if (this.ports.witness && !active && isLeftTo(this.state, hello)) {
      this.become(nextEpoch(member, epoch));
      this.rightUntil = now + this.ports.leaseMs;
    }
    this.supportedAt = Math.max(this.supportedAt, now);
    if (!this.isNewest()) this.asking = undefined;
  }

  lost(now: number): void {
    // With a witness nothing is acknowledged from here on before that one has it in writing (`sole`), unless `left` has noted both.
    // First of all, because what cannot be written is tried again.
    if (this.current && !this.ports.witness) this.keep({ ahead: true });
    [this.touch, this.current, this.other] = [false, false, undefined];
    [this.asking, this.wholeOf] = [undefined, 0];
    if (this.isNewest()) this.tick(now);
  }

  supports(epoch: number, now: number): boolean {
    this.heard(epoch);
    if (epoch !== this.state.epoch || this.isNewest()) return false;
    // Whatever we have asked for is not wanted any more: an answer that comes late is not listened to.
    this.asking = undefined;
    this.supportedAt = now;
    // It may acknowledge what our copy has not: it waits for us only from when it has told us everything.
    if (this.wholeOf !== epoch) this.keep({ idle: true });
    return true;
  }

  supported(sentAt: number, now: number): void {
    this.noticeLapse(now);
    // Who was asked before our right was over has not heard that it was.
    if (!this.isNewest() || sentAt <= this.lapsedAt) return;
    this.rightUntil = Math.max(this.rightUntil, sentAt + this.ports.leaseMs);
  }

  answered(id: number, answer: Answer, now: number): void {
    this.noticeLapse(now);
    this.lastN = Math.max(this.lastN, answer.n);
    const { asking } = this;
    if (asking?.id === id) [this.asking, this.denied] = [undefined, answer.why];
    if (!answer.granted) this.refused(answer.epoch);
    if (!answer.granted || asking?.id !== id) return;
    const { question, at } = asking;
    const until = at + this.ports.leaseMs;
    if (question.kind === 'take') {
      if (now >= until) return;
      this.become(question.epoch);
      this.rightUntil = until;
    } else if (question.kind === 'renew' && question.epoch === this.state.epoch) {
      this.renewedAt = at;
      this.told = question.mayTake;
      this.rightUntil = Math.max(this.rightUntil, until);
      // The witness has it in writing that the other one's copy is not current. Nobody may take over but by an order.
      if (!question.mayTake && !this.current) this.keep({ sole: true });
    }
  }

  caughtUp(now: number): boolean {
    this.noticeLapse(now);
    if (!this.isActive(now) || !this.touch) return false;
    // Its copy was not whole until now, nor had the witness in writing that it is: so long nobody takes over.
    if (this.state.sole) this.rightUntil = Math.max(this.rightUntil, now + this.ports.leaseMs);
    this.keep({ sole: false, ahead: false });
    this.current = true;
    return true;
  }

  countsOnOther(): boolean {
    return this.current;
  }

  left(epoch: number): void {
    // It asks for no right any more, but one that it asked for before may have been given: it is to leave that to us (`met`).
    if (this.isNewest() && epoch === this.state.own) this.keep({ sole: true, ahead: true });
  }

  leave(): number {
    this.leaving = true;
    if (!this.isNewest()) this.keep({ idle: true });
    return this.state.epoch;
  }

  copied(epoch: number, now: number): void {
    this.heard(epoch);
    this.supportedAt = Math.max(this.supportedAt, now);
    this.keep({ copy: epoch, idle: this.leaving, unbegun: 0, ahead: false });
    this.wholeOf = epoch;
  }

  takeOver(now: number, { fenced }: { readonly fenced: boolean }): TakeOver {
    const { witness, member } = this.ports;
    const { copy, epoch } = this.state;
    if (this.isNewest() && !fenced) return 'active';
    if (this.touch) return 'in-touch';
    // Nor does it know what the other one has promised, if the two have never met.
    if (copy === 0 && (epoch > 0 || !fenced)) return 'no-copy';
    if (!witness || fenced) {
      const lapsed = this.isNewest() && !this.isActive(now);
      // Without a copy nothing is known of what the other one has promised.
      this.become(nextEpoch(member, epoch), lapsed || copy === 0 ? 'stale' : undefined);
      return 'done';
    }
    // The other one may count on our not taking over: then nobody but a person can know that it is not active.
    if (!this.isCurrent()) return 'not-current';
    this.denied = undefined;
    // As soon as it may be asked for: an order shortens no time that the other one counts on.
    this.tick(now);
    return 'asked';
  }

  begun(): void {
    this.keep({ unbegun: 0, ahead: !this.current });
  }

  mayYield(): boolean {
    const { own, sole, ahead, unbegun } = this.state;
    if (!this.isNewest() || !this.other || this.other.active) return false;
    const follows = !sole && !ahead && this.other.copy === own;
    return follows || (unbegun > 0 && this.other.own === unbegun && this.other.copy === unbegun);
  }

  handOver(): number {
    const epoch = nextEpoch(otherMember(this.ports.member), this.state.epoch);
    this.keep({ epoch, sole: false });
    this.rightUntil = NEVER;
    [this.asking, this.current] = [undefined, false];
    return epoch;
  }

  given(epoch: number, now: number): void {
    // It has not taken our place, or could not begin: nobody has written since to anything but our own database.
    const isBack = this.other !== undefined && isCopyOf(this.other, this.state);
    if (epoch <= this.state.epoch || (this.state.copy !== this.state.epoch && !isBack)) return;
    this.become(epoch, isBack ? 'fresh' : undefined);
    this.rightUntil = now + this.ports.leaseMs;
  }

  isNewest(): boolean {
    return isNewest(this.state);
  }

  private keep(change: Partial<KeptRight>): void {
    const next = { ...this.state, ...change };
    if (JSON.stringify(next) !== JSON.stringify(this.state)) this.ports.keep(next, this.from);
    this.state = next;
  }

  /**
   * The daemon that served ends, and the next one tells the other one everything anew, although the line is the same: until then
   * nobody has what is acknowledged, so neither of those who could renew the right may hold the other one for current. Whatever could
   * renew it looks first: what comes a moment late must not hide that it was over.
   */
  private noticeLapse(now: number): void {
    if (!this.isNewest() || this.isActive(now) || this.rightUntil === NEVER) return;
    [this.current, this.told, this.asking] = [false, undefined, undefined];
    [this.rightUntil, this.lapsedAt] = [NEVER, now];
  }

  /** The witness knows of a newer right than the one that was asked for. */
  private refused(epoch: number): void {
    const isOurs = nextEpoch(this.ports.member, epoch - 1) === epoch;
    if (isOurs && !this.isNewest()) this.missed = Math.max(this.missed, epoch);
    // Asked for before the one that we have, and given: the witness renews no other any more, nor is it anybody else's. What we have said of it
    // is not known, when what is kept here is older than it: that the other one may take over, perhaps.
    else if (isOurs && epoch > this.state.epoch) this.become(epoch, undefined, false);
    else this.heard(epoch);
  }

  private heard(epoch: number): void {
    if (epoch <= this.state.epoch) return;
    this.keep({ epoch, sole: false });
    this.rightUntil = NEVER;
    this.asking = undefined;
  }

  /** The other one has a right no more, and cannot get one by itself (`sole`). */
  private become(epoch: number, known?: 'stale' | 'fresh', sole = true): void {
    const { copy, own } = this.state;
    const original = copy === own;
    this.from = { stale: known ? known === 'stale' : copy !== this.state.epoch, original };
    const unbegun = original ? this.state.unbegun : copy;
    // Who has one already goes on without being begun anew.
    const ahead = this.state.ahead || (this.isNewest() && unbegun === 0);
    this.keep({ epoch, own: epoch, copy: epoch, sole, idle: false, unbegun, ahead });
    // What the other one has is of an epoch before it.
    [this.current, this.told, this.denied] = [false, undefined, undefined];
  }

  private mayAskToTake(now: number): boolean {
    return !this.touch && this.isCurrent() && now >= this.supportedAt + heldMs(this.ports.leaseMs);
  }

  /** As far as is known here the active one counts on us. */
  private isCurrent(): boolean {
    const { idle, copy, epoch } = this.state;
    return !idle && copy > 0 && copy === epoch;
  }

  private ask(kind: Question['kind'], epoch: number, now: number): void {
    const { member, leaseMs } = this.ports;
    this.lastId += 1;
    this.lastN += 1;
    if (this.lastN > this.state.n) this.keep({ n: this.lastN + NUMBERS_KEPT });
    const question = {
      ...{ kind, member, epoch, leaseMs, n: this.lastN },
      mayTake: kind === 'renew' && this.current,
    };
    this.asking = { id: this.lastId, question, at: now };
    this.ports.ask(question, this.lastId);
  }
}
