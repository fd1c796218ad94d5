/**
 * Which part of a file a request asks for, if any: preconditions in the order of RFC 9110 13.2.2, then the range.
 *
 * Pure: headers and validators in, a verdict out. What cannot be understood is ignored, as the RFC wants it, except in
 * `If-Match`, where ignoring would hand a resumed download the rest of another file.
 *
 * Several ranges get the whole file (RFC 9110 14.2 allows it). No boot loader, agent or image writer asks for more than
 * one, and many overlapping ranges are a known way to make a server send far more than it has (CVE-2011-3192).
 */
import type { IncomingHttpHeaders } from 'node:http';

export interface Validators {
  /** Strong entity tag, quotes included. */
  readonly etag: string;
  readonly sizeBytes: number;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
}

export type Verdict =
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly first: number; readonly last: number }
  | { readonly kind: 'not-modified' }
  | { readonly kind: 'precondition-failed' }
  | { readonly kind: 'unsatisfiable' };

export interface Asked {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  /** Milliseconds since 1970; a date names a version only once that version is older than its one second. */
  readonly now: number;
}

export function judge({ method, headers, now }: Asked, file: Validators): Verdict {
  const failed = { kind: 'precondition-failed' } as const;
  if (headers['if-match'] !== undefined) {
    if (!matches(headers['if-match'], file.etag, 'strong')) return failed;
  } else if (laterThan(file, headers['if-unmodified-since'])) {
    return failed;
  }
  if (headers['if-none-match'] !== undefined) {
    if (matches(headers['if-none-match'], file.etag, 'weak')) return { kind: 'not-modified' };
  } else if (laterThan(file, headers['if-modified-since']) === false) {
    return { kind: 'not-modified' };
  }
  // Range is defined for GET alone: UEFI HTTP Boot takes the whole length from the answer to HEAD.
  if (method !== 'GET' || headers.range === undefined) return { kind: 'whole' };
  if (!sameVersion(headers['if-range'], file, now)) return { kind: 'whole' };
  const range = parseRange(headers.range, file.sizeBytes);
  if (range === undefined) return { kind: 'whole' };
  return range === 'unsatisfiable' ? { kind: 'unsatisfiable' } : { kind: 'part', ...range };
}

/** `bytes=FIRST-LAST`, `bytes=FIRST-` or `bytes=-COUNT`; `undefined` for several ranges or another unit (RFC 9110 14.1.2). */
export function parseRange(
  header: string,
  sizeBytes: number,
): { first: number; last: number } | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d{0,30})-(\d{0,30})$/i.exec(header.trim());
  if (!match) return undefined;
  const [, firstText = '', lastText = ''] = match;
  if (firstText === '' && lastText === '') return undefined;
  if (firstText === '') {
    const count = Math.min(Number(lastText), sizeBytes);
    return count === 0 ? 'unsatisfiable' : { first: sizeBytes - count, last: sizeBytes - 1 };
  }
  const first = Number(firstText);
  const last = lastText === '' ? sizeBytes - 1 : Math.min(Number(lastText), sizeBytes - 1);
  if (lastText !== '' && Number(lastText) < first) return undefined;
  return first >= sizeBytes ? 'unsatisfiable' : { first, last };
}

/** The three forms of RFC 9110 5.6.7, all of them UTC. @returns milliseconds since 1970 */
export function parseHttpDate(text: string): number | undefined {
  const forms = [
    /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/,
    /^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/,
  ];
  const asctime = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/;
  const zoned = asctime.test(text) ? `${text} GMT` : text;
  if (zoned === text && !forms.some((form) => form.test(text))) return undefined;
  const at = Date.parse(zoned);
  return Number.isNaN(at) ? undefined : at;
}

/** A strong comparison takes no weak tag (RFC 9110 8.8.3.2): a weak one promises no equal bytes. */
function matches(header: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (header.trim() === '*') return true;
  for (const [, weak, tag] of header.matchAll(/(W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g)) {
    if (tag === etag && (comparison === 'weak' || weak === undefined)) return true;
  }
  return false;
}

/** Whether the file is newer than a date header, in whole seconds; `undefined` when there is no usable header. */
function laterThan(file: Validators, header: string | undefined): boolean | undefined {
  const at = header === undefined ? undefined : parseHttpDate(header);
  return at === undefined ? undefined : wholeSeconds(file.modifiedMs) > at;
}

function sameVersion(ifRange: unknown, file: Validators, now: number): boolean {
  if (ifRange === undefined) return true;
  if (typeof ifRange !== 'string') return false;
  if (ifRange.includes('"')) return ifRange.trim() === file.etag;
  const modified = wholeSeconds(file.modifiedMs);
  return parseHttpDate(ifRange) === modified && now - modified >= 2000;
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}
