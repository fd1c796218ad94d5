/** One question each to an appliance, as a machine that boots or a resolver asks it: a name, a file by TFTP, something by HTTP. */
import dgram from 'node:dgram';
import { get } from 'node:http';
import { decodeMessage, encodeMessage, rcodeOf } from '../src/dns/message.ts';
import { parseName } from '../src/dns/name.ts';
import { decodeTftp, encodeAck, encodeRequest, OPCODE } from '../src/tftp/packet.ts';

const DNS_PORT = 53;
const TFTP_PORT = 69;
const SOA = 6;
const INTERNET = 1;
const BLOCK_BYTES = 1428;

/** Whether there was the answer that was asked for, in time. */
export type Ask = (server: string, timeoutMs: number) => Promise<boolean>;

interface Next {
  readonly say?: Uint8Array;
  /** Whether it ended well. */
  readonly end?: boolean;
}

/** One exchange over a socket of its own. `hear` says what follows from what came. */
function exchange(
  to: { readonly server: string; readonly port: number; readonly timeoutMs: number },
  first: Uint8Array,
  hear: (bytes: Uint8Array) => Next,
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dgram.createSocket('udp4');
    let over = false;
    const end = (good: boolean): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      socket.close();
      resolve(good);
    };
    const timer = setTimeout(() => end(false), to.timeoutMs);
    socket.once('error', () => end(false));
    socket.on('message', (bytes, { port }) => {
      const next = hear(bytes);
      const follow = () => next.end !== undefined && end(next.end);
      if (next.say) socket.send(next.say, port, to.server, follow);
      else follow();
    });
    socket.send(first, to.port, to.server);
  });
}

/** The SOA of this domain. */
export function askName(domain: string): Ask {
  const name = parseName(`${domain}.`);
  if (name === undefined) throw new Error(`'${domain}' is no domain`);
  return (server, timeoutMs) => {
    const question = encodeMessage({
      ...{ id: Math.floor(Math.random() * 65_536), flags: 0 },
      ...{ questions: [{ name, type: SOA, class: INTERNET }] },
      ...{ answers: [], authority: [], additional: [] },
    });
    return exchange(
      { server, port: DNS_PORT, timeoutMs },
      question ?? new Uint8Array(),
      (bytes) => {
        const message = decodeMessage(bytes);
        if (!message.ok) return { end: false };
        return { end: rcodeOf(message.value.flags) === 0 && message.value.answers.length > 0 };
      },
    );
  };
}

/** A whole file, block by block, as UEFI's PXE reads one. */
export function askTftp(file: string): Ask {
  const options = new Map([['blksize', String(BLOCK_BYTES)]]);
  const first = encodeRequest({ opcode: OPCODE.rrq, file, mode: 'octet', options });
  return (server, timeoutMs) =>
    exchange({ server, port: TFTP_PORT, timeoutMs }, first, (bytes) => {
      const packet = decodeTftp(bytes);
      if (packet.ok && packet.value.opcode === OPCODE.oack) return { say: encodeAck(0) };
      if (!packet.ok || packet.value.opcode !== OPCODE.data) return { end: false };
      const { block, bytes: content } = packet.value;
      return { say: encodeAck(block), ...(content.length < BLOCK_BYTES && { end: true }) };
    });
}

/** A connection for each, as firmware makes them. */
export const askHttp =
  (port: number, path: () => string | undefined): Ask =>
  (host, timeoutMs) =>
    new Promise((resolve) => {
      const asked = get({ host, port, path: path() ?? '/', agent: false }, (answer) => {
        answer.resume();
        answer.once('end', () => resolve(answer.statusCode === 200));
        answer.once('close', () => resolve(false));
      });
      const timer = setTimeout(() => asked.destroy(), timeoutMs);
      asked.once('error', () => resolve(false));
      asked.once('close', () => {
        clearTimeout(timer);
        resolve(false);
      });
    });
