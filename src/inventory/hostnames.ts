/**
 * Hostnames: what a machine is called while it has a role. The most precise naming rule for its role and site makes the
 * name; a name that any machine has is skipped, and the table's unique index has the last word.
 */
import { randomInt } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { RecordDoc } from './record-kinds.ts';
import type { Records } from './records.ts';

export interface NameWish {
  readonly role: string;
  readonly site: string;
  readonly serial: string;
}

/** As in the record of a naming rule. */
export type OwnRule = Pick<RecordDoc<'naming'>, 'pattern' | 'first'>;

export interface Hostnames {
  /**
   * A free name by the rules, or by one that is given for this once (its `rule` is '').
   * @throws AppError NOT_FOUND without a rule, NAMES_EXHAUSTED
   */
  allocate(wish: NameWish, own?: OwnRule): { hostname: string; rule: string };
}

/** RFC 1123 section 2.1: labels of letters, digits and hyphens; lower case here, so that there is one spelling. */
export function isHostname(text: string): boolean {
  return (
    text.length <= 253 &&
    /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/.test(text)
  );
}

/** Without vowels and lookalikes: no words by accident, and nothing to misread on a label. */
const RANDOM_LETTERS = 'bcdfghjkmnpqrstvwxz23456789';
const RANDOM_TRIES = 200;

export function openHostnames(db: Database, records: Records): Hostnames {
  const taken = db.prepare<[string], { hostname: string }>(
    `SELECT hostname FROM machines WHERE hostname = ? AND hostname <> ''`,
  );
  const isFree = (hostname: string) => taken.get(hostname) === undefined;
  const highest = db.prepare<[number, string, string, number], { number: number }>(
    `SELECT max(CAST(substr(hostname, ?) AS INTEGER)) AS number FROM machines
     WHERE hostname >= ? AND hostname < ? AND hostname <> '' AND substr(hostname, ?, 1) BETWEEN '0' AND '9'`,
  );

  return {
    allocate(wish, own) {
      const rule = own ? { name: '', doc: own } : ruleFor(records, wish);
      const { pattern, first } = rule.doc;
      const render = (number: number) => renderName(pattern, wish, number);
      if (/\{random/.test(pattern)) {
        for (let attempt = 0; attempt < RANDOM_TRIES; attempt++) {
          const hostname = checked(render(first), rule.name);
          if (isFree(hostname)) return { hostname, rule: rule.name };
        }
        throw new AppError('NAMES_EXHAUSTED', { detail: rule.name });
      }
      if (!/\{n/.test(pattern)) {
        const hostname = checked(render(first), rule.name);
        if (isFree(hostname)) return { hostname, rule: rule.name };
        throw new AppError('NAMES_EXHAUSTED', { detail: `${hostname} is taken.` });
      }
      // Gaps are not refilled below the highest number, so that a name's past stays one machine's for as long as possible.
      const prefix = renderName(pattern.slice(0, pattern.search(/\{n/)), wish, 0);
      const top =
        highest.get(prefix.length + 1, prefix, `${prefix}:`, prefix.length + 1)?.number ?? 0;
      for (
        let number = Math.max(first, top + 1), end = number + RANDOM_TRIES;
        number < end;
        number++
      ) {
        const hostname = checked(render(number), rule.name);
        if (isFree(hostname)) return { hostname, rule: rule.name };
      }
      throw new AppError('NAMES_EXHAUSTED', { detail: rule.name });
    },
  };
}

function ruleFor(records: Records, { role, site }: NameWish) {
  const fits = records
    .list('naming')
    .filter(
      ({ doc }) => (doc.role === '' || doc.role === role) && (doc.site === '' || doc.site === site),
    )
    .sort((a, b) => precision(b.doc) - precision(a.doc) || (a.name < b.name ? -1 : 1));
  const [rule] = fits;
  if (rule) return rule;
  throw new AppError('NOT_FOUND', {
    detail: `No naming rule fits role '${role}' at site '${site}'.`,
  });
}

const precision = ({ role, site }: RecordDoc<'naming'>): number =>
  (role === '' ? 0 : 2) + (site === '' ? 0 : 1);

function renderName(pattern: string, { role, site, serial }: NameWish, number: number): string {
  return pattern.replace(/\{(role|site|serial|n|random)(?::(\d+))?\}/g, (_, word, size) => {
    switch (word) {
      case 'role':
        return label(role);
      case 'site':
        return label(site);
      case 'serial':
        return label(serial);
      case 'n':
        return String(number).padStart(Number(size ?? 1), '0');
      default:
        return Array.from({ length: Number(size) }, randomLetter).join('');
    }
  });
}

const randomLetter = (): string => RANDOM_LETTERS[randomInt(RANDOM_LETTERS.length)] ?? 'x';

function label(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
}

function checked(hostname: string, rule: string): string {
  if (isHostname(hostname)) return hostname;
  throw new AppError('REQUEST_INVALID', {
    detail: `Rule ${rule} makes '${hostname.slice(0, 80)}', which is no hostname.`,
  });
}
