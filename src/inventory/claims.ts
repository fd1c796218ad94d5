/**
 * What a report claims that another machine has. Pure.
 *
 * A recon report is a machine's own word, and any machine can say anything. A part of a machine that is still in the intake may
 * move to the one that reports it: parts are swapped there. From a machine that keeps its parts (states.ts) nothing moves:
 * not a NIC, and no address that is reserved for it. The one who claims one is held, both records name each other, and a
 * person settles it. Where a BMC is, no report decides: a claim of one is proven first (src/bmc/claims.ts); but who claims the
 * MAC of such a machine's BMC is held all the same.
 */
import type { Hardwarename } from '../wire/ids.ts';
import type { Mac } from '../wire/mac.ts';
import type { Holder, Ownership } from './ownership.ts';
import { macsOf, type ReconReport } from './report.ts';

export interface Contest {
  readonly owner: Hardwarename;
  /** One sentence for both records. */
  readonly why: string;
  /** The MAC that it is about. */
  readonly key: string;
}

export interface Claims {
  readonly contests: readonly Contest[];
  /** NICs of the report that stay with who has them. */
  readonly refused: ReadonlySet<Mac>;
}

export function claimsOf(
  report: ReconReport,
  claimant: Hardwarename,
  { ofMac }: Pick<Ownership, 'ofMac'>,
): Claims {
  const refused = new Set<Mac>();
  const contests: Contest[] = [];
  const contest = (what: string, key: string, { hardwarename: owner, as, state }: Holder) =>
    contests.push({
      owner,
      key,
      why: `${what} ${key} is the ${as} of ${owner}, which is ${state}`,
    });
  for (const mac of macsOf(report)) {
    const holder = ofMac(mac, claimant);
    // A NIC that is another's BMC is no part that was swapped, whatever state that machine is in.
    if (!holder || !(holder.keeps || holder.as === 'BMC')) continue;
    refused.add(mac);
    contest('its NIC', mac, holder);
  }
  const mac = report.bmc?.mac;
  const holder = mac && ofMac(mac, claimant);
  if (mac && holder && (holder.keeps || holder.as === 'NIC')) contest('its BMC', mac, holder);
  return { contests, refused };
}
