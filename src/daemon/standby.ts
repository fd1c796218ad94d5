/**
 * Two appliances of one site that stand in for each other: this one's side of it, put together.
 *
 * `right.ts` says whether this one is active; from that, and from whether the two are in touch, follows which daemon runs here
 * (`standby-part.ts`) and which addresses it may give (`standby-footing.ts`). A right that has ended is felt at once by whoever
 * would write or answer, not when the daemon has stopped.
 */
import type { Config } from '../config.ts';
import type { Daemon } from '../daemon.ts';
import { AppError } from '../errors.ts';
import type { PairDesk } from '../http/people/context.ts';
import { limit } from '../limits.ts';
import { type ImageFolder, openImageFolder } from '../platform/image-folder.ts';
import type { Log } from '../platform/log.ts';
import { seldomErrors } from '../platform/seldom.ts';
import type { Standing } from '../standby/gate.ts';
import type { KeptRight } from '../standby/kept-right.ts';
import { type Mode, modeFor } from '../standby/mode.ts';
import { type HelloMessage, STANDBY_PROTOCOL } from '../standby/protocol.ts';
import { createRight, type Right } from '../standby/right.ts';
import type { StandbySettings } from '../standby/settings.ts';
import type { Answer } from '../standby/witness.ts';
import { federationFolderOf, imageFolderOf, VERSION } from './core.ts';
import { mono } from './standby-clock.ts';
import { type ControlSocket, controlFileOf, openControl } from './standby-control.ts';
import { longestLeaseMs, openStandbyCopy, type StandbyCopy } from './standby-copy.ts';
import { createPairDesk } from './standby-desk.ts';
import { type Footing, openFooting, type Reading, withRight } from './standby-footing.ts';
import { hearOther } from './standby-hearing.ts';
import { type Meeting, openMeetings } from './standby-meeting.ts';
import { PairPart } from './standby-part.ts';
import { type AskedPieces, askForPieces } from './standby-pieces.ts';
import { openPairState, type PairStateFile } from './standby-state.ts';
import { openWitness } from './standby-witness.ts';

const UNNOTED = 'what the pair has to note could not be written: tried again';
const heldOf = ({ epoch, own, copy, unbegun, ahead }: KeptRight) => ({
  ...{ epoch, own, copy, unbegun, ahead },
});

export async function startPair(config: Config, log: Log, file?: string): Promise<Daemon> {
  const settings = config.standby;
  if (!settings) throw new AppError('CONFIG_INVALID', { detail: 'standby is not configured' });
  const pair = new Pair({ config, settings, log, file });
  await pair.open();
  return { stop: (signal) => pair.stop(signal) };
}

export interface PairParts {
  readonly config: Config;
  readonly settings: StandbySettings;
  readonly log: Log;
  readonly file: string | undefined;
}

export class Pair {
  readonly parts: PairParts;
  readonly state: PairStateFile;
  readonly right: Right;
  readonly copy: StandbyCopy;
  readonly footing: Footing;
  readonly part: PairPart;
  readonly pieces: AskedPieces;
  readonly desk: PairDesk;
  readonly leaseMs: number;
  readonly mcltMs: number;
  private readonly startedAt = mono();
  meeting: Meeting | undefined;
  private meetings: { close(): Promise<void> } | undefined;
  private control: ControlSocket | undefined;
  private timer: NodeJS.Timeout | undefined;
  private folder: ImageFolder | undefined;
  private imagesAt = 0;
  /** When the active one was last heard of, by `mono`. */
  heardAt = Number.NEGATIVE_INFINITY;
  /** Somebody has said how things are since the start: the other one, the witness, or nobody for long enough. */
  oriented = false;
  witnessAt = Number.NEGATIVE_INFINITY;
  /** Whether the time of day was set could not be noted. */
  private unnoted = false;
  private readonly tellError: ReturnType<typeof seldomErrors>;
  /** That the line was lost is not on disk yet: until it is, nothing is promised, nobody is met and no right renewed. */
  private unnotedLoss: (() => void) | undefined;
  /** Why the other one did not do what it was asked for. */
  closing: string | undefined;

