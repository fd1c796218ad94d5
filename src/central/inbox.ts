/**
 * What one line has said and nobody has heard yet: messages one after another, and batches together that have come while the one before
 * them was worked on. What is more than a little waits at the other end: the socket is not read.
 */
import type { WebSocket } from 'ws';
import type { FeedEvent, FromAppliance } from '../federation/protocol.ts';
import { limit } from '../limits.ts';
import type { Batch } from './batches.ts';

export interface Inbox {
  /** Nothing that has come is worked on any more. */
  stop(): void;
  /** The other end is there. */
  touch(): void;
  silentMs(): number;
}

/** @param work gets one message, or some batches in their order */
export function createInbox(
  socket: Pick<WebSocket, 'on' | 'pause' | 'resume'>,
  work: (texts: readonly string[]) => Promise<void>,
): Inbox {
  const waiting: string[] = [];
  let waitingChars = 0;
  let busy = false;
  let stopped = false;
  // Not the time of day, which may jump.
  let heardAt = performance.now();
  const take = (): string[] => {
    const other = waiting.findIndex((text) => !text.startsWith(BATCH));
    const batches = other < 0 ? waiting.length : other;
    const taken = waiting.splice(0, Math.max(1, batches));
    waitingChars -= taken.reduce((sum, { length }) => sum + length, 0);
    return taken;
  };
  const next = async (): Promise<void> => {
    busy = true;
    while (waiting.length > 0 && !stopped) await work(take());
    busy = false;
    socket.resume();
  };
  socket.on('message', (data, isBinary) => {
    heardAt = performance.now();
    if (stopped || isBinary) return;
    const text = String(data);
    waiting.push(text);
    waitingChars += text.length;
    if (waitingChars > limit('fleetWaitingCharsMax')) socket.pause();
    if (!busy) void next();
  });
  return {
    stop() {
      stopped = true;
    },
    touch(): void {
      heardAt = performance.now();
    },
    silentMs: () => performance.now() - heardAt,
  };
}

/** As an appliance writes it. One that is written otherwise is worked on alone. */
const BATCH = '{"kind":"batch",';

/**
 * @returns nothing where they are not batches, or do not follow on each other, or are one, or one speaks of what the one before has a
 * record of, and has none: that was forgotten between them, and how it ended is in the one before, or in its events alone
 */
export function joinedBatch(messages: readonly FromAppliance[]): Batch | undefined {
  const batches = messages.filter((message): message is Batch => message.kind === 'batch');
  const [first, ...more] = batches;
  const last = more.at(-1);
  if (!first || !last || batches.length < messages.length) return undefined;
  if (more.some(({ from }, index) => from !== batches[index]?.to)) return undefined;
  if (!hasEachWithItsEvents(batches)) return undefined;
  // A record as the last of them has it: between two of them it may have gone and come again.
  const machines = new Map(
    batches.flatMap((batch) => batch.machines).map((one) => [one.hardwarename, one]),
  );
  const { mark } = last;
  return {
    ...{ kind: 'batch', from: first.from, to: last.to, ...(mark !== undefined && { mark }) },
    ...{ events: batches.flatMap(({ events }) => events), machines: [...machines.values()] },
    requests: batches.flatMap(({ requests = [] }) => requests),
    pools: batches.flatMap(({ pools = [] }) => pools),
    jobs: batches.flatMap(({ jobs = [] }) => jobs),
  };
}

function hasEachWithItsEvents(batches: readonly Batch[]): boolean {
  const told = new Set<unknown>();
  return batches.every(({ requests = [], jobs = [], events }) => {
    const records = [...requests, ...jobs.filter((job) => !('gone' in job))];
    const own = new Set<unknown>(records.map(({ id }) => id));
    const named = [...jobs.map(({ id }) => id), ...events.map(aboutOf)];
    const isPlain = named.every((id) => own.has(id) || !told.has(id));
    for (const id of own) told.add(id);
    return isPlain;
  });
}

/** The job or the request, if it is about one. */
const aboutOf = ({ name, data: { job, request } }: FeedEvent): unknown =>
  name.startsWith('job.') ? job : name.startsWith('request.') ? request : undefined;
