/**
 * How a session is to be opened: who asks, for what, and with which suites. Parsed once, here, so that nothing below has
 * to doubt a length; the password is bytes from then on and is in no message, error or log.
 */
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import { KEY_BYTES } from './crypto.ts';
import type { QuirkName } from './quirks.ts';
import { PRIVILEGE, type Privilege } from './rakp.ts';
import { cipherSuite, SUITES_OFFERED } from './suites.ts';

export interface SessionSettings {
  readonly user: string;
  readonly password: string;
  /** The BMC key, as bytes; absent when the BMC has none. */
  readonly kg?: Uint8Array | undefined;
  /** Operator is enough for power and boot options; administrator for users and LAN. */
  readonly privilege?: Privilege | undefined;
  /** Suites to try, best first; 17 and 3 when absent. Anything without encryption has to be named here. */
  readonly suites?: readonly number[] | undefined;
  /** Whether IPMI 1.5 with MD5, which is not encrypted, may be used with a BMC that has nothing better. */
  readonly allowIpmi15?: boolean | undefined;
  /** Whether an idle session is kept alive (SOL, long waits). */
  readonly keepAlive?: boolean | undefined;
  readonly quirks?: readonly QuirkName[] | undefined;
}

export interface SessionOptions {
  readonly user: Uint8Array;
  readonly password: Uint8Array;
  readonly kg: Uint8Array | undefined;
  /** Table 6-1 number. */
  readonly privilege: number;
  readonly suites: readonly number[];
  readonly allowIpmi15: boolean;
  readonly keepAlive: boolean;
  readonly quirks: ReadonlySet<QuirkName>;
}

/** @throws AppError REQUEST_INVALID with the field that does not fit */
export function parseSettings(settings: SessionSettings): SessionOptions {
  const quirks = new Set(settings.quirks ?? []);
  const user = textBytes('user name', settings.user, limit('ipmiUserBytesMax'));
  const kg = settings.kg;
  if (kg && kg.length > KEY_BYTES) invalid(`K_G is longer than ${KEY_BYTES} bytes.`);
  const suites = settings.suites ?? SUITES_OFFERED;
  for (const id of suites) if (!cipherSuite(id)) invalid(`Cipher suite ${id} is not known.`);
  if (suites.length === 0 && !settings.allowIpmi15) invalid('No cipher suite is allowed.');
  return {
    user: quirks.has('padded-name') ? padName(user) : user,
    password: textBytes('password', settings.password, limit('ipmiPasswordBytesMax')),
    // A key of zeros means that there is none (section 13.31).
    kg: kg?.some((byte) => byte !== 0) ? kg : undefined,
    privilege: PRIVILEGE[settings.privilege ?? 'operator'],
    suites,
    allowIpmi15: settings.allowIpmi15 ?? false,
    keepAlive: settings.keepAlive ?? false,
    quirks,
  };
}

function padName(user: Uint8Array): Uint8Array {
  const name = new Uint8Array(limit('ipmiUserBytesMax'));
  name.set(user);
  return name;
}

function textBytes(what: string, text: string, bytesMax: number): Uint8Array {
  const bytes = Uint8Array.from(Buffer.from(text, 'utf8'));
  if (bytes.length > bytesMax) invalid(`The ${what} is longer than ${bytesMax} bytes.`);
  if (bytes.includes(0)) invalid(`The ${what} contains a zero byte.`);
  return bytes;
}

function invalid(detail: string): never {
  throw new AppError('REQUEST_INVALID', { detail });
}
