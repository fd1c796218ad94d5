/**
 * What the two appliances of a site say to each other, over one TCP connection inside TLS with a key that both have.
 *
 * A frame is four bytes of length, one byte of kind (`J` a JSON document, `B` bytes of the file that was announced before), and the
 * content. TCP keeps the order; whatever else can go wrong ends the line, and the next one begins with who is who. Only the
 * active one says what is so; the other one answers how far it has it on disk.
 */
import { z } from 'zod';
import type { TableChange } from './change-log.ts';

export const STANDBY_PROTOCOL = 4;

const count = z.number().int().min(0);
const id = z.string().min(1).max(64);

/** A value of a row; bytes as base64. */
const value = z.union([z.string(), z.number(), z.null(), z.strictObject({ b: z.string() })]);
const rowSchema = z.array(value).max(200);

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const place = z.strictObject({ run: id, seq: count });
export type Place = z.output<typeof place>;

const hello = z.strictObject({
  kind: z.literal('hello'),
  protocol: count,
  /** Of the program, for people. */
  version: z.string().max(64),
  schema: count,
  site: z.string().max(63),
  member: z.enum(['a', 'b']),
  epoch: count,
  /** In which it was active last. */
  own: count,
  /** Of which epoch its database is a copy, and which one it was when it became active and could not begin. */
  copy: count,
  unbegun: count,
  /** It has served since the other one had everything. */
  ahead: z.boolean().default(false),
  active: z.boolean(),
  /** Up to where its copy follows which run of the other one's log. */
  place: place.optional(),
  /** Files of images that its copy knows of and that it has not. */
  images: z.strictObject({ files: count, bytes: count }),
  /** Its time of day; and when it says this, by a clock of its own that does not jump: for who answers. */
  clock: z.number().int(),
  at: z.number(),
});
export type HelloMessage = z.output<typeof hello>;

const standbyMessage = z.discriminatedUnion('kind', [
  hello,
  /** By the active one; `clock` is its time of day. `heard`: what hello it has heard last, by its `at`, and for how long it has it. */
  z.strictObject({
    ...{ kind: z.literal('ping'), n: count, epoch: count, clock: z.number().int() },
    heard: z.strictObject({ at: z.number(), heldMs: z.number().min(0) }).optional(),
  }),
  z.strictObject({ kind: z.literal('pong'), n: count, clock: z.number().int() }),
  /** Its bytes follow, so many of them; a database is at this place. */
  z.strictObject({
    kind: z.literal('file'),
    name: z.string().min(1).max(128),
    sizeBytes: count,
    place: place.optional(),
  }),
  z.strictObject({
    kind: z.literal('rows'),
    changes: z.array(
      z.strictObject({
        table: z.string().max(64),
        columns: z.array(z.string().max(64)).max(200),
        key: z.array(z.string().max(64)).max(8),
        rows: z.array(rowSchema),
        gone: z.array(rowSchema),
      }),
    ),
    /** Present on the last part: everything up to here. */
    to: count.optional(),
  }),
  z.strictObject({ kind: z.literal('ack'), to: count }),
  /** By the follower: a piece of a file of an image. */
  z.strictObject({ kind: z.literal('want'), sha256, offset: count }),
  /** Its bytes follow, if there are any; `sizeBytes` is of the whole, 0 when it is not there. */
  z.strictObject({
    kind: z.literal('piece'),
    ...{ sha256, offset: count, sizeBytes: count, lengthBytes: count },
  }),
  /** By the active one: the follower has everything, and may be counted upon. */
  z.strictObject({ kind: z.literal('whole'), epoch: count }),
  /** By the follower: it stops, and takes over nothing before it is whole again. */
  z.strictObject({ kind: z.literal('bye'), epoch: count }),
  /** By the follower, on a person's order: hand over. By the active one: done, this is your epoch. */
  z.strictObject({ kind: z.literal('give') }),
  z.strictObject({ kind: z.literal('yours'), epoch: count }),
  z.strictObject({ kind: z.literal('refused'), why: z.string().max(300) }),
]);
export type StandbyMessage = z.output<typeof standbyMessage>;
export type RowsMessage = Extract<StandbyMessage, { kind: 'rows' }>;

