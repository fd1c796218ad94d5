/**
 * What an appliance and central say to each other over one WebSocket that the appliance opens: text messages, one JSON document
 * each, checked strictly on both sides.
 *
 * The appliance's event feed is the truth of its site, and central keeps a cursor into it. Everything that travels up is an
 * answer to that cursor: batches of events with the records that they changed, or a whole snapshot when the cursor is of
 * no use. Everything that travels down is an intent with an id of its own, which the appliance carries out once however
 * often it hears it. So no message needs to arrive exactly once, and either side may vanish at any moment.
 */
import { z } from 'zod';

export const PROTOCOL_VERSION = 1;

/** The name of a site: a label of DNS. */
export const siteName = z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/);
const cursor = z.number().int().min(0);
const time = z.number().int();
const id = z.string().min(1).max(64);

const feedEvent = z.object({
  id: z.number().int().min(1),
  at: time,
  name: z.string().max(64),
  hardwarename: z.string().max(63).optional(),
  data: z.record(z.string(), z.unknown()),
});
export type FeedEvent = z.output<typeof feedEvent>;

/** A machine's record as the appliance's own API shows it, or the word that there is none any more. */
const machineDocument = z.union([
  z.looseObject({ hardwarename: z.string().min(1).max(63), version: z.number().int() }),
  z.strictObject({ hardwarename: z.string().min(1).max(63), gone: z.literal(true) }),
]);
export type MachineDocument = z.output<typeof machineDocument>;
export type LivingMachine = Exclude<MachineDocument, { gone: true }>;

export const isLiving = (document: MachineDocument): document is LivingMachine =>
  !('gone' in document);

/** One place of a request, as far as a machine has it. */
const placeDocument = z.strictObject({
  place: z.number().int().min(0),
  machine: z.string().min(1).max(63),
  hostname: z.string().max(253),
  status: z.enum(['claimed', 'installed']),
});
export type PlaceDocument = z.output<typeof placeDocument>;

/** How far a request is that central has asked for: its id is the intent's. */
const requestDocument = z.strictObject({
  id,
  status: z.enum(['working', 'waiting', 'cancelling', 'fulfilled', 'cancelled']),
  done: z.number().int().min(0),
  failed: z.number().int().min(0),
  /** What it waits for; empty when nothing. */
  why: z.string().max(1000),
  /** 0: not yet. */
  endedAt: time,
  /** In a snapshot only: between two of them, events say who has which. */
  places: z.array(placeDocument).optional(),
});
export type RequestDocument = z.output<typeof requestDocument>;

/** Which machine is in which pool. */
const memberDocument = z.strictObject({
  machine: z.string().min(1).max(63),
  pool: z.string().min(1).max(63),
  joinedAt: time,
  /** 0: it is healthy. */
  unhealthyAt: time,
  held: z.boolean(),
  why: z.string().max(1000),
});
export type MemberDocument = z.output<typeof memberDocument>;

/** A pool as its site keeps it, or the word that there is none any more. */
const poolDocument = z.union([
  z.strictObject({
    name: z.string().min(1).max(63),
    version: z.number().int(),
    /** In the form of the appliance's own API. */
    doc: z.record(z.string(), z.json()),
    who: z.string().max(200),
    updatedAt: time,
    /** What keeps it from its size; empty when nothing does. */
    why: z.string().max(1000),
  }),
  z.strictObject({ name: z.string().min(1).max(63), gone: z.literal(true) }),
  /** From a site that is not upgraded yet: too little to show. */
  z.strictObject({ name: z.string().min(1).max(63), why: z.string().max(1000) }),
]);
export type PoolDocument = z.output<typeof poolDocument>;

/** A job of a site, whoever has asked for it, or the word that the site has forgotten it. Its steps are told by its events. */
export const jobDocument = z.union([
  z.strictObject({
    id: z.uuid(),
    action: z.string().min(1).max(64),
    /** Of its kind. */
    version: z.number().int(),
    machine: z.string().min(1).max(63),
    /** Without what is for the machine alone. */
    params: z.record(z.string(), z.json()),
    requester: z.string().max(200),
    user: z.string().max(200),
    priority: z.number().int(),
    status: z.enum(['queued', 'running', 'finished', 'failed', 'cancelled']),
    step: z.string().max(64),
    retries: z.number().int().min(0),
    code: z.string().max(64),
    detail: z.string().max(1000),
    createdAt: time,
    /** 0: not yet. */
    startedAt: time,
    endedAt: time,
  }),
  z.strictObject({ id: z.uuid(), gone: z.literal(true) }),
]);
export type JobDocument = z.output<typeof jobDocument>;

