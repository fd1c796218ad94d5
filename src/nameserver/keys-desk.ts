/** What people ask of the keys of signed zones, and the two things that they do: begin a rollover, confirm a parent's DS. */
import type { KeyRole } from '../dns/dnssec.ts';
import { type DnsName, parseName } from '../dns/name.ts';
import { AppError } from '../errors.ts';
import type { Signing } from './dnssec.ts';
import type { ShownDs, ShownKey } from './keyring.ts';

export interface KeysDesk {
  /** @throws AppError NOT_FOUND where nothing is signed */
  keys(): ShownKey[];
  /** DS records for the parent of a zone. @throws AppError NOT_FOUND */
  ds(zone: string): ShownDs[];
  /** @throws AppError DNS_REFUSED while one is under way */
  rollKey(role: KeyRole, who: string): void;
  /** The parent has the new DS. @throws AppError DNS_REFUSED when no rollover waits for it */
  confirmDs(who: string): void;
}

export function createKeysDesk(signing: Signing | undefined): KeysDesk {
  const ours = (): Signing => {
    if (signing) return signing;
    throw new AppError('NOT_FOUND', { detail: 'Zones are not signed (dns.dnssec.enabled).' });
  };
  return {
    keys: () => ours().keyring.shown(),
    ds(text) {
      const { keyring } = ours();
      const zone = parseName(`${text.replace(/\.$/, '')}.`);
      if (zone !== undefined && keyring.signed(zone) && ours().serves(zone as DnsName)) {
        return keyring.ds(zone);
      }
      throw new AppError('NOT_FOUND', { detail: `No signed zone ${text.slice(0, 253)}.` });
    },
    rollKey(role, who) {
      ours().keyring.roll(role, who);
      ours().advance();
    },
    confirmDs(who) {
      ours().keyring.confirm(who);
      ours().advance();
    },
  };
}