const otherProtocol = z.object({ kind: z.literal('hello'), protocol: count });

/** @throws Error for what is no message, or a hello of another protocol */
export function parseStandby(text: string): StandbyMessage {
  const said: unknown = JSON.parse(text);
  const other = otherProtocol.safeParse(said);
  // Of another form, too: what is to be said of it is not which field is missing.
  if (other.success && other.data.protocol !== STANDBY_PROTOCOL)
    throw new Error(`protocol ${other.data.protocol}, and not ${STANDBY_PROTOCOL}`);
  const parsed = standbyMessage.safeParse(said);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not valid'}`);
}

const ROWS_OF_PART = 2000;

/** Messages of a few megabytes at most, the last one with its place. */
export function* tell(changes: readonly TableChange[], to: number): Generator<RowsMessage> {
  let part: RowsMessage['changes'] = [];
  let room = ROWS_OF_PART;
  const packed = (row: TableChange['rows'][number]) =>
    row.map((one) =>
      one instanceof Uint8Array ? { b: Buffer.from(one).toString('base64') } : one,
    );
  for (const { rows, gone, ...head } of changes) {
    for (let at = 0; at < rows.length + gone.length; ) {
      if (room === 0) {
        yield { kind: 'rows', changes: part };
        [part, room] = [[], ROWS_OF_PART];
      }
      const taken = rows.slice(at, at + room);
      const left = Math.max(0, at - rows.length);
      const takenGone = gone.slice(left, left + room - taken.length);
      part.push({
        ...{ ...head, columns: [...head.columns], key: [...head.key] },
        rows: taken.map(packed),
        gone: takenGone.map(packed),
      });
      at += taken.length + takenGone.length;
      room -= taken.length + takenGone.length;
    }
  }
  yield { kind: 'rows', changes: part, to };
}

export function untold({ changes }: RowsMessage): TableChange[] {
  const unpacked = (row: RowsMessage['changes'][number]['rows'][number]) =>
    row.map((one) =>
      typeof one === 'object' && one !== null ? Buffer.from(one.b, 'base64') : one,
    );
  return changes.map(({ rows, gone, ...head }) => ({
    ...head,
    rows: rows.map(unpacked),
    gone: gone.map(unpacked),
  }));
}

export type Frame =
  | { readonly kind: 'message'; readonly text: string }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array };

const HEAD_BYTES = 5;
const FRAME_BYTES_MAX = 64 * 1024 * 1024;
const [JSON_KIND, BYTES_KIND] = [0x4a, 0x42];

export function encodeFrame(content: string | Uint8Array): Buffer {
  const body = typeof content === 'string' ? Buffer.from(content) : content;
  const frame = Buffer.allocUnsafe(HEAD_BYTES + body.length);
  frame.writeUInt32BE(body.length, 0);
  frame[4] = typeof content === 'string' ? JSON_KIND : BYTES_KIND;
  frame.set(body, HEAD_BYTES);
  return frame;
}

/** Takes bytes as they come, gives whole frames. @throws Error for what is none, or too large */
export function createFrames(): { push(bytes: Uint8Array): Frame[] } {
  let parts: Uint8Array[] = [];
  let sizeBytes = 0;
  let wantedBytes = HEAD_BYTES;
  return {
    push(bytes) {
      parts.push(bytes);
      sizeBytes += bytes.length;
      const found: Frame[] = [];
      while (sizeBytes >= wantedBytes) {
        const whole = Buffer.concat(parts);
        const length = whole.readUInt32BE(0);
        if (length > FRAME_BYTES_MAX) throw new Error(`a frame of ${length} bytes`);
        wantedBytes = HEAD_BYTES + length;
        parts = [whole];
        if (whole.length < wantedBytes) break;
        const body = whole.subarray(HEAD_BYTES, wantedBytes);
        if (whole[4] === JSON_KIND) found.push({ kind: 'message', text: body.toString('utf8') });
        else if (whole[4] === BYTES_KIND) found.push({ kind: 'bytes', bytes: body });
        else throw new Error('a frame of no known kind');
        parts = [whole.subarray(wantedBytes)];
        sizeBytes = whole.length - wantedBytes;
        wantedBytes = HEAD_BYTES;
      }
      return found;
    },
  };
}
