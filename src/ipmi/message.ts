/**
 * IPMI messages (section 13.8): the request and the response that every payload of type 0 carries, with both checksums.
 *
 * A response belongs to a request when its network function is one more, and sequence, command and LUN agree; the session
 * around it is checked before. Checksums may be ignored for the boards that are named in quirks.ts, and only then.
 */
import { Reader, Writer } from '../wire/cursor.ts';
import { type Decoded, decoded, malformed } from '../wire/result.ts';

/** The BMC's slave address and the address of a remote console's software (section 5.5). */
export const BMC_ADDRESS = 0x20;
export const CONSOLE_ADDRESS = 0x81;

/** Network functions of requests (table 5-1); a response has the next odd number. */
export const NETFN = {
  chassis: 0x00,
  sensor: 0x04,
  app: 0x06,
  storage: 0x0a,
  transport: 0x0c,
  group: 0x2c,
} as const;

export interface IpmiRequest {
  readonly responder: number;
  readonly netFn: number;
  readonly lun: number;
  readonly requester: number;
  /** 0 to 63. */
  readonly sequence: number;
  readonly command: number;
  readonly data: Uint8Array;
}

export interface IpmiResponse extends IpmiRequest {
  readonly completion: number;
}

export type MessageFault = 'too-short' | 'bad-checksum' | 'not-a-request' | 'not-a-response';

const HEADER_BYTES = 7;

export function encodeRequest(request: IpmiRequest): Uint8Array {
  return encode(request.responder, request.requester, request, request.data);
}

export function encodeResponse(response: IpmiResponse): Uint8Array {
  const data = new Uint8Array(1 + response.data.length);
  data[0] = response.completion;
  data.set(response.data, 1);
  return encode(response.requester, response.responder, response, data);
}

/**
 * First the address of the receiver, then that of the sender. The LUNs are the responder's in a request's first pair and
 * the requester's, which is always 0 here, in its second; in a response it is the other way round.
 */
function encode(to: number, from: number, message: IpmiRequest, data: Uint8Array): Uint8Array {
  const isRequest = (message.netFn & 1) === 0;
  const firstLun = isRequest ? message.lun : 0;
  const secondLun = isRequest ? 0 : message.lun;
  const head = Uint8Array.of(to, (message.netFn << 2) | firstLun);
  const body = new Writer(4 + data.length)
    .u8(from)
    .u8((message.sequence << 2) | secondLun)
    .u8(message.command)
    .bytes(data)
    .finish();
  return new Writer(HEADER_BYTES + data.length)
    .bytes(head)
    .u8(checksum(head))
    .bytes(body)
    .u8(checksum(body))
    .finish();
}

/** Two's complement of the sum (section 13.8). */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) sum += byte;
  return -sum & 0xff;
}

export function decodeRequest(bytes: Uint8Array): Decoded<IpmiRequest, MessageFault> {
  const parts = decodeParts(bytes, true);
  if (!parts.ok) return parts;
  const { first, netFn, firstLun, second, sequence, command, data } = parts.value;
  if (netFn & 1) return malformed('not-a-request', 1);
  const addresses = { responder: first, requester: second };
  return decoded({ ...addresses, netFn, lun: firstLun, sequence, command, data });
}

export function decodeResponse(
  bytes: Uint8Array,
  { ignoreChecksums = false } = {},
): Decoded<IpmiResponse, MessageFault> {
  const parts = decodeParts(bytes, !ignoreChecksums);
  if (!parts.ok) return parts;
  const { first, netFn, second, secondLun, sequence, command, data } = parts.value;
  if (!(netFn & 1)) return malformed('not-a-response', 1);
  const completion = data[0];
  if (completion === undefined) return malformed('too-short', bytes.length);
  const addresses = { responder: second, requester: first };
  const body = { completion, data: data.subarray(1) };
  return decoded({ ...addresses, netFn, lun: secondLun, sequence, command, ...body });
}

interface Parts {
  readonly first: number;
  readonly netFn: number;
  readonly firstLun: number;
  readonly second: number;
  readonly sequence: number;
  readonly secondLun: number;
  readonly command: number;
  readonly data: Uint8Array;
}

function decodeParts(bytes: Uint8Array, strict: boolean): Decoded<Parts, MessageFault> {
  if (bytes.length < HEADER_BYTES) return malformed('too-short', bytes.length);
  const reader = new Reader(bytes);
  const first = reader.u8();
  const netFnLun = reader.u8();
  reader.u8();
  const second = reader.u8();
  const sequenceLun = reader.u8();
  const command = reader.u8();
  const data = reader.take(reader.remaining - 1);
  // A sum that includes its own checksum is zero.
  if (strict && checksum(bytes.subarray(0, 3)) !== 0) return malformed('bad-checksum', 2);
  if (strict && checksum(bytes.subarray(3)) !== 0) {
    return malformed('bad-checksum', bytes.length - 1);
  }
  return decoded({
    ...{ first, netFn: netFnLun >> 2, firstLun: netFnLun & 3 },
    ...{ second, sequence: sequenceLun >> 2, secondLun: sequenceLun & 3, command, data },
  });
}
