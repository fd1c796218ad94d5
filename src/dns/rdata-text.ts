/**
 * Rdata from text: the words of a zone file, of the API or of the command line, read strictly into octets.
 *
 * What is not exactly right is `undefined`, never a guess: a record that says something else than its author meant is
 * worse than a refused one. `\# length hex` (RFC 3597 section 5) works for every type.
 */
import { parseIpv4 } from '../wire/ipv4.ts';
import { type DnsName, parseName } from './name.ts';
import { type Field, parseIpv6, RDATA_LAYOUTS, type Rdata } from './rdata.ts';
import { parseType } from './types.ts';

/** A word of a line; a quoted one may hold spaces and is never a name or a number. */
export interface Word {
  readonly text: string;
  readonly quoted: boolean;
}

/** Splits at blanks; `"…"` is one word, a comment ends the line. `undefined` for an open quote. */
export function splitWords(line: string): Word[] | undefined {
  const words: Word[] = [];
  let at = 0;
  while (at < line.length) {
    const char = line[at] ?? '';
    if (char === ';') break;
    if (/\s/.test(char)) {
      at += 1;
      continue;
    }
    const quoted = char === '"';
    const end = quoted ? closingQuote(line, at + 1) : wordEnd(line, at);
    if (end === undefined) return undefined;
    words.push({ text: line.slice(quoted ? at + 1 : at, end), quoted });
    at = quoted ? end + 1 : end;
  }
  return words;
}

function closingQuote(line: string, from: number): number | undefined {
  for (let at = from; at < line.length; at++) {
    if (line[at] === '\\') at += 1;
    else if (line[at] === '"') return at;
  }
  return undefined;
}

function wordEnd(line: string, from: number): number {
  let at = from;
  while (at < line.length && !/[\s;"]/.test(line[at] ?? '')) at += line[at] === '\\' ? 2 : 1;
  return Math.min(at, line.length);
}

/** @param origin what relative names end in */
export function parseRdata(
  type: number,
  words: readonly Word[],
  origin?: DnsName,
): Rdata | undefined {
  if (words[0]?.text === '\\#' && !words[0].quoted) return parseOpaque(words.slice(1));
  const layout = RDATA_LAYOUTS.get(type);
  if (!layout) return undefined;
  let rdata = '';
  let next = 0;
  for (const field of layout) {
    const toEnd =
      field === 'strings' || field === 'hex' || field === 'base64' || field === 'bitmap';
    const taken = toEnd ? words.slice(next) : words.slice(next, next + 1);
    if (taken.length === 0) return undefined;
    const octets = parseField(field, taken, origin);
    if (octets === undefined) return undefined;
    rdata += octets;
    next += taken.length;
  }
  return next === words.length && rdata.length <= 65_535 ? (rdata as Rdata) : undefined;
}

function parseOpaque(words: readonly Word[]): Rdata | undefined {
  const [length, ...rest] = words.map(({ text }) => text);
  const octets = fromHex(rest.join(''));
  return octets !== undefined && octets.length === Number(length) && /^\d+$/.test(length ?? '')
    ? (octets as Rdata)
    : undefined;
}

function fromHex(text: string): string | undefined {
  return /^([0-9a-f]{2})*$/i.test(text) ? Buffer.from(text, 'hex').toString('latin1') : undefined;
}

function parseField(field: Field, words: readonly Word[], origin?: DnsName): string | undefined {
  const { text = '' } = words[0] ?? {};
  const joined = words.map((word) => word.text).join('');
  switch (field) {
    case 'u8':
      return parseNumber(text, 1);
    case 'u16':
      return parseNumber(text, 2);
    case 'u32':
      return parseNumber(text, 4);
    case 'time':
      return parseTime(text);
    case 'type': {
      const type = parseType(text);
      return type === undefined ? undefined : bigEndian(type, 2);
    }
    case 'name':
      return words[0]?.quoted ? undefined : parseName(text, origin);
    case 'ipv4': {
      const address = parseIpv4(text);
      return address === undefined ? undefined : bigEndian(address, 4);
    }
    case 'ipv6':
      return parseIpv6(text);
    case 'string':
      return characterString(text);
    case 'text':
      return unescapeText(text);
    case 'strings': {
      const strings = words.map((word) => characterString(word.text));
      return strings.includes(undefined) ? undefined : strings.join('');
    }
    case 'hex':
      return fromHex(joined);
    case 'base64':
      return /^[A-Za-z0-9+/]+={0,2}$/.test(joined)
        ? Buffer.from(joined, 'base64').toString('latin1')
        : undefined;
    case 'bitmap':
      return bitmapOf(words.map((word) => parseType(word.text)));
  }
}

function parseNumber(text: string, bytes: number): string | undefined {
  const value = Number(text);
  return /^\d{1,10}$/.test(text) && value < 256 ** bytes ? bigEndian(value, bytes) : undefined;
}

/** The `bytes` octets of a number in network order. */
export function bigEndian(value: number, bytes: number): string {
  let octets = '';
  for (let i = bytes - 1; i >= 0; i--) {
    octets += String.fromCharCode(Math.floor(value / 256 ** i) & 255);
  }
  return octets;
}

function parseTime(text: string): string | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(text);
  if (!match) return parseNumber(text, 4);
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1)
    .map(Number);
  return bigEndian(Date.UTC(year, month - 1, day, hour, minute, second) / 1000, 4);
}

function characterString(text: string): string | undefined {
  const octets = unescapeText(text);
  return octets !== undefined && octets.length <= 255
    ? String.fromCharCode(octets.length) + octets
    : undefined;
}

function unescapeText(text: string): string | undefined {
  if (/[^\x20-\x7e]/.test(text)) return undefined;
  let bad = false;
  const octets = text.replace(/\\(\d{3}|\D|$)/g, (_match, escaped: string) => {
    const code = Number(escaped);
    if (escaped === '' || (escaped.length === 3 && code > 255)) bad = true;
    return escaped.length === 3 ? String.fromCharCode(code) : escaped;
  });
  return bad ? undefined : octets;
}

/** An NSEC bitmap of types (RFC 4034 section 4.1.2): one block for each 256 types in use. */
export function bitmapOf(types: readonly (number | undefined)[]): string | undefined {
  if (types.includes(undefined)) return undefined;
  const blocks = new Map<number, number[]>();
  for (const type of types as number[]) {
    const block = blocks.get(type >> 8) ?? [];
    block[(type & 255) >> 3] = (block[(type & 255) >> 3] ?? 0) | (0x80 >> (type & 7));
    blocks.set(type >> 8, block);
  }
  return [...blocks]
    .sort(([a], [b]) => a - b)
    .map(([window, block]) => {
      const map = Array.from(block, (byte = 0) => String.fromCharCode(byte)).join('');
      return String.fromCharCode(window, map.length) + map;
    })
    .join('');
}
