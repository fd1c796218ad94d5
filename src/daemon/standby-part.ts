/**
 * Which daemon runs on a member of a pair: the whole one; what machines need, read from a copy that follows; or the same over a
 * copy that is not told any more. Each is the usual daemon with some of its parts, started over the same file and stopped
 * before the next: nothing in memory outlives the change.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { type Daemon, startDaemon } from '../daemon.ts';
import { AppError } from '../errors.ts';
import type { NewEvent } from '../events.ts';
import type { PairDesk } from '../http/people/context.ts';
import { limit } from '../limits.ts';
import { checkImageFile } from '../platform/image-check.ts';
import type { ImageFolder } from '../platform/image-folder.ts';
import { runMs } from '../platform/lasting-clock.ts';
import { osBootId } from '../platform/os-boot.ts';
import { seldom } from '../platform/seldom.ts';
import { trim } from '../standby/change-log.ts';
import type { ClockBounds } from '../standby/clock-difference.ts';
import { isFromCopy } from '../standby/copy.ts';
import { createFollowing } from '../standby/following.ts';
import type { Standing } from '../standby/gate.ts';
import { followClock } from '../standby/lease-clock.ts';
import type { Mode } from '../standby/mode.ts';
import { readMoves } from '../standby/move-log.ts';
import { unsureOf } from '../standby/promises.ts';
import type { Told } from '../standby/told.ts';
import type { Clock } from '../wire/time.ts';
import { type openCore, rereadCore, systemClock } from './core.ts';
import type { PairParts } from './standby.ts';
import { longestLeaseMs, type StandbyCopy } from './standby-copy.ts';
import { openTelling, type Telling } from './standby-dhcp.ts';
import { type FollowedImagePorts, type FollowedImages, followImages } from './standby-images.ts';
import type { Line } from './standby-line.ts';
import { createPacketClock } from './standby-packet-clock.ts';
import type { PairSide } from './standby-serving.ts';
import type { PairStateFile } from './standby-state.ts';
import { openTold } from './standby-told.ts';

type Core = ReturnType<typeof openCore>;

export interface PartPorts {
  readonly parts: PairParts;
  readonly state: PairStateFile;
  readonly copy: StandbyCopy;
  readonly desk: PairDesk;
  /** What this member is to be now. */
  wanted(): Mode;
  isActive(): boolean;
  epoch(): number;
  standing(): Standing;
  /** By how much our time of day is ahead of the other one's. */
  ahead(): ClockBounds;
  /** Something comes for which the time of day counts. */
  onPacket(): void;
  /** Before anything is reckoned by it: whether the time of day was set is kept. */
  look(): void;
  line(): Line | undefined;
  /** The copy here is whole, and the active one is there. */
  follows(): boolean;
  imageFolder(): ImageFolder;
  piece: FollowedImagePorts['piece'];
  /** Another daemon runs than before. */
  onChanged(): void;
  /** The active one's part runs. */
  onBegun(): void;
  /** The follower has everything. */
  onWhole(): void;
  /** What is between the two is to begin anew. */
  onError(error: unknown, what: string): void;
}

export class PairPart {
  mode: Mode = 'waiting';
  telling: Telling | undefined;
  /** Ends when the change that is under way has. */
  changing: Promise<void> = Promise.resolve();
  /** Nothing is changed for now. */
  busy = false;
  private readonly ports: PartPorts;
  private daemon: Daemon | undefined;
  private core: Core | undefined;
  /** Who reads the copy, and is told what has changed in it. */
  private readers: ((tables: ReadonlySet<string>) => void)[] = [];
  private stopping = false;
  /** What could not be begun, and when it is tried again. */
  private failed: { readonly to: Mode; readonly againAt: number } | undefined;
  takeOvers = 0;
  /** As a follower. */
  images: FollowedImages | undefined;
  /** By how much the clock was set in all as the database that is open has it. */
  private followedMs: number | undefined;
  /** Why its times could not be moved: until they are, nothing is given from it. */
  private unmoved: { readonly why: unknown } | undefined;
  /** When the follower had everything last. */
  private evenAt = Number.NEGATIVE_INFINITY;
  private readonly told: Told;
  private readonly longestMs: number;
  private readonly tellUnmoved: (why: unknown) => void;

