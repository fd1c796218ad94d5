/**
 * Two appliances of one site that stand in for each other: this one's side of it, put together.
 *
 * `right.ts` says whether this one is active; from that, and from whether the two are in touch, follows what runs here: the whole
 * daemon; the name server over a copy that follows; or what machines need, over a copy that is not told any more. Each is the
 * usual daemon with some of its parts, started over the same file and stopped before the next: nothing in memory
 * outlives the change. A right that has ended is felt at once by whoever would write or answer, not when the daemon has stopped.
 */
import type { Config } from '../config.ts';
import { type Daemon, startDaemon } from '../daemon.ts';
import { AppError } from '../errors.ts';
import type { NewEvent } from '../events.ts';
import type { PairDesk, PairStatus } from '../http/people/context.ts';
import { limit } from '../limits.ts';
import type { Log } from '../platform/log.ts';
import { osBootId } from '../platform/os-boot.ts';
import type { Standing } from '../standby/gate.ts';
import { createRight, type Right } from '../standby/right.ts';
import type { StandbySettings } from '../standby/settings.ts';
import {
  afterLoss,
  afterStart,
  afterSteppingDown,
  afterTakeOver,
  standingOf,
} from '../standby/standing.ts';
import { federationFolderOf, type openCore } from './core.ts';
import { type ControlSocket, controlFileOf, openControl } from './standby-control.ts';
import { openStandbyCopy, type StandbyCopy } from './standby-copy.ts';
import { createPairDesk } from './standby-desk.ts';
import { openTelling, type Telling } from './standby-dhcp.ts';
import { hearOther } from './standby-hearing.ts';
import { type Meeting, openMeetings } from './standby-meeting.ts';
import type { PairSide } from './standby-serving.ts';
import { openPairState, type PairStateFile } from './standby-state.ts';
import { openWitness } from './standby-witness.ts';

type Mode = PairStatus['mode'];
type Core = ReturnType<typeof openCore>;

/** Not the time of day, which may jump. */
export const mono = () => performance.now();

export async function startPair(config: Config, log: Log, file?: string): Promise<Daemon> {
  const settings = config.standby;
  if (!settings) throw new AppError('CONFIG_INVALID', { detail: 'standby is not configured' });
  const pair = new Pair({ config, settings, log, file });
  await pair.open();
  return { stop: (signal) => pair.stop(signal) };
}

interface PairParts {
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
  readonly leaseMs: number;
  readonly mcltMs: number;
  private readonly startedAt = mono();
  meeting: Meeting | undefined;
  private meetings: { close(): Promise<void> } | undefined;
  private control: ControlSocket | undefined;
  mode: Mode = 'waiting';
  private daemon: Daemon | undefined;
  private core: Core | undefined;
  telling: Telling | undefined;
  changing: Promise<void> = Promise.resolve();
  busy = false;
  private wasNewest = false;
  private stopping = false;
  private timer: NodeJS.Timeout | undefined;
  private touchedAt = Number.NEGATIVE_INFINITY;
  private heardAt = Number.NEGATIVE_INFINITY;
  /** Somebody has said how things are since the start: the other one, the witness, or nobody for long enough. */
  oriented = false;
  witnessAt = Number.NEGATIVE_INFINITY;
  closing: string | undefined;

  constructor(parts: PairParts) {
    this.parts = parts;
    const { config, settings, log } = parts;
    this.leaseMs = settings.leaseSeconds * 1000;
    this.mcltMs = settings.mcltSeconds * 1000;
    const askWitness = openWitness(federationFolderOf(config), log);
    this.state = openPairState(`${config.database.file}.standby`);
    this.right = createRight(
      {
        member: settings.member,
        witness: settings.witness,
        leaseMs: this.leaseMs,
        keep: (right) => this.state.put({ right }),
        wall: () => Date.now(),
        ask: (question, id) => {
          askWitness(question, this.leaseMs / 3).then((answer) => {
            if (!answer) return;
            this.witnessAt = mono();
            this.oriented = true;
            const before = this.right.kept().own;
            this.right.answered(id, answer, mono());
            if (this.right.kept().own !== before)
              this.tookOver('witness', 'the witness gave the right');
            this.settle();
          });
        },
      },
      this.state.get().right,
      this.startedAt,
    );
    this.copy = openStandbyCopy({
      ...{ config, log },
      replace: (put) => this.replace(put),
      onError: (err) => this.anew(err, 'a copy could not be taken'),
    });
  }

