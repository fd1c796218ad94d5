/**
 * Which requests are not served at all, and what the client is told: the ERROR is often all that a technician sees on the
 * console, so it says what to do.
 */
import { cleanFileName } from './file-name.ts';
import { OPCODE, TFTP_ERROR, type TftpRequest } from './packet.ts';

/** What the client is told: an error code (RFC 1350 section 5) and a sentence. */
export interface Refusal {
  readonly code: number;
  readonly why: string;
}

/** The file that a request names, or why it is not served. */
export function check(request: TftpRequest): { readonly name: string } | Refusal {
  if (request.opcode === OPCODE.wrq)
    return { code: TFTP_ERROR.access, why: 'this server is read-only' };
  if (request.mode !== 'octet') {
    const why = `mode ${request.mode.slice(0, 16)} is not served, use octet`;
    return { code: TFTP_ERROR.undefined, why };
  }
  const name = cleanFileName(request.file);
  return name === undefined
    ? { code: TFTP_ERROR.access, why: 'this path is not served' }
    : { name };
}
