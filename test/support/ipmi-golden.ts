/**
 * Golden transcripts of IPMI sessions (test/fixtures/ipmi): what ipmitool and pyghmi said to OpenIPMI's ipmi_sim and to a
 * small BMC in Python, with the secrets, so that every code can be computed again.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createRmcpPlusChannel, verify } from '../../src/ipmi/channel.ts';
import { decryptPayload, deriveKeys, type SessionKeys } from '../../src/ipmi/crypto.ts';
import {
  decodeOpenRequest,
  decodeOpenResponse,
  decodeRakp1,
  decodeRakp2,
  decodeRakpCode,
  type Exchange,
  encodeOpenRequest,
  encodeOpenResponse,
  encodeRakp1,
  encodeRakp2,
  encodeRakpCode,
  rakp2Code,
  rakp3Code,
  rakp4Code,
  sessionKey,
} from '../../src/ipmi/rakp.ts';
import {
  decodeRmcp,
  encodeHandshake,
  encodeLan15,
  encodePing,
  encodePong,
  PAYLOAD,
  type RmcpPlusPacket,
} from '../../src/ipmi/rmcp.ts';
import { CIPHER_SUITES } from '../../src/ipmi/suites.ts';
import type { Decoded } from '../../src/wire/result.ts';

export interface Golden {
  readonly name: string;
  readonly title: string;
  readonly password: string;
  /** Hex; empty without K_G. */
  readonly kg: string;
  readonly user?: string;
  readonly role?: number;
  readonly sidM?: string;
  readonly Rm?: string;
  readonly packets: readonly { readonly dir: 'console' | 'bmc'; readonly hex: string }[];
  readonly messages: readonly GoldenMessage[];
}

export interface GoldenMessage {
  readonly dir: 'console' | 'bmc';
  readonly name: string;
  readonly netfn: number;
  readonly cmd: number;
  readonly cc: number | null;
  readonly data: string;
  readonly raw: string;
}

const FOLDER = 'test/fixtures/ipmi';

export const GOLDEN_NAMES = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.json'))
  .map((name) => name.replace('.json', ''));

export function golden(name: string): Golden {
  return { name, ...JSON.parse(readFileSync(`${FOLDER}/${name}.json`, 'utf8')) };
}

export const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
export const unhex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'));

export function must<T>(outcome: Decoded<T>): T {
  if (!outcome.ok) throw new Error(`${outcome.code} at ${outcome.at}`);
  return outcome.value;
}

/** What was found in one packet, and the packet as our own encoders write it from that. */
export interface Replayed {
  readonly original: string;
  readonly again: string;
  /** A message or SOL payload in it, without encryption. */
  readonly message?: Uint8Array;
  readonly codeVerified?: boolean;
}

/** Follows one transcript from packet to packet, computing every code and key from the secrets alone. */
export function createReplay(transcript: Golden): (packet: Golden['packets'][number]) => Replayed {
  const password = new TextEncoder().encode(transcript.password);
  const kg = transcript.kg ? unhex(transcript.kg) : undefined;
  let exchange: Partial<Exchange> = {};
  let keys: SessionKeys | undefined;
  let sik: Uint8Array = new Uint8Array();

  const whole = () => exchange as Exchange;
  const handshake = (packet: RmcpPlusPacket): Uint8Array => {
    const { payload } = packet;
    switch (packet.payloadType) {
      case PAYLOAD.openRequest: {
        const request = must(decodeOpenRequest(payload));
        exchange = { consoleId: request.consoleId, password, kg };
        return encodeOpenRequest(request);
      }
      case PAYLOAD.openResponse: {
        const answer = must(decodeOpenResponse(payload));
        if (!('bmcId' in answer)) return payload;
        const suite = CIPHER_SUITES.find((each) => {
          const numbers = encodeOpenRequest({ ...answer, privilege: 0 });
          const own = encodeOpenRequest({ ...answer, privilege: 0, algorithms: numbersOf(each) });
          return hex(numbers) === hex(own);
        });
        if (!suite) throw new Error('a suite that is not in the table');
        exchange = { ...exchange, bmcId: answer.bmcId, suite };
        return encodeOpenResponse(answer);
      }
      case PAYLOAD.rakp1: {
        const message = must(decodeRakp1(payload));
        const { consoleRandom, role, name } = message;
        exchange = { ...exchange, consoleRandom, role, name };
        return encodeRakp1(message);
      }
      case PAYLOAD.rakp2: {
        const answer = must(decodeRakp2(payload));
        if (!('guid' in answer)) return payload;
        exchange = { ...exchange, bmcRandom: answer.bmcRandom, guid: answer.guid };
        return encodeRakp2({ ...answer, code: rakp2Code(whole()) });
      }
      case PAYLOAD.rakp3: {
        const message = must(decodeRakpCode(payload));
        if (!('code' in message)) return payload;
        return encodeRakpCode({ ...message, code: rakp3Code(whole()) });
      }
      case PAYLOAD.rakp4: {
        const message = must(decodeRakpCode(payload));
        if (!('code' in message)) return payload;
        sik = sessionKey(whole());
        keys = deriveKeys(whole().suite, sik);
        return encodeRakpCode({ ...message, code: rakp4Code(whole(), sik) });
      }
      default:
        return payload;
    }
  };

  const active = (packet: RmcpPlusPacket, original: string): Replayed => {
    if (!keys) throw new Error('a session packet before RAKP 4');
    const signed = packet.authenticated ? { codeVerified: verify(packet, keys) } : {};
    const plain = packet.encrypted
      ? must(decryptPayload(keys.aes, packet.payload))
      : packet.payload;
    const channel = createRmcpPlusChannel({
      ...{ keys, remoteId: packet.sessionId, localId: 0, bmcId: 0, ahead: 1 },
      random: () => packet.payload.subarray(0, 16),
      firstSequence: packet.sequence,
    });
    const again = hex(channel.seal({ type: packet.payloadType, bytes: plain }));
    return { original, again, ...signed, message: plain };
  };

  return ({ hex: original }) => {
    const packet = must(decodeRmcp(unhex(original)));
    switch (packet.kind) {
      case 'ping':
        return { original, again: hex(encodePing(packet.tag)) };
      case 'pong':
        return { original, again: hex(encodePong(packet.tag)) };
      case 'lan15':
        return { original, again: hex(encodeLan15(packet)), message: packet.payload };
      case 'rmcp+': {
        if (packet.sessionId !== 0) return active(packet, original);
        const again = hex(encodeHandshake(packet.payloadType, handshake(packet)));
        const isMessage = packet.payloadType === PAYLOAD.ipmi;
        return { original, again, ...(isMessage ? { message: packet.payload } : {}) };
      }
    }
  };
}

function numbersOf(suite: (typeof CIPHER_SUITES)[number]): [number, number, number] {
  const auth = { none: 0, 'hmac-sha1': 1, 'hmac-md5': 2, 'hmac-sha256': 3 }[suite.auth];
  const integrity = { none: 0, 'hmac-sha1-96': 1, 'hmac-md5-128': 2, 'hmac-sha256-128': 4 };
  return [auth, integrity[suite.integrity], suite.confidentiality === 'none' ? 0 : 1];
}
