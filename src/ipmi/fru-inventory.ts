/**
 * FRU inventory (FRU Information Storage Definition 1.0): who made the machine, and its serial numbers.
 *
 * Areas whose checksum is wrong are read all the same and named in `warnings`: Intel, Inventec and Dell R610 boards have
 * them. A field that runs out of its area ends the area.
 */
import { limit } from '../limits.ts';
import { Reader } from '../wire/cursor.ts';
import { type Decoded, decoded, malformed } from '../wire/result.ts';
import type { Caller } from './command.ts';
import { getFruInfo, readFru } from './commands/fru.ts';
import { COMPLETION, CompletionError } from './completion.ts';
import { readTextField } from './text-field.ts';

export interface FruInventory {
  readonly chassis?: { readonly partNumber: string; readonly serial: string };
  readonly board?: {
    readonly manufacturer: string;
    readonly product: string;
    readonly serial: string;
    readonly partNumber: string;
    /** Seconds since 1970; absent when the board does not say. */
    readonly madeSeconds?: number;
  };
  readonly product?: {
    readonly manufacturer: string;
    readonly name: string;
    readonly partNumber: string;
    readonly version: string;
    readonly serial: string;
    readonly assetTag: string;
  };
  readonly warnings: readonly string[];
}

const HEADER_BYTES = 8;
/** Minutes are counted from 1996-01-01. */
const EPOCH_SECONDS = 820_454_400;

export function decodeFru(bytes: Uint8Array): Decoded<FruInventory, 'too-short' | 'not-a-fru'> {
  if (bytes.length < HEADER_BYTES) return malformed('too-short', bytes.length);
  const header = bytes.subarray(0, HEADER_BYTES);
  if (((header[0] ?? 0) & 0x0f) !== 1) return malformed('not-a-fru', 0);
  const warnings: string[] = [];
  if (total(header) !== 0) warnings.push('the checksum of the header is wrong');
  const area = (name: string, offset: number): Reader | undefined => {
    const at = (header[offset] ?? 0) * 8;
    if (at === 0 || at + 2 > bytes.length) return undefined;
    const body = bytes.subarray(at, at + (bytes[at + 1] ?? 0) * 8);
    if (total(body) !== 0) warnings.push(`the checksum of the ${name} area is wrong`);
    const reader = new Reader(body.subarray(2));
    return reader;
  };
  const chassis = readChassis(area('chassis', 2));
  const board = readBoard(area('board', 3));
  const product = readProduct(area('product', 4));
  return decoded({
    ...(chassis ? { chassis } : {}),
    ...(board ? { board } : {}),
    ...(product ? { product } : {}),
    warnings,
  });
}

function total(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => (sum + byte) & 0xff, 0);
}

/** As many fields as there are, up to the end mark or the end of the area; the rest are empty. */
function textFields(reader: Reader, count: number): string[] {
  const fields: string[] = [];
  while (fields.length < count) {
    const field = readTextField(reader);
    if (field === undefined || reader.failedAt !== undefined) break;
    fields.push(field);
  }
  return fields.concat(Array<string>(count - fields.length).fill(''));
}

function readChassis(reader: Reader | undefined): FruInventory['chassis'] {
  if (!reader) return undefined;
  reader.u8();
  const [partNumber = '', serial = ''] = textFields(reader, 2);
  return { partNumber, serial };
}

function readBoard(reader: Reader | undefined): FruInventory['board'] {
  if (!reader) return undefined;
  reader.u8();
  const [low = 0, middle = 0, high = 0] = reader.take(3);
  const minutes = low | (middle << 8) | (high << 16);
  const [manufacturer = '', product = '', serial = '', partNumber = ''] = textFields(reader, 4);
  const made = minutes === 0 ? {} : { madeSeconds: EPOCH_SECONDS + minutes * 60 };
  return { manufacturer, product, serial, partNumber, ...made };
}

function readProduct(reader: Reader | undefined): FruInventory['product'] {
  if (!reader) return undefined;
  reader.u8();
  const [manufacturer = '', name = '', partNumber = '', version = '', serial = '', assetTag = ''] =
    textFields(reader, 6);
  return { manufacturer, name, partNumber, version, serial, assetTag };
}

const PIECE_BYTES = 16;

/** Every byte of a FRU device; shorter when the BMC refuses beyond some offset. */
export async function readFruBytes(caller: Caller, device: number): Promise<Uint8Array> {
  const info = await caller.call(getFruInfo, { device });
  const scale = info.words ? 2 : 1;
  const length = Math.min(info.bytes, limit('fruBytesMax'));
  const bytes = new Uint8Array(length);
  let at = 0;
  while (at < length) {
    const count = Math.ceil(Math.min(PIECE_BYTES, length - at) / scale);
    const piece = await readPiece(caller, { device, offset: at / scale, count });
    if (!piece || piece.length === 0) break;
    bytes.set(piece.subarray(0, length - at), at);
    at += piece.length;
  }
  return bytes.subarray(0, at);
}

async function readPiece(
  caller: Caller,
  request: { device: number; offset: number; count: number },
): Promise<Uint8Array | undefined> {
  try {
    return await caller.call(readFru, request);
  } catch (error) {
    const end: readonly number[] = [COMPLETION.notPresent, COMPLETION.outOfRange];
    if (error instanceof CompletionError && end.includes(error.completion)) return undefined;
    throw error;
  }
}

/** The inventory of one device; `undefined` when it has none or it makes no sense. */
export async function readFruInventory(
  caller: Caller,
  device = 0,
): Promise<FruInventory | undefined> {
  const inventory = decodeFru(await readFruBytes(caller, device));
  return inventory.ok ? inventory.value : undefined;
}