/**
 * A header of the appliance's when it dials: the fields of a welcome, beyond those of the version before, that it understands. A central
 * that does not know the header sends none of them, and takes none of what they ask for.
 */
export const WELCOME_HEADER = 'reveille-welcome';
export const WELCOME_FIELDS = 'takes lacks';

/** What a central takes beyond what the version before has told: jobs, and the event behind which an answer stands. */
export const TAKES = ['jobs', 'answer-events'] as const;

/** Documents that are told whole: in a snapshot, or by themselves where central has none of them. */
export const WHOLE_KINDS = ['pools', 'jobs'] as const;
export type WholeKind = (typeof WHOLE_KINDS)[number];

/**
 * Which event a cursor means: a database that was put back from a copy has other events under the same numbers, and another
 * epoch of its feed. Of a cursor whose event was compacted away it is the epoch alone.
 */
export const markOf = (
  epoch: string,
  event?: { readonly at: number; readonly name: string },
): string => (event ? `${epoch} ${event.at} ${event.name}` : epoch);

/**
 * Whether two marks can be of the same cursor. The event says so, where both know it: a new epoch begins also where what was told
 * before is still so, when a standby takes over with a copy of the same events. Where one does not, it has to be the same epoch.
 */
export const isSameMark = (one: string, other: string): boolean => {
  const [[epoch, ...event], [otherEpoch, ...otherEvent]] = [one.split(' '), other.split(' ')];
  const bothKnown = event.length > 0 && otherEvent.length > 0;
  return bothKnown ? event.join(' ') === otherEvent.join(' ') : epoch === otherEpoch;
};

export const fromAppliance = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('hello'),
    protocol: z.number().int(),
    site: siteName,
    /** Made with the appliance's database: another one is another appliance. */
    appliance: id,
    program: z.string().max(64),
    clock: time,
    /** Events that can still be told lie above this. */
    floor: cursor,
    last: cursor,
  }),
  z.strictObject({
    kind: z.literal('batch'),
    /** The cursor that it continues, and the one after it. */
    from: cursor,
    to: cursor,
    /** Of the event at `to`. */
    mark: z.string().max(96).optional(),
    events: z.array(feedEvent),
    machines: z.array(machineDocument),
    /** Central's own, that these events have brought further. */
    requests: z.array(requestDocument).optional(),
    /** That they have changed. */
    pools: z.array(poolDocument).optional(),
    jobs: z.array(jobDocument).optional(),
  }),
  z.strictObject({
    kind: z.literal('snapshot'),
    /** The same for all pages of one snapshot. */
    snapshot: id,
    machines: z.array(machineDocument),
    requests: z.array(requestDocument).optional(),
    /** Between two snapshots, events tell who comes and goes. */
    members: z.array(memberDocument).optional(),
    pools: z.array(poolDocument).optional(),
    /** Those that have not ended, and the newest that have; on the last page, too, of a site that tells of jobs. */
    jobs: z.array(jobDocument).optional(),
    /** On the last page: the cursor from which events complete it. */
    done: z.strictObject({ cursor, mark: z.string().max(96).optional() }).optional(),
  }),
  /** What the welcome has said that central lacks, beside records and events that it has: before the first batch. */
  z.strictObject({
    kind: z.literal('whole'),
    /** The same for all of its pages. */
    whole: id,
    pools: z.array(poolDocument).optional(),
    jobs: z.array(jobDocument).optional(),
    /** Of which there are no others. */
    done: z.array(z.enum(WHOLE_KINDS)).optional(),
  }),
  z.strictObject({
    kind: z.literal('result'),
    intent: id,
    status: z.enum(['done', 'refused']),
    result: z.record(z.string(), z.unknown()),
    /** The site's newest when it was carried out: whatever has come of it is told up to here. To a central that takes it. */
    event: cursor.optional(),
  }),
  z.strictObject({ kind: z.literal('renew'), request: z.string().max(4096) }),
]);
export type FromAppliance = z.output<typeof fromAppliance>;

const json = z.record(z.string(), z.json());

const target = z.string().min(1).max(63);
const why = z.string().min(1).max(500);
/** The machine's, as it was read; absent: whatever it is now. */
const version = z.number().int().optional();
/** Whose the machine was, by which central has decided who may: the site refuses what it is no more. Absent: whoever's it is. */
const seen = z.strictObject({ squad: z.string(), inUse: z.boolean() }).optional();