  constructor(parts: PairParts) {
    this.parts = parts;
    const { config, settings, log } = parts;
    this.tellError = seldomErrors(log);
    this.leaseMs = settings.leaseSeconds * 1000;
    this.mcltMs = settings.mcltSeconds * 1000;
    this.state = openPairState(`${config.database.file}.standby`);
    const { state, mcltMs } = this;
    this.right = this.openRight();
    this.copy = openStandbyCopy({
      ...{ config, log, clockSetMs: () => state.get().clockSetMs ?? 0 },
      replace: (put) => this.part.replace(put),
      onError: (err) => this.anew(err, 'a copy could not be taken'),
    });
    // Of a state that was lost: its database knows what was done to it.
    if (state.get().clockSetMs === undefined)
      state.put({ clockSetMs: this.copy.clockSetMs() ?? 0 });
    this.footing = openFooting({
      ...{ settings, mcltMs, state, log, right: this.right },
      longestMs: longestLeaseMs(config),
    });
    this.desk = createPairDesk(this);
    this.pieces = askForPieces((message) => {
      const line = this.meeting?.active ? this.meeting.line : undefined;
      line?.send(message);
      return line !== undefined;
    });
    this.part = new PairPart({
      ...{ parts, state, copy: this.copy, desk: this.desk },
      wanted: () => this.wanted(),
      isActive: () => this.isActive(),
      epoch: () => this.right.kept().epoch,
      standing: () => this.standing(),
      ahead: () => this.footing.ahead(),
      onPacket: () => void this.clockWasSet(),
      look: () => this.footing.look(),
      line: () => this.meeting?.line,
      follows: () => this.meeting?.active === true && this.right.follows(),
      imageFolder: () => this.imageFolder(),
      piece: this.pieces.ask,
      onChanged: () => this.meeting?.hello(),
      onBegun: () => this.right.begun(),
      onWhole: () => this.whole(),
      onError: (err, what) => this.anew(err, what),
    });
  }

  private openRight(): Right {
    const { config, settings, log } = this.parts;
    const askWitness = openWitness(federationFolderOf(config), log);
    return createRight(
      {
        member: settings.member,
        witness: settings.witness,
        leaseMs: this.leaseMs,
        keep: (right, from) => {
          this.footing.look();
          const how = { mcltMs: this.mcltMs, now: Date.now(), ...from };
          this.state.put(withRight(this.state.get(), right, how));
        },
        canServe: () => !this.part.couldNot('active'),
        ask: (question, id) => {
          askWitness(question, this.leaseMs / 3)
            .then((answer) => answer && this.answered(id, answer))
            .catch((err) => this.tellError({ err }, UNNOTED));
        },
      },
      this.state.get().right,
      this.startedAt,
    );
  }

  /** What cannot be written of a right is as after a crash at that moment: it is not had, or with the least that it may mean. */
  private answered(id: number, answer: Answer): void {
    this.witnessAt = mono();
    this.oriented = true;
    const before = this.right.kept().own;
    this.right.answered(id, answer, mono());
    if (this.right.kept().own !== before) {
      // What the other one has of an epoch before it is to be told of this one, from the start of a line.
      if (this.mode === 'active') this.meeting?.line.close();
      this.footing.tookOver('witness', 'the witness gave the right');
    }
    this.settle();
  }

  async open(): Promise<void> {
    const { config, settings, log } = this.parts;
    this.meetings = await openMeetings({
      ...{ settings, log, silenceMs: this.leaseMs * 0.6 },
      hello: () => this.hello(),
      onMeeting: (meeting) => this.meet(meeting),
    });
    this.control = await openControl(controlFileOf(config), this.desk);
    this.timer = setInterval(() => this.tick(), limit('standbyTickMs'));
    log.info({ member: settings.member, kept: this.right.kept() }, 'one of two appliances');
    // A database that is in use and has never had a partner is the site's.
    if (this.right.kept().epoch === 0 && this.copy.isInUse()) this.begin();
    this.tick();
  }

  private hello(): HelloMessage {
    const { config, settings } = this.parts;
    this.clockWasSet();
    return {
      ...{ kind: 'hello', protocol: STANDBY_PROTOCOL, version: VERSION },
      ...{ schema: this.copy.schema, site: config.site },
      ...{ member: settings.member, active: this.serves(), ...heldOf(this.right.kept()) },
      images: this.part.images?.missing() ?? { files: 0, bytes: 0 },
      ...{ clock: Date.now(), at: mono() },
      place: this.mode === 'following' || this.mode === 'waiting' ? this.copy.place() : undefined,
    };
  }

  /** The first of the two, and all the addresses are its own: there was never another one. */
  begin(): void {
    this.right.takeOver(mono(), { fenced: true });
    const why = 'the first of the two';
    this.state.put({ fenced: true, off: true, wholeFrom: 0, quietUntil: 0, why });
    this.oriented = true;
  }

  private anew(err: unknown, what: string): void {
    this.tellError({ err }, what);
    this.meeting?.line.close();
  }

  get mode(): Mode {
    return this.part.mode;
  }

  isActive(): boolean {
    return this.oriented && this.right.isActive(mono());
  }

  /** Active, and not for want of what it needs to be so. */
  serves(): boolean {
    return this.isActive() && !this.part.couldNot('active');
  }

  /** @throws what cannot be written, which ends this line */
  private meet(meeting: Meeting): void {
    this.noteLoss();
    this.meeting?.line.close();
    this.meeting = meeting;
    this.footing.begins();
    hearOther(this, meeting, (why) => {
      if (this.meeting !== meeting) return;
      this.meeting = undefined;
      this.copy.cut();
      this.pieces.cut();
      this.lost(why);
    });
    meeting.hello();
  }

