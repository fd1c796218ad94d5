/**
 * Boot tokens: what a machine shows instead of an address to say which boot of which machine it is.
 *
 * A token is bound to a MAC, a boot and a purpose, and it expires. One boot has at most one token for a purpose, so an
 * offer and the acknowledgement that follows carry the same URL, also across a restart of the daemon.
 */
import type { Database } from 'better-sqlite3';
import { limit } from '../limits.ts';
import { type BootId, type BootToken, newBootToken } from '../wire/ids.ts';
import type { Mac } from '../wire/mac.ts';
import type { Clock, Millis } from '../wire/time.ts';

/** `boot` opens scripts, kernel, recon report and progress; `wait` is what a registered machine holds afterwards. */
export type TokenPurpose = 'boot' | 'wait';

export interface Token {
  readonly token: BootToken;
  readonly boot: BootId;
  readonly mac: Mac;
  readonly purpose: TokenPurpose;
  readonly expiresAt: Millis;
}

export interface Tokens {
  /** The token of this boot for this purpose, minted if there is none; its life starts anew. */
  mint(boot: BootId, mac: Mac, purpose: TokenPurpose): Token;
  /** Expired tokens are found too: the caller says "expired", not "unknown". */
  find(token: BootToken): Token | undefined;
  /** Restarts the life of a token that is in use. */
  renew(token: BootToken): void;
  /** When a machine that waits last asked by this NIC; 0 for never. */
  heardAt(mac: Mac): number;
  /** It waits no more, because it was told to leave or lost its power: for `heardAt` it has been silent for so long. */
  gone(mac: Mac, silentMs: number): void;
  /** Forgets tokens that expired before this moment. */
  forget(before: Millis): number;
}

interface TokenRow {
  token: string;
  boot: string;
  mac: string;
  purpose: string;
  expires_at: number;
}

const LIFE_MS: Record<TokenPurpose, number> = {
  boot: limit('bootTokenMs'),
  wait: limit('waitTokenMs'),
};

function fromRow(row: TokenRow): Token {
  return {
    token: row.token as BootToken,
    boot: row.boot as BootId,
    mac: row.mac as Mac,
    purpose: row.purpose as TokenPurpose,
    expiresAt: row.expires_at as Millis,
  };
}

export function openTokens(db: Database, clock: Clock): Tokens {
  const mint = db.prepare<[string, string, string, string, number], TokenRow>(
    `INSERT INTO tokens (token, boot, mac, purpose, expires_at) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (boot, purpose) DO UPDATE SET expires_at = excluded.expires_at RETURNING *`,
  );
  const find = db.prepare<[string], TokenRow>('SELECT * FROM tokens WHERE token = ?');
  const renew = db.prepare('UPDATE tokens SET expires_at = ? WHERE token = ?');
  const waiting = db.prepare<[string], { expires_at: number | null }>(
    "SELECT max(expires_at) AS expires_at FROM tokens WHERE mac = ? AND purpose = 'wait'",
  );
  const gone = db.prepare(
    "UPDATE tokens SET expires_at = min(expires_at, ?) WHERE mac = ? AND purpose = 'wait'",
  );
  const forget = db.prepare('DELETE FROM tokens WHERE expires_at < ?');

  return {
    mint(boot, mac, purpose) {
      const row = mint.get(newBootToken(), boot, mac, purpose, clock() + LIFE_MS[purpose]);
      if (!row) throw new Error('a token was neither minted nor found');
      return fromRow(row);
    },
    find(token) {
      const row = find.get(token);
      return row ? fromRow(row) : undefined;
    },
    renew(token) {
      const row = find.get(token);
      if (row) renew.run(clock() + LIFE_MS[row.purpose as TokenPurpose], token);
    },
    // Its life starts anew with each question.
    heardAt: (mac) => Math.max(0, (waiting.get(mac)?.expires_at ?? 0) - LIFE_MS.wait),
    gone: (mac, silentMs) => void gone.run(clock() + LIFE_MS.wait - silentMs, mac),
    forget: (before) => forget.run(before).changes,
  };
}
