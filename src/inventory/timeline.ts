/**
 * The timeline of one boot, folded from its events: how far it got, how long each step took, and what shows it.
 *
 * Pure and total: the board, the API, the stall watch and the lab all call the same fold. A step that this kind of
 * firmware never takes (TFTP, when iPXE is in the card's ROM) is `skipped`, not missing. The ids of the events that a
 * step rests on are kept with it as evidence.
 */
import type { StoredEvent } from '../events.ts';
import type { BootId, Hardwarename } from '../wire/ids.ts';
import type { Mac } from '../wire/mac.ts';
import type { Millis } from '../wire/time.ts';
import type { Boot } from './boots.ts';
import { type Stall, stallOf, stallsAt } from './stalls.ts';

export const STEP_NAMES = [
  'offer',
  'ack',
  'tftp',
  'script',
  'kernel',
  'initrd',
  'linux',
  'recon',
  'registered',
] as const;
export type StepName = (typeof STEP_NAMES)[number];

export interface TimelineStep {
  readonly name: StepName;
  readonly state: 'waiting' | 'running' | 'done' | 'failed' | 'skipped';
  /** When it was reached (done), begun (running) or broken (failed). */
  readonly at?: Millis;
  /** From the previous step that was reached, or from the start of the boot. */
  readonly tookMs?: number;
  readonly detail: string;
  /** Ids of the events that show it. */
  readonly evidence: readonly number[];
}

export interface BootTimeline {
  readonly boot: BootId;
  readonly mac: Mac;
  readonly hardwarename?: Hardwarename;
  readonly arch: string;
  readonly startedAt: Millis;
  /** The last event of this boot. */
  readonly lastAt: Millis;
  /** `over`: it left for its local disk, has nothing to boot, works for a job, or waits as it should. */
  readonly state: 'running' | 'done' | 'stalled' | 'over';
  readonly steps: readonly TimelineStep[];
  readonly stall?: Stall;
}

/** What the fold learns on the way; the stall rules read it. */
export interface BootSigns {
  steps: Record<
    StepName,
    { state: TimelineStep['state']; at?: Millis; detail: string; evidence: number[] }
  >;
  lastAt: Millis;
  /** iPXE has asked for an address (after a chainload that is the second DHCP round). */
  ipxeOffered: boolean;
  ipxeAcked: boolean;
  bootFile: string;
  /** It was handed a shim that goes on to GRUB, which asks for its script and for no address. */
  grub: boolean;
  mode: string;
  /** Its script says that it cannot run what it should. */
  refused: boolean;
  /** The last thing that went wrong, in words; cleared by the next thing that goes right. */
  trouble: string;
}

export function foldTimeline(
  boot: Boot,
  events: readonly StoredEvent[],
  now: Millis,
): BootTimeline {
  const signs = readSigns(boot, events);
  skipWhatWasNotNeeded(signs);
  const steps = durations(boot, signs);
  const over = OVER.includes(signs.mode);
  const done = signs.steps.registered.state === 'done';
  const stall = over || done ? undefined : stallOf(signs, now);
  const hardwarename =
    boot.hardwarename ?? events.findLast((event) => event.hardwarename)?.hardwarename;
  return {
    boot: boot.id,
    mac: boot.mac,
    ...(hardwarename === undefined ? {} : { hardwarename }),
    arch: boot.arch,
    startedAt: boot.startedAt,
    lastAt: signs.lastAt,
    state: done ? 'done' : over ? 'over' : stall ? 'stalled' : 'running',
    steps,
    ...(stall === undefined ? {} : { stall }),
  };
}

/** When a boot with these events stalls if nothing more is heard of it; `undefined` when it never can. */
export function stallMoment(boot: Boot, events: readonly StoredEvent[]): Millis | undefined {
  const signs = readSigns(boot, events);
  skipWhatWasNotNeeded(signs);
  return stallsAt(signs);
}

function readSigns(boot: Boot, events: readonly StoredEvent[]): BootSigns {
  const steps = Object.fromEntries(
    STEP_NAMES.map((name) => [name, { state: 'waiting', detail: '', evidence: [] }]),
  ) as unknown as BootSigns['steps'];
  const signs: BootSigns = {
    steps,
    lastAt: boot.startedAt,
    ipxeOffered: false,
    ipxeAcked: false,
    bootFile: '',
    grub: false,
    mode: '',
    refused: false,
    trouble: '',
  };
  for (const event of events) {
    if (event.name === 'boot.stalled' || event.name === 'boot.resumed') continue;
    if (!isRepetition(signs, event)) signs.lastAt = event.at;
    readEvent(signs, event);
  }
  return signs;
}

