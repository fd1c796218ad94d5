/**
 * The appliance's side of one connection to central, without the connection: what is said next, given what was heard.
 *
 * It streams the feed from central's cursor, a few batches ahead of the last acknowledgement. A cursor that lies below what
 * was compacted away, above the newest event, or on another event than central remembers (a database put back from a
 * copy) is answered with a snapshot: every record, page by page, then the events since it began. A record travels with
 * the first batch whose event may have changed it, as it is at that moment, so it is never older than the event says.
 */
import { limit } from '../limits.ts';
import {
  type FeedEvent,
  type FromAppliance,
  type FromCentral,
  isSameMark,
  type JobDocument,
  type MachineDocument,
  type MemberDocument,
  markOf,
  type PoolDocument,
  PROTOCOL_VERSION,
  type RequestDocument,
  type SentIntent,
  WHOLE_KINDS,
  type WholeKind,
} from './protocol.ts';

export interface SessionPorts {
  readonly site: string;
  readonly appliance: string;
  readonly program: string;
  now(): number;
  after(cursor: number, count: number): readonly FeedEvent[];
  lastId(): number;
  floor(): number;
  /** Of the feed: another one after the database was put back from a copy. */
  epoch(): string;
  machine(hardwarename: string): MachineDocument | undefined;
  /** Records behind this one by hardwarename. */
  machinesAfter(hardwarename: string, count: number): readonly MachineDocument[];
  /** Of these machines, by hardwarename. */
  membersOf(machines: readonly string[]): readonly MemberDocument[];
  pools(): readonly PoolDocument[];
  /** As it is now, or the word that there is none. */
  pool(name: string): PoolDocument;
  /** As it is now, or the word that it is forgotten. */
  job(id: string): JobDocument;
  /** Of those that have not ended, and of the newest that have. */
  jobIds(): readonly string[];
  /** Of central's own requests; undefined for any other. */
  request(id: string): RequestDocument | undefined;
  /** With their places, behind this one by id. */
  requestsAfter(id: string, count: number): readonly RequestDocument[];
  /**
   * Carries it out once, before it returns, and keeps the result; hearing it again gives the kept one. Resolves when both are on disk; to
   * undefined when it takes a while, and is answered later.
   *
   * @throws what the disk says: then nothing has happened
   */
  carryOut(intent: SentIntent): Promise<Extract<FromAppliance, { kind: 'result' }> | undefined>;
  snapshotId(): string;
  send(message: FromAppliance): void;
  /** How much of what was sent is still in our own buffers. */
  unsentBytes(): number;
  onCertificate(pem: string): void;
  onRefused(code: string, detail: string): void;
  /** An intent was not carried out. This line has to end: central asks again on the next one, in the same order. */
  onError(error: unknown): void;
}

export interface Session {
  /** Once, when the connection is open. */
  open(): void;
  heard(message: FromCentral): void;
  /** Something was committed, or the socket has room again. */
  pump(): void;
}

/** What passes by and changes no record: it stays on the site. */
const TRAFFIC = /^(dhcp|tftp|http|ipxe|agent|boot)\./;

/** The request that an event is about. */
const requestIn = (name: string, data: FeedEvent['data']): string | undefined =>
  name.startsWith('request.') && typeof data.request === 'string' ? data.request : undefined;

/** The job that an event is about. */
const jobIn = (name: string, data: FeedEvent['data']): string | undefined =>
  name.startsWith('job.') && typeof data.job === 'string' ? data.job : undefined;

/** The pool whose record an event has changed. */
const poolIn = (name: string, data: FeedEvent['data']): string | undefined =>
  POOL_RECORD.includes(name) && typeof data.pool === 'string' ? data.pool : undefined;
const POOL_RECORD = ['pool.changed', 'pool.waiting'];

type Welcome = Extract<FromCentral, { kind: 'welcome' }>;

