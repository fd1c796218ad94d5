/**
 * Zone files (RFC 1035 section 5): written for secondaries, checkers and people; read for static records and tests.
 *
 * Writing is canonical: the SOA first, then names in canonical order, absolute, one record a line, so that two exports
 * differ exactly where the zones do. Reading knows `$ORIGIN`, `$TTL`, left-out owners, TTL units and parentheses; it
 * names the line that is wrong and reads nothing from other files (`$INCLUDE` is refused).
 */
import { compareNames, type DnsName, formatName, isWithin, parseName } from './name.ts';
import { formatRdata } from './rdata.ts';
import { parseRdata, splitWords, type Word } from './rdata-text.ts';
import { formatType, isMetaType, parseType, TTL_MAX, TYPE } from './types.ts';
import { recordsOf, soaRecord, type Zone, type ZoneDiff, type ZoneRecord } from './zones.ts';

export function formatRecord({ name, type, ttl, rdata }: ZoneRecord): string {
  return `${formatName(name)}\t${ttl}\tIN\t${formatType(type)}\t${formatRdata(type, rdata)}`;
}

/** The whole zone, ending in a newline. */
export function exportZone(zone: Zone): string {
  const lines = [formatRecord(soaRecord(zone))];
  const names = [...zone.nodes].sort(([a], [b]) => compareNames(a, b));
  for (const [name, node] of names) {
    for (const record of recordsOf(name, node)) {
      if (record.type !== TYPE.SOA) lines.push(formatRecord(record));
    }
  }
  return `${lines.join('\n')}\n`;
}

/** A difference for people: the serials, then one line for each record, `-` what went and `+` what came. */
export function exportDiff(diff: ZoneDiff): string {
  const serial = (value: number | undefined) => (value === undefined ? 'none' : String(value));
  const lines = [`; ${formatName(diff.zone)} ${serial(diff.from)} -> ${serial(diff.to)}`];
  const sorted = (records: readonly ZoneRecord[]) =>
    [...records].sort((a, b) => compareNames(a.name, b.name) || a.type - b.type);
  for (const record of sorted(diff.removed)) lines.push(`- ${formatRecord(record)}`);
  for (const record of sorted(diff.added)) lines.push(`+ ${formatRecord(record)}`);
  return `${lines.join('\n')}\n`;
}

export type ParsedZone =
  | { readonly ok: true; readonly records: ZoneRecord[] }
  | { readonly ok: false; readonly line: number; readonly why: string };

interface State {
  origin: DnsName;
  ttl: number | undefined;
  owner: DnsName | undefined;
}

/** @param origin the zone's name; records outside it are refused */
export function parseZoneFile(text: string, origin: DnsName): ParsedZone {
  const records: ZoneRecord[] = [];
  const state: State = { origin, ttl: undefined, owner: undefined };
  for (const { line, text: entry } of entries(text)) {
    const words = splitWords(entry);
    if (!words) return { ok: false, line, why: 'a quote is not closed' };
    if (words.length === 0) continue;
    const result = readEntry(words, /^\s/.test(entry), state);
    if (typeof result === 'string') return { ok: false, line, why: result };
    if (result === undefined) continue;
    if (!isWithin(result.name, origin)) return { ok: false, line, why: 'outside the zone' };
    records.push(result);
  }
  return { ok: true, records };
}

/** Lines, with what is in parentheses joined to one; quotes and comments are respected. */
function* entries(text: string): IterableIterator<{ line: number; text: string }> {
  let entry = '';
  let start = 1;
  let depth = 0;
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (depth === 0) start = index + 1;
    const clean = line.replace(/"(?:\\.|[^"\\])*"|\\.|;.*$|[()]/g, (token) => {
      if (token === '(') depth += 1;
      if (token === ')') depth -= 1;
      return token.startsWith(';') || token === '(' || token === ')' ? ' ' : token;
    });
    entry += depth > 0 ? `${clean} ` : clean;
    if (depth > 0) continue;
    if (entry.trim() !== '') yield { line: start, text: entry };
    entry = '';
    depth = 0;
  }
  if (entry.trim() !== '') yield { line: start, text: `${entry} "` };
}

function readEntry(
  words: readonly Word[],
  indented: boolean,
  state: State,
): ZoneRecord | string | undefined {
  const [first, ...rest] = words;
  if (first?.text.startsWith('$') && !first.quoted)
    return readDirective(first.text, rest[0], state);
  const owner = indented ? state.owner : parseName(first?.text ?? '', state.origin);
  if (owner === undefined) return `'${first?.text}' is no name here`;
  state.owner = owner;
  const fields = indented ? [...words] : [...rest];
  let ttl = state.ttl;
  for (;;) {
    const text = fields[0]?.text ?? '';
    const seconds = parseTtl(text);
    if (seconds !== undefined) ttl = seconds;
    else if (text.toUpperCase() !== 'IN') break;
    fields.shift();
  }
  const typeText = fields.shift()?.text ?? '';
  const type = parseType(typeText);
  if (type === undefined || isMetaType(type)) return `'${typeText}' is no type of record`;
  const rdata = parseRdata(type, fields, state.origin);
  if (rdata === undefined) return `the data of this ${formatType(type)} record is not valid`;
  if (ttl === undefined) return 'no TTL: write one, or $TTL before';
  return { name: owner, type, ttl, rdata };
}

function readDirective(name: string, word: Word | undefined, state: State): string | undefined {
  const text = word?.text ?? '';
  if (name === '$ORIGIN') {
    const origin = parseName(text, state.origin);
    if (origin === undefined) return `'${text}' is no name`;
    state.origin = origin;
    return undefined;
  }
  if (name === '$TTL') {
    const ttl = parseTtl(text);
    if (ttl === undefined) return `'${text}' is no TTL`;
    state.ttl = ttl;
    return undefined;
  }
  return `${name} is not supported`;
}

const UNIT_SECONDS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** `300`, `1h30m`; `undefined` for anything else and for more than RFC 2181 section 8 allows. */
export function parseTtl(text: string): number | undefined {
  const lower = text.toLowerCase();
  if (/^\d{1,10}$/.test(lower)) return Number(lower) <= TTL_MAX ? Number(lower) : undefined;
  if (!/^(\d{1,9}[smhdw])+$/.test(lower)) return undefined;
  const parts = [...lower.matchAll(/(\d+)([smhdw])/g)];
  const total = parts.reduce(
    (sum, [, n, unit]) => sum + Number(n) * (UNIT_SECONDS[unit ?? ''] ?? 0),
    0,
  );
  return total <= TTL_MAX ? total : undefined;
}