/** Asking for the same thing again is no progress: a machine that does nothing else has stopped all the same. */
function isRepetition({ steps, ipxeOffered, ipxeAcked }: BootSigns, event: StoredEvent): boolean {
  if (event.name === 'dhcp.ignored') return steps.offer.evidence.length > 1;
  if (event.name !== 'dhcp.offered' && event.name !== 'dhcp.acked') return false;
  const offered = event.name === 'dhcp.offered';
  switch (event.data.client) {
    case 'ipxe':
      return offered ? ipxeOffered : ipxeAcked;
    case 'firmware':
    case 'http-boot':
      return steps[offered ? 'offer' : 'ack'].state === 'done';
    case 'os':
      // A system renews its lease for as long as it runs: a boot of seconds would have taken hours.
      return steps.linux.evidence.length > 0;
    default:
      return false;
  }
}

/** What ends a boot's own story: its disk, nothing to boot, work, which its job watches from then on, or that it is to wait. */
const OVER: readonly string[] = ['local-disk', 'nothing', 'work', 'waiting'];
/** Modes in which pxeimage reports nothing: it has come to its end when it runs. */
const WAITING: readonly string[] = ['wait', 'rescue'];

const MODE_WORDS: Record<string, string> = {
  'local-disk': 'its local disk',
  nothing: 'nothing: retired',
};

function readEvent(signs: BootSigns, event: StoredEvent): void {
  const { steps } = signs;
  /** Moves a step on; a step that is done stays done, and keeps its first time. */
  const mark = (name: StepName, state: TimelineStep['state'], detail: string) => {
    const step = steps[name];
    step.evidence.push(event.id);
    if (step.state === 'done') return;
    Object.assign(step, { state, detail, at: event.at });
    signs.trouble = state === 'failed' ? detail : '';
  };
  switch (event.name) {
    case 'dhcp.offered':
      if (event.data.client === 'os') return;
      if (event.data.client === 'ipxe') signs.ipxeOffered = true;
      mark('offer', 'done', event.data.address);
      return;
    case 'dhcp.acked':
      if (event.data.client === 'os') {
        steps.linux.evidence.push(event.id);
        return;
      }
      if (event.data.client === 'ipxe') signs.ipxeAcked = true;
      signs.bootFile = event.data.bootFile;
      signs.grub = leadsToGrub(event.data.bootFile);
      mark('ack', 'done', event.data.address);
      return;
    case 'dhcp.ignored':
      mark('offer', 'failed', `it asks where it is not served (${event.data.why})`);
      return;
    case 'dhcp.exhausted':
      mark('offer', 'failed', `no free address in ${event.data.subnet}`);
      return;
    case 'dhcp.refused':
      signs.trouble = `address ${event.data.requested} refused: ${event.data.why}`;
      return;
    case 'tftp.started':
    case 'tftp.sent':
    case 'tftp.failed':
      readTransfer(event, steps, mark);
      // A distribution's own installer says nothing until it is done: its job watches it.
      if (event.name === 'tftp.sent' && imageRole(event.data.file) === 'initrd')
        signs.mode = 'work';
      return;
    case 'ipxe.script':
      signs.mode = event.data.mode;
      signs.grub = event.data.loader === 'grub';
      mark('script', 'done', MODE_WORDS[event.data.mode] ?? `pxeimage, ${event.data.mode}`);
      signs.refused = event.data.refused !== undefined;
      if (event.data.refused !== undefined) mark('kernel', 'failed', event.data.refused);
      return;
    case 'http.started':
    case 'http.sent':
    case 'http.aborted':
      readDownload(event, mark);
      // A distribution's own installer says nothing until it is done: its job watches it.
      if (event.name === 'http.sent' && imageRole(event.data.file) === 'initrd')
        signs.mode = 'work';
      return;
    case 'agent.progress': {
      const { level, message, phase } = event.data;
      mark('linux', 'done', 'pxeimage is running');
      if (WAITING.includes(signs.mode) && level !== 'error') signs.mode = 'waiting';
      if (signs.mode === 'waiting') return;
      const word = message === '' ? phase : message;
      if (steps.recon.state !== 'done')
        mark('recon', level === 'error' ? 'failed' : 'running', word);
      return;
    }
    case 'work.taken':
      signs.mode = 'work';
      mark('linux', 'done', 'pxeimage is running');
      return;
    case 'recon.refused':
      mark('recon', 'failed', `${event.data.code} ${event.data.path} ${event.data.why}`.trim());
      return;
    case 'recon.received':
      mark('recon', 'done', kilobytes(event.data.sizeBytes));
      mark('registered', 'done', event.hardwarename ?? '');
      return;
    default:
      return;
  }
}