type Phase =
  | { at: 'greeting' }
  | { at: 'snapshot'; id: string; of: 'machines' | 'requests'; after: string; cursor: number }
  | {
      /** The end of a snapshot, or what central lacks beside what it has. */
      at: 'telling';
      id: string;
      cursor: number;
      /** Jobs that are still to be told. */
      left: readonly string[];
      takesJobs: boolean;
      /** Absent at the end of a snapshot. */
      lacks?: readonly WholeKind[];
    }
  | {
      at: 'streaming';
      cursor: number;
      /** Where batches end that were sent and not acknowledged yet, oldest first. */
      ahead: number[];
    };

type Telling = Extract<Phase, { at: 'telling' }>;

/** A page of jobs; behind the last one all pools, and that this is the end. */
function tell(ports: SessionPorts, state: Telling, markAt: (cursor: number) => string): Phase {
  const { id, cursor, left, lacks, takesJobs } = state;
  const jobs = left.slice(0, limit('federationJobsMax')).map(ports.job);
  const isEnd = jobs.length === 0;
  if (lacks)
    ports.send({
      ...{ kind: 'whole', whole: id },
      ...(isEnd ? { done: [...lacks] } : { jobs }),
      ...(isEnd && lacks.includes('pools') && { pools: [...ports.pools()] }),
    });
  else
    ports.send({
      ...{ kind: 'snapshot', snapshot: id, machines: [] },
      ...(takesJobs && { jobs }),
      ...(isEnd && { pools: [...ports.pools()], done: { cursor, mark: markAt(cursor) } }),
    });
  return isEnd
    ? { at: 'streaming', cursor, ahead: [] }
    : { ...state, left: left.slice(jobs.length) };
}

/** The documents that events have changed, beside machines, as they are now: each kind only where there is one. */
function changedBy(ports: SessionPorts, events: readonly FeedEvent[], takesJobs: boolean) {
  const named = (nameIn: typeof jobIn) => [
    ...new Set(events.flatMap(({ name, data }) => nameIn(name, data) ?? [])),
  ];
  const requests = named(requestIn).flatMap((id) => ports.request(id) ?? []);
  const pools = named(poolIn).map(ports.pool);
  const jobs = takesJobs ? named(jobIn).map(ports.job) : [];
  return {
    ...(requests.length > 0 && { requests }),
    ...(pools.length > 0 && { pools }),
    ...(jobs.length > 0 && { jobs }),
  };
}

/** With the number of the newest event, which whatever has come of it is told up to. */
function answer(ports: SessionPorts, intent: SentIntent, withEvent: boolean): Promise<void> {
  const kept = ports.carryOut(intent);
  const event = withEvent && { event: ports.lastId() };
  return kept.then((result) => result && ports.send({ ...result, ...event }));
}