  constructor(ports: PartPorts) {
    this.ports = ports;
    const { config } = ports.parts;
    this.longestMs = longestLeaseMs(config);
    this.tellUnmoved = seldom((err) =>
      ports.parts.log.error({ err }, 'leases could not be moved with the clock: none is given'),
    );
    this.told = openTold(`${config.database.file}.told`, this.longestMs);
  }

  isCurrent(): boolean {
    return this.telling?.feeder.isWhole() ?? false;
  }

  /** It was tried, and is tried again. */
  couldNot(begin: Mode): boolean {
    return this.failed?.to === begin;
  }

  settle(): void {
    const to = this.ports.wanted();
    if (this.busy || this.stopping || to === this.mode) return;
    if (to === this.failed?.to && performance.now() < this.failed.againAt) return;
    this.busy = true;
    this.changing = this.change(to)
      .catch((err) => this.fail(to, err))
      .finally(() => {
        this.busy = false;
      });
  }

  private async change(to: Mode): Promise<void> {
    const { parts, copy, state, ahead } = this.ports;
    const from = this.mode;
    const epoch = this.ports.epoch();
    parts.log.info({ from, to, epoch }, 'the appliance changes its part');
    await this.close('standby');
    this.mode = to;
    if (to === 'waiting') return;
    this.ports.look();
    if (to === 'active') this.rememberUnsure();
    // No lease of the other one's ends sooner by our clock than by its own.
    if (to !== 'following') copy.leave(to, to === 'active' ? ahead().mostMs : 0);
    // Until the other one has everything, nothing that is promised is heard of.
    if (to === 'active') state.put({ unheard: true });
    await this.start(to);
    this.ports.onChanged();
    if (to !== 'active') return;
    this.ports.onBegun();
    this.telling?.begun(this.ports.isActive() ? undefined : new AppError('NOT_ACTIVE'));
    this.takeOvers += 1;
    const { why } = state.get();
    this.tell({ name: 'standby.active', data: { epoch: this.ports.epoch(), from, why } });
  }

  /** Before it serves again in its own database: a crash has forgotten for which of its leases it waited. Of a copy there are none. */
  private rememberUnsure(): void {
    const { parts, copy, state } = this.ports;
    const { knownAt, unsure, off } = state.get();
    if (off) return;
    const promised = copy.promisedAfter(knownAt);
    const more = unsureOf(parts.settings.member, promised, { now: Date.now(), knownAt });
    if (more.length > 0) state.put({ unsure: [...new Set([...unsure, ...more])] });
  }

  /** What it has promised in the database that it gives up, and the other one may not have heard of, it holds to like to what it tells. */
  private keepWord(): Promise<void> {
    const { copy, state } = this.ports;
    for (const { segment, address, mac, expiresAt } of copy.promisedAfter(state.get().knownAt)) {
      const seconds = (expiresAt - Date.now()) / 1000;
      if (seconds > 0) this.told.tell(segment, address, { mac, seconds });
    }
    return new Promise((resolve, reject) => {
      this.told.whenKept((error) => (error ? reject(error) : resolve()));
    });
  }

  /** Nothing of it stays: what is half open would be in the way of the next try. */
  private async fail(to: Mode, err: unknown): Promise<void> {
    const { log } = this.ports.parts;
    log.error({ err, to }, 'the appliance could not change its part, and tries again');
    await this.close('standby').catch((err) => log.error({ err }, 'it could not be closed'));
    this.mode = 'waiting';
    this.failed = { to, againAt: performance.now() + limit('standbyPartAgainMs') };
  }

