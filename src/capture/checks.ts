/**
 * The closed list of what `reveille decode` finds wrong in a capture. docs/decode.md has the same table with what to do
 * about each, and each has a test that shows it being found and one that shows a good boot without it.
 *
 * `error`: a boot stops here, or has. `warning`: some firmware stops here. `note`: it costs time, or is worth knowing.
 */
import type { Entry } from './model.ts';

export type Level = 'error' | 'warning' | 'note';

export const CHECKS = {
  'dhcp-malformed': ['error', 'A datagram on a DHCP port cannot be decoded.'],
  'no-answer': ['error', 'A DISCOVER got no offer from anybody.'],
  'only-proxy-offers': [
    'error',
    'Only ProxyDHCP servers offered something; nobody offered an address.',
  ],
  'offer-unanswered': ['error', 'An offer was made and the client did not take it.'],
  'request-unanswered': ['error', 'A REQUEST got neither ACK nor NAK.'],
  'boot-server-unanswered': ['error', 'A request to port 4011 got no answer.'],
  nak: ['warning', 'A server refused an address.'],
  declined: ['error', 'The client found the address in use by somebody else.'],
  'two-servers': ['warning', 'Two servers offered an address in one exchange.'],
  'two-boot-servers': ['warning', 'Two servers offered a boot file in one exchange.'],
  'address-conflict': ['error', 'One address was acknowledged to two machines at once.'],
  'release-of-anothers': ['warning', 'A client gave back an address that another one holds.'],
  'address-changed': ['warning', 'The machine was given another address in the middle of a boot.'],
  'wrong-address': ['error', 'The ACK is for another address than the client asked for.'],
  'slow-offer': ['note', 'The offer came a second or more after the DISCOVER.'],
  'boot-loop': ['error', 'The machine was handed its boot loader over and over.'],
  'xid-mismatch': ['error', 'A reply bears a transaction id that the client did not use.'],
  'reply-wrong-port': ['error', 'A reply went to a port where the client does not listen.'],
  'directed-broadcast': ['error', "A reply went to the subnet's broadcast address."],
  'server-id-missing': ['error', 'An OFFER, ACK or NAK has no option 54.'],
  'server-id-mismatch': ['warning', 'Option 54 is not the address that the reply came from.'],
  'unknown-server': [
    'warning',
    'A REQUEST names a server that has offered nothing in this capture.',
  ],
  'reply-short': ['warning', 'A reply is below the 300 bytes of BOOTP.'],
  'reply-overlong': ['error', 'A reply is longer than the client takes.'],
  'message-type-late': [
    'warning',
    'Option 53 is not the first option of a reply to boot firmware.',
  ],
  'lease-time-missing': ['error', 'An offer or ACK of an address has no lease time.'],
  'mask-missing': ['warning', 'An offer or ACK of an address has no subnet mask.'],
  'relay-info-missing': ['error', "The reply to a relay lacks the relay's option 82."],
  'relay-info-not-last': ['warning', 'Option 82 is not the last option of a reply.'],
  'uuid-not-echoed': ['note', "The reply lacks the client's option 97."],
  'boot-file-missing': ['error', 'No server told the firmware what to boot.'],
  'boot-server-missing': ['error', 'There is a boot file, and no server to fetch it from.'],
  'boot-file-too-long': [
    'error',
    'The name of the boot file does not fit where firmware keeps it.',
  ],
  'boot-file-unterminated': ['warning', 'The name of the boot file does not end in a NUL.'],
  'boot-file-wrong-arch': ['error', 'The boot file is, by its name, for another kind of machine.'],
  'http-class-missing': [
    'error',
    'A boot URL for UEFI HTTP Boot comes without option 60 HTTPClient.',
  ],
  'http-url-by-name': ['warning', 'The boot URL has a host name, and the reply no DNS server.'],
  'pxe-class-alone': [
    'error',
    "Option 60 PXEClient without PXE's option 43, and nobody answers on port 4011.",
  ],
  'overloaded-for-firmware': [
    'warning',
    'A reply to boot firmware keeps options in `file` or `sname`.',
  ],
  'ipxe-waits-for-proxy': [
    'note',
    'iPXE was not told that there is no ProxyDHCP server, and waits for one.',
  ],
  'tftp-malformed': ['error', 'What came to the TFTP port is no request.'],
  'tftp-unanswered': ['error', 'A TFTP request got no answer.'],
  'tftp-error': ['error', 'The TFTP server refused the request.'],
  'tftp-not-there': [
    'note',
    'The client asked for a file that it can do without, and it is not there.',
  ],
  'tftp-aborted': ['error', 'The client gave up a TFTP transfer.'],
  'tftp-option-refused': [
    'note',
    'The TFTP server did not accept an option that the client asked for.',
  ],
  'tftp-option-enlarged': ['error', 'The TFTP server granted more than the client asked for.'],
  'tftp-size-wrong': ['error', 'The TFTP transfer is not as long as its `tsize` says.'],
  'tftp-retransmissions': ['warning', 'TFTP blocks were sent more than once.'],
  'tftp-unfinished': ['warning', 'A TFTP transfer stopped in the middle.'],
  'tftp-name-garbage': ['warning', 'A file name holds bytes that no file name has.'],
  fragmented: ['error', 'A datagram was sent in fragments, which boot firmware drops.'],
  'frame-cut': ['note', 'A frame was captured only in part, and what it says is not all there.'],
  'file-damaged': ['warning', 'The capture file itself is damaged or cut off.'],
  'left-out': ['note', 'The capture holds more than is kept.'],
} as const satisfies Record<string, readonly [Level, string]>;

export type CheckId = keyof typeof CHECKS;
export const CHECK_IDS = Object.keys(CHECKS) as CheckId[];

export interface Problem {
  readonly check: CheckId;
  readonly level: Level;
  /** Number of the frame that shows it; 0 when no single one does. */
  readonly frame: number;
  /** Seen in this very capture: names, addresses, sizes. */
  readonly detail: string;
}

export function problem(
  check: CheckId,
  at: Pick<Entry, 'frame'> | undefined,
  detail: string,
): Problem {
  return { check, level: CHECKS[check][0], frame: at?.frame ?? 0, detail };
}