export function createSession(ports: SessionPorts): Session {
  let phase: Phase = { at: 'greeting' };
  /** A central of the version before has no use for jobs, and ends a line that tells of them. */
  let [takesJobs, takesEvents] = [false, false];
  /** Versions that central has had on this connection: a hundred events of one machine send its record once. */
  const told = new Map<string, number>();
  const isTold = (document: MachineDocument): boolean => {
    if ('gone' in document) {
      told.delete(document.hardwarename);
      return false;
    }
    if (told.get(document.hardwarename) === document.version) return true;
    told.set(document.hardwarename, document.version);
    const [oldest] = told.keys();
    if (told.size > limit('federationToldMax') && oldest !== undefined) told.delete(oldest);
    return false;
  };
  const markAt = (cursor: number): string => {
    const [event] = cursor > 0 ? ports.after(cursor - 1, 1) : [];
    return markOf(ports.epoch(), event?.id === cursor ? event : undefined);
  };
  const begin = ({ cursor, mark, takes = [], lacks = [] }: Welcome): Phase => {
    takesJobs = takes.includes('jobs');
    takesEvents = takes.includes('answer-events');
    const isOther = mark !== undefined && cursor !== null && !isSameMark(mark, markAt(cursor));
    const isOurs =
      cursor !== null && cursor >= ports.floor() && cursor <= ports.lastId() && !isOther;
    const id = ports.snapshotId();
    const lacking = WHOLE_KINDS.filter((kind) => lacks.includes(kind));
    if (isOurs && lacking.length > 0) {
      const left = lacking.includes('jobs') ? ports.jobIds() : [];
      return { at: 'telling', id, cursor, left, lacks: lacking, takesJobs };
    }
    if (isOurs) return { at: 'streaming', cursor, ahead: [] };
    return { at: 'snapshot', id, of: 'machines', after: '', cursor: ports.lastId() };
  };
  const page = (state: Extract<Phase, { at: 'snapshot' }>): Phase => {
    if (state.of === 'requests') return requestPage(state);
    const machines = ports.machinesAfter(state.after, limit('federationPageMachinesMax'));
    for (const machine of machines) isTold(machine);
    const last = machines.at(-1);
    if (!last) return requestPage({ ...state, of: 'requests', after: '' });
    const members = [...ports.membersOf(machines.map(({ hardwarename }) => hardwarename))];
    ports.send({ kind: 'snapshot', snapshot: state.id, machines: [...machines], members });
    return { ...state, after: last.hardwarename };
  };
  const requestPage = (state: Extract<Phase, { at: 'snapshot' }>): Phase => {
    const requests = ports.requestsAfter(state.after, limit('federationRequestsMax'));
    const last = requests.at(-1);
    const { id: snapshot, cursor } = state;
    if (last) {
      ports.send({ kind: 'snapshot', snapshot, machines: [], requests: [...requests] });
      return { ...state, after: last.id };
    }
    const left = takesJobs ? ports.jobIds() : [];
    return { at: 'telling', id: snapshot, cursor, left, takesJobs };
  };
  const batch = (state: Extract<Phase, { at: 'streaming' }>): boolean => {
    const found = ports.after(state.cursor, limit('federationBatchEventsMax'));
    const last = found.at(-1);
    if (!last) return false;
    const names = new Set(found.flatMap(({ hardwarename }) => hardwarename ?? []));
    const machines = [...names]
      .map((name) => ports.machine(name) ?? ({ hardwarename: name, gone: true } as const))
      .filter((document) => !isTold(document));
    const events = found.filter(({ name }) => !TRAFFIC.test(name));
    ports.send({
      ...{ kind: 'batch', from: state.cursor, to: last.id, mark: markOf(ports.epoch(), last) },
      ...{ events, machines, ...changedBy(ports, events, takesJobs) },
    });
    state.cursor = last.id;
    state.ahead.push(last.id);
    return true;
  };
  const hasRoom = () => ports.unsentBytes() < limit('federationUnsentBytesMax');
  const pump = (): void => {
    while (phase.at === 'snapshot' && hasRoom()) phase = page(phase);
    while (phase.at === 'telling' && hasRoom()) phase = tell(ports, phase, markAt);
    if (phase.at !== 'streaming') return;
    // What comes while so many are on their way gathers for the next one: a busy central gets fewer and larger batches.
    while (phase.ahead.length < limit('federationBatchesAheadMax') && hasRoom())
      if (!batch(phase)) return;
  };
  /** What comes behind it must not overtake it: nothing is carried out on this line any more. */
  let isOver = false;
  const fail = (error: unknown): void => {
    isOver = true;
    ports.onError(error);
  };
  const carryOut = (intents: readonly SentIntent[]): void => {
    for (const intent of intents) {
      if (isOver) return;
      try {
        answer(ports, intent, takesEvents).catch(fail);
      } catch (error) {
        fail(error);
      }
    }
  };
  return {
    pump,
    open: () =>
      ports.send({
        ...{ kind: 'hello', protocol: PROTOCOL_VERSION, site: ports.site },
        ...{ appliance: ports.appliance, program: ports.program, clock: ports.now() },
        ...{ floor: ports.floor(), last: ports.lastId() },
      }),
    heard(message) {
      switch (message.kind) {
        case 'welcome':
          if (phase.at === 'greeting') phase = begin(message);
          return pump();
        case 'ack':
          if (phase.at === 'streaming')
            phase.ahead = phase.ahead.filter((end) => end > message.cursor);
          return pump();
        case 'intents':
          return carryOut(message.intents);
        case 'certificate':
          return ports.onCertificate(message.certificate);
        case 'refused':
          return ports.onRefused(message.code, message.detail);
      }
    },
  };
}