/** Its first file is in the folder of its token (boot/token-path.ts), which events do not show. */
const leadsToGrub = (bootFile: string): boolean => bootFile.startsWith('/boot/…/');

type Transfer = Extract<StoredEvent, { name: 'tftp.started' | 'tftp.sent' | 'tftp.failed' }>;

/** A GRUB fetches by TFTP what an iPXE fetches by HTTP: the same steps. */
function readTransfer(
  event: Transfer,
  steps: BootSigns['steps'],
  mark: (name: StepName, state: TimelineStep['state'], detail: string) => void,
): void {
  const { file } = event.data;
  const step = stepOf(file) ?? 'tftp';
  const named = step === 'tftp' ? `${file}, ` : '';
  switch (event.name) {
    case 'tftp.started':
      mark(step, 'running', step === 'tftp' ? file : kilobytes(event.data.sizeBytes));
      return;
    case 'tftp.sent':
      mark(step, 'done', `${named}${kilobytes(event.data.sizeBytes)}`);
      return;
    case 'tftp.failed':
      if (event.data.probe) steps[step].evidence.push(event.id);
      else mark(step, 'failed', `${file}: ${event.data.why}`);
  }
}

type Download = Extract<StoredEvent, { name: 'http.started' | 'http.sent' | 'http.aborted' }>;

const DOWNLOAD_STEPS: Readonly<Record<string, StepName>> = {
  vmlinuz: 'kernel',
  'initrd.img': 'initrd',
};

/** `kernel` of `netinst@12 kernel`, as files of images are called; undefined for what is of no image. */
function imageRole(file: string): string | undefined {
  return /^\S+@\S+ ([a-z]+)$/.exec(file)?.[1];
}

/** @returns undefined for what is no part of booting: the image that an agent writes */
function stepOf(file: string): StepName | undefined {
  const role = imageRole(file);
  if (role !== undefined) return role === 'kernel' || role === 'initrd' ? role : undefined;
  return DOWNLOAD_STEPS[file] ?? 'tftp';
}

function readDownload(
  event: Download,
  mark: (name: StepName, state: TimelineStep['state'], detail: string) => void,
): void {
  const step = stepOf(event.data.file);
  if (step === undefined) return;
  // UEFI HTTP Boot fetches its loader where others use TFTP: the same step, with the name of what was fetched.
  const prefix = step === 'tftp' ? `${event.data.file} by HTTP, ` : '';
  const size = `${prefix}${kilobytes(event.data.sizeBytes)}`;
  switch (event.name) {
    case 'http.started':
      mark(step, 'running', size);
      return;
    case 'http.sent':
      mark(step, 'done', size);
      return;
    case 'http.aborted': {
      const percent = Math.floor((100 * event.data.sentBytes) / Math.max(1, event.data.sizeBytes));
      mark(step, 'failed', `stopped at ${percent} % of ${size}`);
    }
  }
}

/** A step that was never begun although a later one was reached belongs to another kind of firmware. */
function skipWhatWasNotNeeded({ steps }: BootSigns): void {
  const reached = STEP_NAMES.findLastIndex((name) => steps[name].state !== 'waiting');
  for (const name of STEP_NAMES.slice(0, Math.max(0, reached))) {
    if (steps[name].state === 'waiting') steps[name].state = 'skipped';
  }
}

function durations(boot: Boot, { steps }: BootSigns): TimelineStep[] {
  let before: number = boot.startedAt;
  return STEP_NAMES.map((name) => {
    const { at, ...rest } = steps[name];
    if (at === undefined) return { name, ...rest };
    const tookMs = Math.max(0, at - before);
    if (rest.state === 'done') before = at;
    return { name, ...rest, at, tookMs };
  });
}

function kilobytes(bytes: number): string {
  return bytes < 1024 * 1024
    ? `${Math.ceil(bytes / 1024)} KB`
    : `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}
