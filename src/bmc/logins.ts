/**
 * Which logins are tried on a BMC, and in what order: the one that opened it last, the machine's own, then the site's list.
 *
 * A login that a BMC refused is not offered to it again for a while, because BMCs lock accounts; a credential that was
 * changed since is another one. Names only: the secret is opened at the moment of use and kept nowhere.
 */
import type { AppError } from '../errors.ts';
import { limit } from '../limits.ts';

/** "Not with this login", in contrast to everything that says nothing about it. */
const REFUSALS: readonly string[] = ['BMC_USER', 'BMC_PASSWORD', 'BMC_PRIVILEGE'];

/** Of an error, or of what was noted of one. */
export function isRefusal(error: Pick<AppError, 'code'> | { readonly code: string }): boolean {
  return REFUSALS.includes(error.code);
}

export function loginOrder(names: {
  readonly last: string;
  readonly own: string;
  readonly site: readonly string[];
}): string[] {
  const { last, own, site } = names;
  const known = new Set([own, ...site]);
  // What opened it once and has left the lists is somebody's decision.
  const order = [known.has(last) ? last : '', own, ...site];
  return [...new Set(order)].filter((name) => name !== '');
}

export interface Refusals {
  /** The code of the refusal, while it counts. */
  of(bmc: string, credential: string, version: number): string | undefined;
  add(bmc: string, credential: string, refusal: { version: number; code: string }): void;
  /** Its accounts have changed. */
  forget(bmc: string): void;
}

interface Refusal {
  readonly version: number;
  readonly code: string;
  readonly untilMs: number;
}

export function createRefusals(nowMs: () => number): Refusals {
  const byBmc = new Map<string, Map<string, Refusal>>();
  return {
    of(bmc, credential, version) {
      const found = byBmc.get(bmc)?.get(credential);
      return found && found.version === version && found.untilMs > nowMs() ? found.code : undefined;
    },
    add(bmc, credential, { version, code }) {
      const known = byBmc.get(bmc) ?? new Map<string, Refusal>();
      byBmc.delete(bmc);
      byBmc.set(bmc, known);
      known.set(credential, { version, code, untilMs: nowMs() + limit('bmcRefusedMs') });
      for (const oldest of byBmc.keys()) {
        if (byBmc.size <= limit('bmcRefusedMax')) break;
        byBmc.delete(oldest);
      }
    },
    forget: (bmc) => void byBmc.delete(bmc),
  };
}