  private async start(mode: Exclude<Mode, 'waiting'>): Promise<void> {
    const { parts, copy, desk, isActive, ahead } = this.ports;
    [this.readers, this.followedMs, this.unmoved] = [[], undefined, undefined];
    if (mode === 'following')
      copy.open((tables) => {
        for (const reread of this.readers) reread(tables);
      });
    const side: PairSide = {
      ...{ mode, desk },
      clock: this.packetClock(),
      isOver: () => !isActive(),
      run: () => {
        if (mode === 'following') return { copy: { serves: true, aheadMs: () => ahead().leastMs } };
        if (mode === 'apart') return {};
        return { osBoot: osBootId(), mayWrite: () => assertActive(isActive) };
      },
      opened: (core) => {
        this.core = core;
        return mode === 'following' ? this.openFollowing(core) : this.openTelling(core);
      },
      onRows: (reread) => void this.readers.push(reread),
      onZones: (show) => copy.onZones(show),
    };
    const { config, log, file } = parts;
    this.daemon = await startDaemon(config, log, { file, pair: side });
    this.failed = undefined;
  }

  private packetClock(): Clock {
    const { look, onPacket, state } = this.ports;
    return createPacketClock({
      ...{ clock: systemClock, look, onPacket, setMs: () => state.get().clockSetMs },
      inTransaction: () => this.core?.db.inTransaction === true,
      // It may have been set while this daemon was begun, too.
      follow: () => this.followClock(),
      unmoved: () => this.unmoved,
    });
  }

  /** What it tells machines is in the copy: there is nothing to enter, and nothing to wait for. */
  private openFollowing(core: Core): ReturnType<PairSide['opened']> {
    const { parts, standing } = this.ports;
    const { mcltSeconds, answerAfterSeconds: standsBackSeconds } = parts.settings;
    const { leases } = core.view;
    const moves = readMoves(core.db);
    this.images = this.openImages(core);
    this.readers.push((tables) => {
      rereadCore(core, tables);
      if (tables.has('meta')) moves.reread();
      if (tables.has('image_blobs')) this.images?.wake();
    });
    const rules = createFollowing({
      ...{ mcltSeconds, standsBackSeconds, leases, standing, moves, told: this.told },
    });
    core.pairing.rules = rules;
    return {
      applyLease: (change) => rules.entering(change, systemClock()),
      whenDurable: this.told.whenKept,
      leaseDurable: this.told.whenKept,
    };
  }

  private openImages(core: Core): FollowedImages {
    const { parts, follows, imageFolder, piece } = this.ports;
    const { log, settings } = parts;
    return followImages({
      ...{ log, piece, isCurrent: follows, folder: imageFolder(), check: checkImageFile },
      bytesPerSecond: (settings.imagesMbps * 1_000_000) / 8,
      blobs: core.inventory.blobs.list,
      pause: (ms, signal) => pause(ms, undefined, { signal }),
    });
  }

  private openTelling(core: Core): Telling {
    const { parts, state, copy, standing, ahead, line, onWhole, onError } = this.ports;
    // What is no copy is kept by our own clock.
    const isCopy = isFromCopy(core.db);
    this.telling = openTelling(core, {
      ...{ settings: parts.settings, standing, told: this.told, active: this.mode === 'active' },
      longestMs: this.longestMs,
      unsure: state.get().unsure,
      // Nor does one run for longer that we tell a machine of.
      aheadMs: () => (isCopy ? ahead().leastMs : 0),
      ports: {
        send: (message) => line()?.send(message),
        sendCopy: (place) => copy.send(line(), place),
        onWhole,
        onError: (err) => onError(err, 'the standby could not be given a copy'),
      },
    });
    return this.telling;
  }

  tell(event: NewEvent): void {
    try {
      this.core?.inventory.transaction(() => this.core?.inventory.events.append(event));
    } catch (err) {
      this.ports.parts.log.warn(
        { err, event: event.name },
        'an event of the pair was not recorded',
      );
    }
  }

