/**
 * Hostnames: what a machine is called while it has a role. The most precise naming rule for its role and site makes the
 * name; a name that somebody has is skipped, and the table's unique index has the last word.
 *
 * A name is one in DNS, too: `web1` and `web1.lon.example` are the same at the site of lon.example, every machine has its
 * hardwarename there, and a person may have written a record for a name. Two owners of a name would hold up all of DNS.
 */
import { randomInt } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import { AppError } from '../errors.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { RecordDoc } from './record-kinds.ts';
import type { Records } from './records.ts';

export interface NameWish {
  readonly role: string;
  readonly site: string;
  readonly serial: string;
  /** Whose name it becomes: it may be called by its own hardwarename. */
  readonly hardwarename?: Hardwarename | undefined;
}

/** As in the record of a naming rule. */
export type OwnRule = Pick<RecordDoc<'naming'>, 'pattern' | 'first'>;

export interface Hostnames {
  /**
   * A free name by the rules, or by one that is given for this once (its `rule` is '').
   * @throws AppError NOT_FOUND without a rule, NAMES_EXHAUSTED
   */
  allocate(wish: NameWish, own?: OwnRule): { hostname: string; rule: string };
  /** The other machine that is called so, in whichever spelling, or is so by its hardwarename. */
  holderOf(hostname: string, except: Hardwarename): Hardwarename | undefined;
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

/** Types of records that say where a name is: others may stand beside a machine's own. */
const PLACES = `('A', 'AAAA', 'CNAME')`;

/** @param domain of the site, as in `lon.example`; '' where DNS is not served from here */
export function openHostnames(db: Database, records: Records, domain = ''): Hostnames {
  const called = db
    .prepare<[string, string, Hardwarename], Hardwarename>(
      `SELECT hardwarename FROM machines WHERE hostname IN (?, ?) AND hostname <> '' AND hardwarename <> ?`,
    )
    .pluck();
  const is = db
    .prepare<[string, Hardwarename], Hardwarename>(
      'SELECT hardwarename FROM machines WHERE hardwarename = ? AND hardwarename <> ?',
    )
    .pluck();
  const written = db.prepare<[string, string, string], { id: string }>(
    `SELECT id FROM dns_records WHERE lower(name) IN (?, ?, ?) AND upper(type) IN ${PLACES}`,
  );
  const ending = `.${domain}`;
  /** Below the site's domain, and with it. */
  const spellings = (hostname: string): readonly [string, string] => {
    if (domain === '') return [hostname, hostname];
    if (hostname.endsWith(ending)) return [hostname.slice(0, -ending.length), hostname];
    return [hostname, hostname + ending];
  };
  const holderOf: Hostnames['holderOf'] = (hostname, except) => {
    const [short, whole] = spellings(hostname);
    const namesake = called.get(short, whole, except);
    return namesake ?? (short.includes('.') ? undefined : is.get(short.toUpperCase(), except));
  };
  const isFree = (hostname: string, own: Hardwarename) => {
    const [short, whole] = spellings(hostname);
    return !holderOf(hostname, own) && !written.get(short, whole, `${whole}.`);
  };
  const highest = db.prepare<[number, string, string, number], { number: number }>(
    `SELECT max(CAST(substr(hostname, ?) AS INTEGER)) AS number FROM machines
     WHERE hostname >= ? AND hostname < ? AND hostname <> '' AND substr(hostname, ?, 1) BETWEEN '0' AND '9'`,
  );

  return {
    holderOf,
    allocate(wish, own) {
      const rule = own ? { name: '', doc: own } : ruleFor(records, wish);
      const { pattern, first } = rule.doc;
      const self = (wish.hardwarename ?? '') as Hardwarename;
      const render = (number: number) => renderName(pattern, wish, number);
      if (/\{random/.test(pattern)) {
        for (let attempt = 0; attempt < RANDOM_TRIES; attempt++) {
          const hostname = checked(render(first), rule.name);
          if (isFree(hostname, self)) return { hostname, rule: rule.name };
        }
        throw new AppError('NAMES_EXHAUSTED', { detail: rule.name });
      }
      if (!/\{n/.test(pattern)) {
        const hostname = checked(render(first), rule.name);
        if (isFree(hostname, self)) return { hostname, rule: rule.name };
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
        if (isFree(hostname, self)) return { hostname, rule: rule.name };
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
