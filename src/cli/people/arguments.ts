/** `field=value` words as filters and as the fields of a change. Pure. */
import { AppError } from '../../errors.ts';

/** @returns the words by what stands before the first `=` */
export function pairs(words: readonly string[]): [string, string][] {
  return words.map((word) => {
    const at = word.indexOf('=');
    if (at < 1) throw new AppError('REQUEST_INVALID', { detail: `'${word}' is not field=value.` });
    return [word.slice(0, at), word.slice(at + 1)];
  });
}

export function filtersOf(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(pairs(words));
}

const NUMBERS = new Set(['unit', 'height']);
const FLAGS = new Set(['protected']);
const LISTS = new Set(['tags', 'ipv6']);

/**
 * Fields as the API takes them: numbers and flags typed, `tags` and `ipv6` divided by commas, `custom.NAME` put among those that are
 * there.
 */
export function assignments(
  words: readonly string[],
  custom: Readonly<Record<string, string>>,
): Record<string, unknown> {
  const changes: Record<string, unknown> = {};
  for (const [name, value] of pairs(words)) {
    if (name.startsWith('custom.')) {
      const { [name.slice(7)]: _, ...others } = (changes.custom ?? custom) as typeof custom;
      changes.custom = value === '' ? others : { ...others, [name.slice(7)]: value };
    } else if (LISTS.has(name)) changes[name] = value === '' ? [] : value.split(',');
    else if (NUMBERS.has(name)) changes[name] = numberOf(name, value);
    else if (FLAGS.has(name)) changes[name] = flagOf(name, value);
    else changes[name] = value;
  }
  return changes;
}

function numberOf(name: string, value: string): number {
  if (/^\d{0,9}$/.test(value)) return Number(value);
  throw new AppError('REQUEST_INVALID', { detail: `'${name}=${value}' is no whole number.` });
}

function flagOf(name: string, value: string): boolean {
  if (/^(?:true|yes)$/.test(value)) return true;
  if (/^(?:false|no|)$/.test(value)) return false;
  throw new AppError('REQUEST_INVALID', { detail: `'${name}=${value}' is neither yes nor no.` });
}
