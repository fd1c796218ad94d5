/**
 * The closed list of events, each with the shape of its data.
 *
 * Every change of state and every step of a boot is one row in the append-only `events` table, written in the same
 * transaction as the change itself. The board, the audit log, stall detection, tests and later federation read that
 * one feed. Events are for operators: they carry evidence, never secrets (a boot token is never in here).
 * Durations and sizes end in their unit. Adding a name means adding it here, to docs/events.md and to a test.
 */
import type { LeaseGiven } from './events/dhcp.ts';
import { DNS_EVENT_NAMES, type DnsEventData } from './events/dns.ts';
import { INTERFACE_EVENT_NAMES, type InterfaceEventData } from './events/interfaces.ts';
import { PROVISIONING_EVENT_NAMES, type ProvisioningEventData } from './events/provisioning.ts';
import type { BootId, Hardwarename } from './wire/ids.ts';
import type { Mac } from './wire/mac.ts';
import type { Millis } from './wire/time.ts';

/** Who asked: firmware PXE, UEFI HTTP Boot, iPXE, an operating system (pxeimage included), or a BMC. */
export type ClientStage = 'firmware' | 'http-boot' | 'ipxe' | 'os' | 'bmc';

export interface EventData extends ProvisioningEventData, DnsEventData, InterfaceEventData {
  'daemon.started': { version: string; pid: number };
  'daemon.stopped': { signal: string };
  /** One of the two appliances of the site is active: under which epoch, and what it was `from` then. */
  'standby.active': { epoch: number; from: string; why: string };
  /** The other one has everything, and may take over. */
  'standby.current': { epoch: number };
  /** It is out of touch. */
  'standby.lost': { why: string };
  /** It was given the right to be active. */
  'standby.handed-over': { epoch: number; why: string };
  /** A new boot attempt begins with its first DHCPDISCOVER. */
  'boot.started': { client: ClientStage; arch: string; iface: string };
  'dhcp.offered': { client: ClientStage; address: string; bootFile: string; why: string };
  'dhcp.acked': LeaseGiven;
  'dhcp.refused': { client: ClientStage; requested: string; why: string };
  'dhcp.declined': { address: string; quarantineSeconds: number };
  'dhcp.released': { address: string };
  /** No address could be given: the pool is used up; with `port`, by machines without a record behind that relay port. */
  'dhcp.exhausted': { subnet: string; port?: string };
  /** Boot firmware asks where it is not served: `why` is the reason, `from` the interface or the relay. */
  'dhcp.ignored': { client: ClientStage; why: string; from: string };
  /** Somebody answers on a free address of the pool: `by` is its MAC, empty where a relay hides it. The address is out of use for a while. */
  'dhcp.conflict': { address: string; by: string; quarantineSeconds: number };
  /** A BMC was given an address that it did not have before. */
  'bmc.seen': { mac: string; address: string; vendorClass: string; hostname: string };
  /** It belongs to this machine. `by` is the evidence (`mac`, `uuid`, `serial`, `nic`, `address`) or `person`. */
  'bmc.matched': { bmc: string; address: string; by: string; who?: string };
  /** Nobody knows whose it is, or it is doubtful: `why`. */
  'bmc.unmatched': { bmc: string; address: string; why: string };
  /** The BMC that a machine reports is not used: `why` it could not be proven to be this machine's. */
  'bmc.unproven': { address: string; why: string };
  /** Its machine, which was never seen, has power and is off: a person may have it switched on. */
  'bmc.wakeable': { bmc: string; address: string };
  /** Its machine is switched on, to boot from the network and be ingested. */
  'bmc.woken': { bmc: string; address: string; attempt: number; who: string };
  /** `asked` and `granted` are the options of RFC 2347, as in `blksize 1468 tsize 0`. */
  'tftp.started': {
    file: string;
    blksizeBytes: number;
    windowsize: number;
    sizeBytes: number;
    asked?: string;
    granted?: string;
  };
  'tftp.sent': { file: string; sizeBytes: number; durationMs: number; retransmits: number };
  /** `probe` is the size probe of UEFI firmware, which aborts with error 8 on purpose. */
  /** `acked` is -1 when the client acknowledged not even the options. */
  'tftp.failed': {
    file: string;
    why: string;
    block: number;
    probe: boolean;
    acked?: number;
    retransmits?: number;
    /** Of these, how many went unheard at the end. */
    unheard?: number;
  };
  /** iPXE, or `loader`, fetched its script: `mode` is what the boot decision said, `why` its reasons, `refused` why it cannot be had. */
  'ipxe.script': { mode: string; why: string; refused?: string; loader?: 'grub' };
  'http.started': { file: string; sizeBytes: number; offsetBytes: number };
  'http.sent': { file: string; sizeBytes: number; durationMs: number; tcp?: TcpFigures };
  'http.aborted': { file: string; sentBytes: number; sizeBytes: number; tcp?: TcpFigures };
  /** A line from the agent in pxeimage: `phase` is a word, `percent` 0-100 where known. */
  'agent.progress': {
    phase: string;
    message: string;
    level: 'info' | 'warn' | 'error';
    percent?: number;
    /** Of work: its job, and how far a copy has got. */
    job?: string;
    bytes?: number;
    etaSeconds?: number;
    /** Changes while the work does anything, if only a disk or the processor. */
    activity?: number;
    /** How far the machine's clock is ahead of ours, where the agent told its time. */
    clockAheadSeconds?: number;
  };
  /** A job has work for this machine: whoever asks for it is handed it. `round` counts attempts. */
  'work.armed': { job: string; purpose: string; round: number };
  /** A boot has taken it, the `boots`th of this job. */
  'work.taken': { job: string; purpose: string; round: number; boots: number };
  /** It is served no more; `why` is the job's end, or that it was called off. */
  'work.ended': { job: string; purpose: string; why: string };
  /** The agent has done its work and found it good. */
  'agent.finished': {
    job: string;
    purpose: string;
    round: number;
    measurements: Readonly<Record<string, number | string>>;
  };
  /** The agent could not do its work: where, why, the tail of its log, and whether another try may help. */
  'agent.failed': {
    job: string;
    purpose: string;
    round: number;
    step: string;
    code: string;
    detail: string;
    retry: boolean;
    log: string;
  };
  /** The first boot of an installed system has called, with the token of its install. */
  'os.phoned-home': { job: string; hostname: string; image: string; address: string };
  'recon.received': { digest: string; sizeBytes: number; repeated: boolean };
  'recon.refused': { code: string; path: string; why: string };
  'machine.registered': { serial: string; manufacturer: string; product: string };
  /** `by` is the part in the table of states, `who` the person or token behind it. */
  'machine.state': { from: string; to: string; why: string; by: string; who?: string };
  /** What a recon report found different from the last one. */
  'machine.changed': { changes: readonly HardwareChange[] };
  'machine.conflict': { with: string; key: string; why: string };
  /** Fields that a person or a rule changed, with what they were. */
  'machine.edited': {
    who: string;
    why: string;
    before: Readonly<Record<string, unknown>>;
    after: Readonly<Record<string, unknown>>;
  };
  /** It has been in a waiting state for longer than that state may take. */
  'machine.overdue': { state: string; why: string; next: string; sinceMs: number };
  /** A rule gave it another hardware type; `mismatch` is what differs from the type's bill of materials. */
  'machine.typed': { from: string; to: string; mismatch: string };
  'machine.merged': { kept: string; gone: string; merge: number; who: string; why: string };
  'machine.split': { kept: string; back: string; merge: number; who: string; why: string };
  'address.reserved': { address: string; mac: string; subnet: string; who: string };
  'address.freed': { address: string; mac: string; subnet: string; who: string };
  /** A rack, subnet, naming rule, hardware type or squad: `after` is absent when it was deleted. */
  'record.changed': {
    kind: string;
    id: string;
    who: string;
    why: string;
    before?: unknown;
    after?: unknown;
  };
  /** A user, token, credential or webhook; never a secret. */
  'access.changed': { kind: string; id: string; change: string; who: string };
  'access.refused': { who: string; from: string; method: string; path: string; code: string };
  /** Central refuses this appliance, or this appliance what central asks for. */
  'federation.refused': { code: string; detail: string };
  /** A webhook gave a batch up: it is in the dead letters. */
  'webhook.dead': { webhook: string; firstEvent: number; lastEvent: number; error: string };
  'events.compacted': { through: number; deleted: number };
  'nic.moved': { mac: string; from: string; to: string };
  /** A job was asked for. `job` is its id in each of these, `action` its kind. */
  'job.queued': { job: string; action: string; requester: string; priority: number };
  /** `phase`: started, waiting (for an event), succeeded, noted (`text` says what), undoing, undone. */
  'job.step': {
    job: string;
    action: string;
    step: string;
    phase: string;
    attempt?: number;
    text?: string;
  };
  /** An attempt failed; `retryAt` is when the next one begins, 0 for none. */
  'job.retry': {
    job: string;
    action: string;
    step: string;
    code: string;
    detail: string;
    retryAt: number;
  };
  'job.cancelling': { job: string; action: string; who: string; why: string };
  'job.finished': { job: string; action: string };
  'job.failed': { job: string; action: string; code: string; detail: string };
  'job.cancelled': { job: string; action: string };
  /** Somebody watches a serial console, or types on it; `takeOver` ended another program's session at the BMC. */
  'console.opened': { who: string; from: string; write: boolean; takeOver: boolean };
  'console.closed': { who: string; seconds: number; typedBytes: number };
  /** What a machine printed while it booted was kept: `recording` is its number. */
  'console.recorded': { recording: number; heardBytes: number; keptBytes: number; ended: string };
  /** No step of any job begins until the queue is resumed. */
  'jobs.paused': { who: string; why: string };
  'jobs.resumed': { who: string; why: string };
  /** A file of an image is in the store, read back and found to be what it should be. */
  'image.received': {
    upload: string;
    sha256: string;
    sizeBytes: number;
    source: string;
    who: string;
  };
  /** An upload or an import is given up. */
  'image.failed': { upload: string; source: string; code: string; detail: string; who: string };
  'image.added': {
    image: string;
    version: string;
    kind: string;
    sizeBytes: number;
    signedBy: string;
    who: string;
    why: string;
  };
  'image.removed': { image: string; version: string; who: string; why: string };
  /** A channel points to another version: `from` is '' for a new one, `to` for one that was removed. */
  'image.channel': {
    image: string;
    channel: string;
    from: string;
    to: string;
    who: string;
    why: string;
  };
  /** Files that nothing was made of any more were removed. */
  'image.collected': { files: number; sizeBytes: number };
  /** A disk of a machine that is recycled is over; `level` is '' and `method` what was tried when it is not clean. */
  'disk.erased': {
    job: string;
    disk: string;
    serial: string;
    method: string;
    level: string;
    ok: boolean;
    detail: string;
    seconds: number;
  };
  'certificate.issued': {
    certificate: string;
    job: string;
    result: string;
    level: string;
    disks: number;
  };
  'boot.stalled': { after: string; waitedMs: number; cause: string; next: string };
  /** Its cause has a name: a row of docs/diagnoses.md. `place` is how far it got. */
  'boot.diagnosed': {
    diagnosis: string;
    title: string;
    confidence: string;
    place: string;
    evidence: readonly string[];
    next: string;
  };
  /** A step of a boot took much longer than this model's boots before it. */
  'boot.slow': { phase: string; tookMs: number; expectedMs: number; model: string };
  /** What was learned of a machine or a model, or what a person said of it; `outcome` is works, fails or forgotten. */
  'quirk.changed': {
    scope: string;
    subject: string;
    trait: string;
    value: string;
    outcome: string;
    why: string;
    who: string;
  };
  'boot.resumed': { after: string };
}