/** What people may ask about one machine, in the forms of the site's own API, which are checked there. */
const orders = [
  z.strictObject({
    kind: z.literal('job'),
    action: z.string().min(1).max(64),
    target,
    params: json.default({}),
    release: z.string().max(63).optional(),
    seen,
  }),
  z.strictObject({ kind: z.literal('edit'), target, edit: json, why, version, seen }),
  z.strictObject({ kind: z.literal('move'), target, move: json, why, version, seen }),
  /** Its role, and a free hostname by the site's naming rules. */
  z.strictObject({ kind: z.literal('name'), target, role: target, why, version, seen }),
  z.strictObject({ kind: z.literal('enter'), entry: json, why }),
  z.strictObject({ kind: z.literal('forget'), target, why, version, seen }),
] as const;

/** Something that the fleet keeps alike at each site, by kind and name. */
const recordDocument = z.strictObject({
  kind: z.literal('record'),
  record: z.enum([
    ...(['squad', 'naming', 'type', 'policy', 'bmc', 'role'] as const),
    ...(['user', 'image', 'channel', 'pool'] as const),
  ]),
  name: z.string().min(1).max(127),
  /** Of a pool that is removed: whose it was, as far as central has asked for it. Absent: nobody knows. */
  squad: z.string().optional(),
  /** Null: it is removed. */
  doc: json.nullable(),
});
export type RecordDocument = z.output<typeof recordDocument>;

/** What people may ask of one site; the others follow from what they ask of the fleet. */
export const askedIntent = z.discriminatedUnion('kind', orders);

export const intentSchema = z.discriminatedUnion('kind', [
  ...orders,
  /** A job that central has asked for, by the id of that intent. */
  z.strictObject({ kind: z.literal('cancel-job'), job: id, why }),
  /** Any other job of the site; `squad` is that of its machine, by which central has decided who may. */
  z.strictObject({ kind: z.literal('stop-job'), job: z.uuid(), squad: z.string(), why }),
  /** Machines, in the form of the appliance's own API, without a site: it is this one. */
  z.strictObject({ kind: z.literal('request'), request: json }),
  z.strictObject({
    kind: z.literal('cancel-request'),
    request: id,
    why,
  }),
  recordDocument,
  /** Of a pool of the site's own; `confirm` is how many machines go. */
  z.strictObject({
    kind: z.literal('size-pool'),
    pool: z.string().min(1).max(63),
    count: z.number().int().min(0),
    confirm: z.number().int().min(1).optional(),
    why,
    version,
  }),
  /** Every machine of a pool here anew, one after the other. */
  z.strictObject({ kind: z.literal('reset'), pool: z.string().min(1).max(63), reset: json }),
  z.strictObject({
    kind: z.literal('turn-reset'),
    /** The site's own number of it. */
    reset: z.number().int().min(1),
    turn: z.enum(['paused', 'running', 'aborted']),
    why,
  }),
]);
export type IntentBody = z.output<typeof intentSchema>;

export interface Intent {
  readonly id: string;
  /** Who asked for it at central. */
  readonly who: string;
  readonly body: IntentBody;
}

/** As it comes: what a newer central asks for, and this program does not know, is answered one by one. */
const sentIntent = z.strictObject({
  id,
  who: z.string().min(1).max(128),
  body: z.record(z.string(), z.unknown()),
});
export type SentIntent = z.output<typeof sentIntent>;

export const fromCentral = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('welcome'),
    /** Null: central knows nothing of this site yet. */
    cursor: cursor.nullable(),
    mark: z.string().max(96).optional(),
    clock: time,
    /** What central takes beyond what the version before has told; others may come to be. */
    takes: z.array(z.string().max(32)).optional(),
    /** Of which central has nothing yet, whatever its cursor says. */
    lacks: z.array(z.string().max(32)).optional(),
  }),
  z.strictObject({ kind: z.literal('ack'), cursor }),
  z.strictObject({ kind: z.literal('intents'), intents: z.array(sentIntent) }),
  z.strictObject({ kind: z.literal('certificate'), certificate: z.string().max(16_384) }),
  z.strictObject({ kind: z.literal('refused'), code: id, detail: z.string().max(500) }),
]);
export type FromCentral = z.output<typeof fromCentral>;

/** @throws Error naming the place when the text is no message of this kind */
export function parseMessage<Schema extends z.ZodType>(
  schema: Schema,
  text: string,
): z.output<Schema> {
  const result = schema.safeParse(JSON.parse(text));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new Error(`${issue?.path.join('.') || 'message'}: ${issue?.message ?? 'is not valid'}`);
}
