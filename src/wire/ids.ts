import { randomBytes } from 'node:crypto';

/** The serial-derived id of a machine, as in `hardwarename=C0MPUT3`. */
export type Hardwarename = string & { readonly __brand: 'Hardwarename' };

/** One boot attempt: 12 lower-case hex digits. */
export type BootId = string & { readonly __brand: 'BootId' };

/** A boot token: 32 URL-safe characters holding 192 random bits. Never logged, never put into an event. */
export type BootToken = string & { readonly __brand: 'BootToken' };

export function newBootId(): BootId {
  return randomBytes(6).toString('hex') as BootId;
}

export function newBootToken(): BootToken {
  return randomBytes(24).toString('base64url') as BootToken;
}

/** What comes before a token in every path that has one: whoever hides tokens looks for these. */
export const TOKEN_FOLDERS = [
  ...['boot', 'recon', 'agent', 'images', 'installer', 'metadata', 'phone-home'],
] as const;

const TOKEN_PATH = `(?:${TOKEN_FOLDERS.join('|')})(?:[/\\\\]|%2[Ff])+`;
/** A quote may be escaped: once in JSON, more often where that is a text in JSON again; or encoded, in a parameter. */
const QUOTE = `\\\\*["']|%2[27]`;
const TOKEN_WORD = `reveille\\.token(?:=|%3[Dd])(?:${QUOTE})?`;

/**
 * What stands right before a token in a path, a URL, a file's name or a kernel's command line, as the source of a regular
 * expression: also where a URL is a parameter of another one, and where firmware writes its separators the other way around.
 */
export const BEFORE_TOKEN = `(?:(?<![A-Za-z0-9_-])|(?<=%2[Ff]))${TOKEN_PATH}|${TOKEN_WORD}`;

/** The same where what stands before the folder says nothing: it may be of another line. */
export const BEFORE_TOKEN_AT_A_BREAK = `${TOKEN_PATH}|${TOKEN_WORD}`;

/** The shape of a boot token, before any look-up is spent on it. */
export function parseBootToken(text: string): BootToken | undefined {
  return /^[A-Za-z0-9_-]{32}$/.test(text) ? (text as BootToken) : undefined;
}
