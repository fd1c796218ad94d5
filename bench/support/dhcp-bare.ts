/**
 * The least that a DHCP server can do, run as a process of its own: each packet is answered from a template and forgotten.
 *
 * What a generator counts from this one is its own ceiling on the machine: no server that it is measured with can show more,
 * whatever it costs. An address is made of the last two bytes of the MAC, which no two clients of a run share. It reads
 * nothing else and is wrong for any other use.
 *
 * Arguments: one JSON object (`BareOptions`). Prints `ready` once it listens.
 */
import { MESSAGE, OPTION } from '../../src/dhcp/options.ts';
import { openBatchSocket, RECEIVE_BYTES } from '../../src/platform/mmsg.ts';
import { parseIpv4 } from '../../src/wire/ipv4.ts';

export interface BareOptions {
  readonly address: string;
  readonly pool: { readonly first: string; readonly last: string };
}

const PORT = 67;
const WAIT_MS = 1000;
const REPLY_BYTES = 300;
const FIXED_BYTES = 240;
const YIADDR_AT = 16;
const MAC_END_AT = 32;
/** Where both generators have the message type: their first option. */
const TYPE_AT = FIXED_BYTES + 2;

/** Writes the reply to `asked` at `at`. @returns its length */
export function bareReply({ address, pool }: BareOptions): (asked: Buffer, into: Buffer) => number {
  const [server, first, last] = [address, pool.first, pool.last].map((text) => {
    const parsed = parseIpv4(text);
    if (parsed === undefined) throw new Error(`no address: ${text}`);
    return parsed as number;
  }) as [number, number, number];
  const options = Buffer.alloc(REPLY_BYTES - FIXED_BYTES);
  options.set([OPTION.messageType, 1, 0, OPTION.serverId, 4]);
  options.writeUInt32BE(server, 5);
  options.set([OPTION.leaseTime, 4, 0, 0, 14, 16, OPTION.end], 9);
  return (asked, into) => {
    asked.copy(into, 0, 0, FIXED_BYTES);
    options.copy(into, FIXED_BYTES);
    into[0] = 2;
    into[TYPE_AT] = asked[TYPE_AT] === MESSAGE.discover ? MESSAGE.offer : MESSAGE.ack;
    const client = asked.readUInt16BE(MAC_END_AT);
    into.writeUInt32BE(first + (client % (last - first + 1)), YIADDR_AT);
    return REPLY_BYTES;
  };
}

function serve(options: BareOptions): void {
  const socket = openBatchSocket({ address: options.address, port: PORT, waitMs: WAIT_MS });
  if (!socket) throw new Error('the bare server needs koffi');
  const answer = bareReply(options);
  const { buffer: received } = socket.received;
  const { buffer: replies } = socket.replies;
  process.stdout.write('ready\n');
  for (;;) {
    const count = socket.receive();
    for (let index = 0; index < count; index++) {
      const asked = Buffer.from(received, index * RECEIVE_BYTES, socket.sizes[index] ?? 0);
      if (asked.length <= TYPE_AT) continue;
      const into = Buffer.from(replies, socket.nextReplyAt(), REPLY_BYTES);
      socket.reply(index, answer(asked, into));
    }
    socket.flush();
  }
}

if (import.meta.main) serve(JSON.parse(process.argv[2] ?? '{}') as BareOptions);
