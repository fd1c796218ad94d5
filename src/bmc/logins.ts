/**
 * Which logins are tried on a BMC, in what order, and which are not.
 *
 * A BMC that is known gets the login that opened it last, the machine's own, the site's, then those of factories. A stranger
 * gets what opened it before, then those of factories: whoever pretends to be a new BMC learns nothing from a login that is in
 * every manual. The site's comes last, and only where showing it tells the stranger nothing (`dial.ts`).
 *
 * A login that a BMC refused is not offered to it again, because BMCs lock accounts: until the credential changes, the BMC's
 * accounts do, or a person asks. All together, a BMC gets so many refused logins an hour and no more. Both are noted on disk
 * before the next login is tried. Names only: the secret is opened at the moment of use and kept nowhere.
 */
import type { AppError } from '../errors.ts';
import type { BmcStore } from '../inventory/bmcs.ts';
import { limit } from '../limits.ts';

/** "Not with this login", in contrast to everything that says nothing about it. */
const REFUSALS: readonly string[] = ['BMC_USER', 'BMC_PASSWORD', 'BMC_PRIVILEGE'];
/** What a BMC counts before it locks an account. */
const COUNTED: readonly string[] = ['BMC_USER', 'BMC_PASSWORD'];
const HOUR_MS = 3_600_000;

/** Of an error, or of what was noted of one. */
export function isRefusal(error: Pick<AppError, 'code'> | { readonly code: string }): boolean {
  return REFUSALS.includes(error.code);
}

export function loginOrder(names: {
  /** No machine on record is known to have it. */
  readonly stranger: boolean;
  readonly last: string;
  readonly own: string;
  readonly site: readonly string[];
  readonly factory: readonly string[];
}): string[] {
  const { stranger, last, own, site, factory } = names;
  const known = new Set([own, ...site, ...factory]);
  // What opened it once and has left the lists is somebody's decision.
  const first = known.has(last) ? last : '';
  const order = stranger ? [first, ...factory, own, ...site] : [first, own, ...site, ...factory];
  return [...new Set(order)].filter((name) => name !== '');
}

export interface Attempted {
  readonly name: string;
  /** Of the credential. */
  readonly version: number;
  readonly privilege: string;
}

export interface Refusals {
  /** The code of the refusal, while it counts. */
  of(bmc: string, attempted: Attempted): string | undefined;
  /** It has refused as many within the hour as it may be asked to. */
  spent(bmc: string): boolean;
  /** Is on disk when it returns. */
  add(
    bmc: { readonly id: string; readonly address: string },
    attempted: Attempted,
    code: string,
  ): void;
  /** Its accounts have changed. */
  forget(bmc: string): void;
}

export function createRefusals(parts: {
  readonly bmcs: BmcStore;
  clock(): number;
  /** Runs a change and returns when it is committed. */
  commit(change: () => void): void;
}): Refusals {
  const { bmcs, clock, commit } = parts;
  const lately = (bmc: string): number[] =>
    (bmcs.get(bmc)?.refusedAt ?? []).filter((at) => clock() - at < HOUR_MS);
  return {
    of(bmc, { name, version, privilege }) {
      const found = bmcs.get(bmc)?.refused[name];
      if (found?.version !== version) return undefined;
      // Refused as administrator says nothing of an operator.
      const asMuch = found.code !== 'BMC_PRIVILEGE' || found.privilege === privilege;
      return asMuch || privilege === 'administrator' ? found.code : undefined;
    },
    spent: (bmc) => lately(bmc).length >= limit('bmcRefusalsMax'),
    add({ id, address }, { name, version, privilege }, code) {
      const at = clock();
      commit(() => {
        const known = bmcs.get(id);
        bmcs.write(id, {
          ...(known ? {} : { address }),
          refused: { ...known?.refused, [name]: { version, code, privilege, at } },
          refusedAt: COUNTED.includes(code) ? [...lately(id), at] : lately(id),
        });
      });
    },
    forget(bmc) {
      if (Object.keys(bmcs.get(bmc)?.refused ?? {}).length === 0) return;
      commit(() => bmcs.write(bmc, { refused: {} }));
    },
  };
}