  async open(): Promise<void> {
    const { config, settings, log } = this.parts;
    this.meetings = await openMeetings({
      ...{ settings, log, silenceMs: this.leaseMs * 0.6 },
      hello: () => ({
        ...{ kind: 'hello', protocol: 1, schema: this.copy.schema, site: config.site },
        ...{ member: settings.member, epoch: this.right.kept().epoch },
        ...{ own: this.right.kept().own, active: this.isActive() },
        place: this.mode === 'following' || this.mode === 'waiting' ? this.copy.place() : undefined,
      }),
      onMeeting: (meeting) => this.meet(meeting),
    });
    const { touchAt } = this.state.get();
    this.state.put(afterStart(this.state.get(), { touchAt, doubtMs: limit('standbyDoubtMs') }));
    this.control = await openControl(controlFileOf(config), this.desk);
    this.timer = setInterval(() => this.tick(), limit('standbyTickMs'));
    log.info({ member: settings.member, kept: this.right.kept() }, 'one of two appliances');
    // A database that is in use and has never had a partner is the site's.
    if (this.right.kept().epoch === 0 && this.copy.isInUse()) this.begin();
    this.tick();
  }

  /** The first of the two, and all the addresses are its own: there was never another one. */
  begin(): void {
    this.right.takeOver(mono(), { fenced: true });
    this.state.put({ fenced: true, wholeFrom: 0, why: 'the first of the two' });
    this.oriented = true;
  }

  private anew(err: unknown, what: string): void {
    this.parts.log.error({ err }, what);
    this.meeting?.line.close();
  }

  isActive(): boolean {
    return this.oriented && this.right.isActive(mono());
  }

  private meet(meeting: Meeting): void {
    this.meeting?.line.close();
    this.meeting = meeting;
    hearOther(this, meeting, (why) => {
      if (this.meeting !== meeting) return;
      this.meeting = undefined;
      this.copy.cut();
      this.lost(why);
    });
    meeting.hello();
  }

  /** The line is gone. What was promised and not confirmed is settled: see feeder.ts. */
  private lost(why: string): void {
    this.parts.log.warn({ why }, 'the other appliance of the site is out of touch');
    const now = Date.now();
    const { telling } = this;
    if (telling && this.mode === 'active') {
      const wasWhole = this.standing().mode === 'whole';
      const { touchAt } = this.state.get();
      telling.feeder.end();
      telling.promises.apart();
      if (!wasWhole) this.state.put({ unheard: true });
      else {
        const doubtMs = limit('standbyDoubtMs');
        const apart = afterLoss(this.state.get(), { now, touchAt, doubtMs });
        this.state.put({ ...apart, unsure: telling.promises.unsure() });
      }
      this.tell({ name: 'standby.lost', data: { why } });
    }
    this.right.lost(mono());
    this.settle();
  }

  touched(aheadMs: number): void {
    const now = mono();
    this.heardAt = now;
    if (now - this.touchedAt < limit('standbyNoteMs')) return;
    this.touchedAt = now;
    this.state.put({ touchAt: Date.now(), aheadMs: Math.round(aheadMs) });
  }

  /** What DHCP may promise now. */
  standing(): Standing {
    const active = this.mode === 'active' && this.isActive();
    const { member } = this.parts.settings;
    return standingOf(this.state.get(), {
      ...{ member, active, current: this.isCurrent(), now: Date.now() },
      follows: this.right.follows(),
    });
  }

  isCurrent(): boolean {
    return this.telling?.feeder.isWhole() ?? false;
  }

  /** It has become the newest epoch's: what that means for addresses, on disk before it is served. */
  tookOver(by: 'witness' | 'handed' | 'fenced' | 'order', why: string): void {
    const { touchAt } = this.state.get();
    const doubtMs = limit('standbyDoubtMs');
    const how = { by, touchAt, doubtMs, now: Date.now(), mcltMs: this.mcltMs };
    const apart = afterTakeOver(this.state.get(), how);
    this.state.put({ ...apart, why, unsure: [] });
    this.parts.log.warn({ why, epoch: this.right.kept().epoch }, 'this appliance takes over');
  }

  /** Somebody else has become active: what was promised here, and not heard of, is not forgotten with the database. */
  private noteStep(): void {
    const { own, epoch } = this.right.kept();
    const isNewest = own > 0 && own === epoch;
    if (this.wasNewest && !isNewest) {
      const step = { now: Date.now(), mcltMs: this.mcltMs };
      this.state.put(afterSteppingDown(this.state.get(), step));
    }
    this.wasNewest = isNewest;
  }

  private tick(): void {
    if (this.stopping) return;
    const now = mono();
    this.right.tick(now);
    this.noteStep();
    // Nobody says anything: after a while what was kept is all that there is to go by.
    if (now - this.startedAt > 2 * this.leaseMs) this.oriented = true;
    this.telling?.feeder.pump();
    this.release();
    this.settle();
  }

  /** Those who wait for the other one's word, when nobody can take over without it any more. */
  private release(): void {
    const { telling } = this;
    if (!telling || this.isCurrent()) return;
    if (!this.right.isActive(mono())) telling.feeder.release(new AppError('NOT_ACTIVE'));
    else if (!this.parts.settings.witness || this.right.kept().sole) telling.feeder.release();
  }