/** What the kernel counted for one download (TCP_INFO); of a connection that carried several, this one's share. */
export interface TcpFigures {
  readonly ackedBytes: number;
  readonly segments: number;
  readonly retransmits: number;
  readonly mssBytes: number;
  readonly rttMs: number;
  /** Since the machine's last acknowledgement. */
  readonly quietMs: number;
}

export type { RelayPlace } from './events/dhcp.ts';

export interface HardwareChange {
  /** e.g. `nic`, `disk`, `memory`, `bios`. */
  readonly part: string;
  readonly change: 'added' | 'removed' | 'changed';
  /** What it was, as one readable line; absent when added. */
  readonly before?: string;
  readonly after?: string;
}

export type EventName = keyof EventData;

/** An event as it is handed to the store. The store stamps id and time. */
export type NewEvent = {
  [Name in EventName]: {
    readonly name: Name;
    readonly data: EventData[Name];
    readonly mac?: Mac | undefined;
    readonly boot?: BootId | undefined;
    readonly hardwarename?: Hardwarename | undefined;
  };
}[EventName];

/** An event as it is read back: numbered without gaps that matter, ordered by `id`. */
export type StoredEvent = NewEvent & { readonly id: number; readonly at: Millis };

/** Every event name, for the test that compares this list with docs/events.md. */
export const EVENT_NAMES = [
  'daemon.started',
  'daemon.stopped',
  'standby.active',
  'standby.current',
  'standby.lost',
  'standby.handed-over',
  'boot.started',
  'dhcp.offered',
  'dhcp.acked',
  'dhcp.refused',
  'dhcp.declined',
  'dhcp.released',
  'dhcp.exhausted',
  'dhcp.ignored',
  'dhcp.conflict',
  'bmc.seen',
  'bmc.matched',
  'bmc.unmatched',
  'bmc.unproven',
  'bmc.wakeable',
  'bmc.woken',
  'tftp.started',
  'tftp.sent',
  'tftp.failed',
  'ipxe.script',
  'http.started',
  'http.sent',
  'http.aborted',
  'agent.progress',
  'work.armed',
  'work.taken',
  'work.ended',
  'agent.finished',
  'agent.failed',
  'os.phoned-home',
  'recon.received',
  'recon.refused',
  'machine.registered',
  'machine.state',
  'machine.changed',
  'machine.conflict',
  'machine.edited',
  'machine.overdue',
  'machine.typed',
  'machine.merged',
  'machine.split',
  'address.reserved',
  'address.freed',
  'record.changed',
  'access.changed',
  'access.refused',
  'federation.refused',
  'webhook.dead',
  'events.compacted',
  'nic.moved',
  ...DNS_EVENT_NAMES,
  ...INTERFACE_EVENT_NAMES,
  'job.queued',
  'job.step',
  'job.retry',
  'job.cancelling',
  'job.finished',
  'job.failed',
  'job.cancelled',
  'console.opened',
  'console.closed',
  'console.recorded',
  'jobs.paused',
  'jobs.resumed',
  ...PROVISIONING_EVENT_NAMES,
  'image.received',
  'image.failed',
  'image.added',
  'image.removed',
  'image.channel',
  'image.collected',
  'disk.erased',
  'certificate.issued',
  'boot.stalled',
  'boot.diagnosed',
  'boot.slow',
  'quirk.changed',
  'boot.resumed',
] as const satisfies readonly EventName[];
