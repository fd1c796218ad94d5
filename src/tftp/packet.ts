/**
 * TFTP packets (RFC 1350 section 5, options by RFC 2347): strict and total. Option names come out in lower case, because
 * they compare without regard to case; values stay text, because whether a number is acceptable is negotiation.
 */
import { limit } from '../limits.ts';
import { Reader, Writer } from '../wire/cursor.ts';
import { type Decoded, decoded, malformed } from '../wire/result.ts';

export const OPCODE = { rrq: 1, wrq: 2, data: 3, ack: 4, error: 5, oack: 6 } as const;

/** RFC 1350 section 5 and RFC 2347 section 2. */
export const TFTP_ERROR = {
  undefined: 0,
  notFound: 1,
  access: 2,
  illegal: 4,
  unknownTransfer: 5,
  options: 8,
} as const;

export interface TftpRequest {
  readonly opcode: typeof OPCODE.rrq | typeof OPCODE.wrq;
  readonly file: string;
  readonly mode: string;
  /** In the order of the request; a repeated name keeps its first value. */
  readonly options: ReadonlyMap<string, string>;
}

export type TftpPacket =
  | TftpRequest
  | { readonly opcode: typeof OPCODE.data; readonly block: number; readonly bytes: Uint8Array }
  | { readonly opcode: typeof OPCODE.ack; readonly block: number }
  | { readonly opcode: typeof OPCODE.error; readonly code: number; readonly message: string }
  | { readonly opcode: typeof OPCODE.oack; readonly options: ReadonlyMap<string, string> };

export type TftpFault =
  | 'too-short'
  | 'unknown-opcode'
  | 'too-long'
  | 'unterminated'
  | 'no-file'
  | 'odd-options';

export function decodeTftp(bytes: Uint8Array): Decoded<TftpPacket, TftpFault> {
  const reader = new Reader(bytes);
  const opcode = reader.u16();
  if (reader.failedAt !== undefined) return malformed('too-short', bytes.length);
  switch (opcode) {
    case OPCODE.rrq:
    case OPCODE.wrq:
      return decodeRequest(bytes, opcode);
    case OPCODE.data:
    case OPCODE.ack:
    case OPCODE.error: {
      const number = reader.u16();
      if (reader.failedAt !== undefined) return malformed('too-short', bytes.length);
      if (opcode === OPCODE.ack) return decoded({ opcode, block: number });
      if (opcode === OPCODE.data) return decoded({ opcode, block: number, bytes: reader.rest() });
      const message = Buffer.from(reader.rest()).toString('latin1').replace(/\0.*$/s, '');
      return decoded({ opcode, code: number, message });
    }
    case OPCODE.oack: {
      const words = splitWords(bytes.subarray(2));
      if (!words) return malformed('unterminated', bytes.length);
      return words.length % 2 === 0
        ? decoded({ opcode, options: pairs(words) })
        : malformed('odd-options', bytes.length);
    }
    default:
      return malformed('unknown-opcode', 0);
  }
}

/**
 * The block that an ACK names; `undefined` for whatever `decodeTftp` takes for something else. An ACK comes for each block that
 * leaves in lockstep, so it is read without making a packet of it.
 */
export function ackedBlock(bytes: Uint8Array): number | undefined {
  const isAck = bytes.length >= 4 && bytes[0] === 0 && bytes[1] === OPCODE.ack;
  return isAck ? ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0) : undefined;
}

function decodeRequest(
  bytes: Uint8Array,
  opcode: TftpRequest['opcode'],
): Decoded<TftpRequest, TftpFault> {
  if (bytes.length > limit('tftpRequestBytesMax')) return malformed('too-long', bytes.length);
  const words = splitWords(bytes.subarray(2));
  if (!words) return malformed('unterminated', bytes.length);
  const [file, mode, ...rest] = words;
  if (!file || mode === undefined) return malformed('no-file', 2);
  // A trailing name without a value is ignored: some ROMs pad their request with zeros.
  const options = pairs(rest.length % 2 === 0 ? rest : rest.slice(0, -1));
  return decoded({ opcode, file, mode: mode.toLowerCase(), options });
}

/** The NUL-terminated words of a packet; `undefined` when the last one does not end. */
function splitWords(bytes: Uint8Array): string[] | undefined {
  if (bytes.length === 0) return [];
  if (bytes[bytes.length - 1] !== 0) return undefined;
  return Buffer.from(bytes.subarray(0, -1)).toString('latin1').split('\0');
}

function pairs(words: readonly string[]): Map<string, string> {
  const options = new Map<string, string>();
  for (let at = 0; at + 1 < words.length; at += 2) {
    const name = (words[at] ?? '').toLowerCase();
    if (name !== '' && !options.has(name)) options.set(name, words[at + 1] ?? '');
  }
  return options;
}

export function encodeData(block: number, bytes: Uint8Array): Uint8Array {
  return new Writer(4 + bytes.length)
    .u16(OPCODE.data)
    .u16(block & 0xffff)
    .bytes(bytes)
    .finish();
}

export function encodeAck(block: number): Uint8Array {
  return new Writer(4)
    .u16(OPCODE.ack)
    .u16(block & 0xffff)
    .finish();
}

export function encodeError(code: number, message: string): Uint8Array {
  const words = Buffer.from(`${message}\0`, 'latin1');
  return new Writer(4 + words.length).u16(OPCODE.error).u16(code).bytes(words).finish();
}

export function encodeOack(options: ReadonlyMap<string, string>): Uint8Array {
  const words = Buffer.from(
    [...options].map(([name, value]) => `${name}\0${value}\0`).join(''),
    'latin1',
  );
  return new Writer(2 + words.length).u16(OPCODE.oack).bytes(words).finish();
}

export function encodeRequest(request: TftpRequest): Uint8Array {
  const words = [request.file, request.mode, ...[...request.options].flat()];
  const body = Buffer.from(words.map((word) => `${word}\0`).join(''), 'latin1');
  return new Writer(2 + body.length).u16(request.opcode).bytes(body).finish();
}

/** Options as events show them: `blksize 1468 tsize 0`. */
export function optionText(options: ReadonlyMap<string, string>): string {
  return [...options].flat().join(' ').slice(0, 128);
}