  private wanted(): Mode {
    if (this.isActive()) return 'active';
    const { copy } = this.right.kept();
    if (this.meeting?.active) return 'following';
    if (!this.copy.exists()) return 'waiting';
    const silentMs = mono() - Math.max(this.startedAt, this.heardAt);
    if (this.mode === 'active' && this.meeting) return 'following';
    if (this.mode === 'active' || this.mode === 'apart') return 'apart';
    if (copy > 0 && silentMs > 1.5 * this.leaseMs && this.oriented) return 'apart';
    return this.mode === 'following' || copy > 0 ? 'following' : 'waiting';
  }

  settle(): void {
    this.noteStep();
    if (this.busy || this.stopping || this.wanted() === this.mode) return;
    this.busy = true;
    this.changing = this.change(this.wanted())
      .catch((err) => {
        this.parts.log.error({ err }, 'the appliance could not change its part');
      })
      .finally(() => {
        this.busy = false;
      });
  }

  private async change(to: Mode): Promise<void> {
    const { log } = this.parts;
    const from = this.mode;
    log.info({ from, to, epoch: this.right.kept().epoch }, 'the appliance changes its part');
    await this.close('standby');
    this.mode = to;
    if (to === 'waiting') return;
    if (to !== 'following') this.copy.leave(to === 'active' ? this.state.get().aheadMs : 0);
    // Until the other one has everything, nothing that is promised is heard of.
    if (to === 'active') this.state.put({ aheadMs: 0, unheard: true });
    await this.start(to);
    this.meeting?.hello();
    if (to === 'active') {
      const { epoch } = this.right.kept();
      const { why } = this.state.get();
      this.tell({ name: 'standby.active', data: { epoch, from, why } });
    }
  }

  private async start(mode: Exclude<Mode, 'waiting'>): Promise<void> {
    const { config, log, file } = this.parts;
    const side: PairSide = {
      mode,
      desk: this.desk,
      isOver: () => !this.isActive(),
      run: () => {
        if (mode !== 'active') return {};
        return { osBoot: osBootId(), mayWrite: () => assertActive(this) };
      },
      opened: (core) => {
        this.core = core;
        if (mode === 'following') {
          this.copy.opened(core.db);
          const { apply } = core.inventory.leases;
          return { applyLease: apply, whenDurable: core.groupCommit.whenDurable };
        }
        this.telling = openTelling(core, {
          settings: this.parts.settings,
          unsure: this.state.get().unsure,
          standing: () => this.standing(),
          aheadMs: () => this.state.get().aheadMs,
          keepUnsure: (unsure) => this.state.put({ unsure }),
          ports: {
            send: (message) => this.meeting?.line.send(message),
            sendCopy: (place) => this.copy.send(this.meeting?.line, place),
            onWhole: () => this.whole(),
            onError: (err) => this.anew(err, 'the standby could not be given a copy'),
          },
        });
        return this.telling;
      },
      onZones: (show) => this.copy.onZones(show),
    };
    this.daemon = await startDaemon(config, log, { file, pair: side });
  }

  /** The follower has everything: from here on it may take over. */
  private whole(): void {
    this.right.caughtUp();
    this.telling?.promises.together();
    this.state.put({ fenced: false, unsure: [], unheard: false });
    this.meeting?.line.send({ kind: 'whole', epoch: this.right.kept().own });
    this.tell({ name: 'standby.current', data: { epoch: this.right.kept().own } });
  }

  tell(event: NewEvent): void {
    try {
      this.core?.inventory.transaction(() => this.core?.inventory.events.append(event));
    } catch (err) {
      this.parts.log.warn({ err, event: event.name }, 'an event of the pair was not recorded');
    }
  }

  /** A whole copy is here: it takes the place of the database while nothing has that open. */
  private replace(put: () => void): void {
    const before = this.changing;
    this.changing = before
      .then(async () => {
        if (this.mode === 'active' || this.mode === 'apart' || this.stopping) return;
        this.busy = true;
        await this.close('standby');
        put();
        this.mode = 'following';
        await this.start('following');
      })
      .catch((err) => this.anew(err, 'a copy could not be put in place'))
      .finally(() => {
        this.busy = false;
      });
  }

  private async close(signal: string): Promise<void> {
    const { daemon } = this;
    this.daemon = undefined;
    this.telling?.feeder.end();
    this.telling?.feeder.release(new AppError('NOT_ACTIVE'));
    this.telling = undefined;
    this.copy.closed();
    await daemon?.stop(signal);
    this.core = undefined;
  }

  readonly desk: PairDesk = createPairDesk(this);

  async stop(signal: string): Promise<void> {
    this.stopping = true;
    clearInterval(this.timer);
    await this.control?.close();
    await this.changing;
    if (this.mode !== 'active') this.meeting?.line.send({ kind: 'bye', epoch: this.right.leave() });
    await this.close(signal);
    await this.meetings?.close();
  }
}

function assertActive(pair: Pair): void {
  if (!pair.isActive()) throw new AppError('NOT_ACTIVE');
}