  /** The line is gone. What was promised and not confirmed is settled: see feeder.ts. */
  private lost(why: string): void {
    this.parts.log.warn({ why }, 'the other appliance of the site is out of touch');
    const { telling } = this.part;
    const served = telling && this.mode === 'active';
    const wasCurrent = this.part.isCurrent();
    if (served) {
      telling.feeder.end();
      if (wasCurrent) telling.promises.apart();
      telling.moves.apart();
    }
    const unsure = served && wasCurrent ? telling.promises.unsure() : undefined;
    const lostAt = mono();
    let isNoted = !served;
    this.unnotedLoss = () => {
      if (!isNoted) this.footing.lost(unsure, mono() - lostAt);
      isNoted = true;
      this.right.lost(mono());
    };
    this.attempt(() => this.noteLoss());
    if (served) this.part.tell({ name: 'standby.lost', data: { why } });
    this.settle();
  }

  private noteLoss(): void {
    this.unnotedLoss?.();
    this.unnotedLoss = undefined;
  }

  imageFolder(): ImageFolder {
    this.folder ??= openImageFolder(imageFolderOf(this.parts.config));
    return this.folder;
  }

  /** @param inStepAt the last moment of which is known that each of the two had everything, by `mono` */
  touched(reading: Reading, inStepAt: number | undefined): void {
    this.heardAt = mono();
    this.footing.touched(reading, inStepAt);
  }

  /** What DHCP may promise now. @throws what has to be on disk before, and cannot be written */
  standing(): Standing {
    this.noteLoss();
    const active = this.mode === 'active' && this.isActive();
    const inTouch = this.meeting?.active === true;
    return this.footing.standing({ active, inTouch, current: this.part.isCurrent() });
  }

  /**
   * The line is to begin anew before anything is said by the new time of day: what the other one has is by the old one.
   *
   * @returns also while that it was set cannot be written, which each tick tries again
   */
  clockWasSet(): boolean {
    try {
      this.unnoted = true;
      const wasSet = this.footing.wasSet();
      this.unnoted = false;
      if (!wasSet) return false;
    } catch (err) {
      // Nothing is promised meanwhile: what is asked for the standing fails as this did.
      this.tellError({ err }, UNNOTED);
      return true;
    }
    this.meeting?.line.close();
    this.part.clockSet();
    return true;
  }

  /** What cannot be written in it the next one tries again: whoever cannot write renews no right, and leaves its place in time. */
  private tick(): void {
    this.clockWasSet();
    this.attempt(() => this.look(mono()));
  }

  private attempt(run: () => void): void {
    try {
      run();
    } catch (err) {
      this.tellError({ err }, UNNOTED);
    }
  }

  private look(now: number): void {
    this.noteLoss();
    this.right.tick(now);
    if (this.part.couldNot('active')) this.yieldPlace();
    // Nobody says anything: after a while what was kept is all that there is to go by.
    if (now - this.startedAt > 2 * this.leaseMs) this.oriented = true;
    this.part.telling?.feeder.pump();
    if (!this.unnoted) this.part.tidy();
    if (now - this.imagesAt > limit('standbyImagesMs')) {
      this.imagesAt = now;
      this.part.images?.wake();
    }
    // It has everything, and neither the witness nor itself is told so by what follows: on another line it is.
    if (this.isActive() && !this.part.busy && this.part.isCurrent() && !this.right.countsOnOther())
      this.meeting?.line.close();
    this.part.release(!this.parts.settings.witness || this.right.kept().sole);
    this.settle();
  }

  /** It is to be active and could not begin: the other one can, if it has everything. */
  private yieldPlace(): void {
    if (this.part.busy || !this.right.mayYield()) return;
    const epoch = this.right.handOver();
    this.parts.log.warn({ epoch }, 'what cannot be begun here is left to the other appliance');
    // Which takes its place by what that says.
    this.meeting?.hello();
  }

  private wanted(): Mode {
    const { meeting, mode, oriented } = this;
    const now = {
      ...{ isActive: this.isActive(), mode, oriented },
      line: meeting ? (meeting.active ? 'active' : 'open') : 'none',
      hasCopy: this.copy.exists(),
      wasWhole: this.right.kept().copy > 0,
      silentMs: mono() - Math.max(this.startedAt, this.heardAt),
    } as const;
    return modeFor(now, this.leaseMs);
  }

  settle(): void {
    this.part.settle();
  }

  /** The follower has everything: from here on it may take over. */
  private whole(): void {
    try {
      if (!this.right.caughtUp(mono())) return;
      this.footing.whole();
    } catch (err) {
      // On another line it is told that it has everything once more.
      this.anew(err, 'that the other one has everything could not be written');
      return;
    }
    this.part.telling?.promises.together();
    this.part.telling?.moves.together();
    const { own: epoch } = this.right.kept();
    this.meeting?.line.send({ kind: 'whole', epoch });
    this.part.tell({ name: 'standby.current', data: { epoch } });
  }

  async stop(signal: string): Promise<void> {
    clearInterval(this.timer);
    await this.control?.close();
    await this.part.stop(signal, () => {
      if (this.mode === 'active') return;
      // What cannot be noted is not said either.
      this.attempt(() => this.meeting?.line.send({ kind: 'bye', epoch: this.right.leave() }));
    });
    await this.meetings?.close();
  }
}