  /** How long ago the follower had everything. */
  behindMs(): number {
    if ((this.telling?.feeder.behind() ?? 0) === 0) return 0;
    return Math.round(performance.now() - this.evenAt);
  }

  /** The time of day was set: what is kept by it is written anew. Not from within a transaction. */
  clockSet(): void {
    this.told.clockSet();
    this.told.whenKept((err) => {
      if (err) this.ports.onError(err, 'what machines were told could not be kept');
    });
    this.followClock();
  }

  /** Leases and notes of our own database run on for as long as they would have: of one that no daemon has open, before the next one begins. */
  private followClock(): void {
    const { core, telling } = this;
    const setMs = this.ports.state.get().clockSetMs ?? 0;
    if (!core || !telling || setMs === this.followedMs) return;
    if (this.mode === 'active' && !this.ports.isActive()) return;
    const { inventory, db } = core;
    try {
      const set = () => ({ setMs, now: systemClock(), runMs: runMs() });
      const moved = !isFromCopy(db) && inventory.transaction(() => followClock(db, set()));
      if (moved) inventory.leases.reload();
      [this.followedMs, this.unmoved] = [setMs, undefined];
    } catch (why) {
      this.unmoved = { why };
      this.tellUnmoved(why);
    }
  }

  /** To be called often: forgets what both know, and what nobody is there to be told. */
  tidy(): void {
    const { core } = this;
    this.followClock();
    if (this.telling && (this.mode === 'apart' || !this.ports.line())) trim(this.telling.log);
    if (this.telling?.feeder.behind() === 0) this.evenAt = performance.now();
    if (!core || !this.telling || this.mode !== 'active' || !this.ports.isActive()) return;
    this.telling.moves.tidy(core.inventory.transaction);
    const { state } = this.ports;
    if (state.get().unsure.length > 0 && this.telling.promises.unsure().length === 0)
      state.put({ unsure: [] });
  }

  /** A whole copy is here: it takes the place of the database while nothing has that open. */
  replace(put: () => void): void {
    const before = this.changing;
    this.changing = before
      .then(async () => {
        if (this.stopping) return;
        if (this.mode === 'active') throw new Error('this appliance is active meanwhile');
        this.busy = true;
        try {
          await this.close('standby');
          this.ports.look();
          await this.keepWord();
          put();
          // What was promised without a word was so in the database of before.
          this.ports.state.put({ unsure: [] });
          this.mode = 'following';
          await this.start('following');
        } catch (err) {
          await this.fail('following', err);
          throw err;
        }
      })
      .catch((err) => this.ports.onError(err, 'a copy could not be put in place'))
      .finally(() => {
        this.busy = false;
      });
  }

  /** Those who wait for the other one's word, when nobody can take over without it any more. */
  release(settled: boolean): void {
    if (!this.telling || this.isCurrent()) return;
    if (!this.ports.isActive()) this.telling.feeder.release(new AppError('NOT_ACTIVE'));
    else if (settled) this.telling.feeder.release();
  }

  private async close(signal: string): Promise<void> {
    const { daemon } = this;
    this.daemon = undefined;
    // It would come after what the next daemon tells, as something older: on another line it does not.
    if (this.telling?.feeder.isCopying()) this.ports.line()?.close();
    this.telling?.begun(new AppError('NOT_ACTIVE'));
    this.telling?.feeder.end();
    this.telling?.feeder.release(new AppError('NOT_ACTIVE'));
    this.telling = undefined;
    const { images } = this;
    this.images = undefined;
    await images?.stop();
    this.ports.copy.pause();
    await daemon?.stop(signal);
    await this.ports.copy.close();
    this.core = undefined;
  }

  /** @param last what is done when no change is under way any more, and before the daemon ends */
  async stop(signal: string, last: () => void): Promise<void> {
    this.stopping = true;
    await this.changing;
    last();
    await this.close(signal);
  }
}

function assertActive(isActive: () => boolean): void {
  if (!isActive()) throw new AppError('NOT_ACTIVE');
}
