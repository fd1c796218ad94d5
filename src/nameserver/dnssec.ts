/**
 * DNSSEC beside the name server: keys that take their steps in time, and signed copies for secondaries.
 *
 * Nobody waits for it: keys are handed to the threads, the image is patched, and secondaries are told once their copy is
 * ready. Copies are made only where somebody may transfer. They live in memory, so after a start serials move once: what
 * secondaries hold has signatures of before, and must not be mixed with ours.
 */
import { type DnsName, formatName, parseName } from '../dns/name.ts';
import type { ZoneSteps } from '../dns/ports.ts';
import { type ZoneDiff, zoneRecords } from '../dns/zones.ts';
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import type { Log } from '../platform/log.ts';
import type { Keeper } from './keeper.ts';
import { Keyring, type KeyringOptions } from './keyring.ts';
import { openSignedCopies, type SignedCopies } from './signed-copies.ts';
import type { Transfer } from './slow-path.ts';

export interface DnssecOptions extends Omit<KeyringOptions, 'nowSeconds'> {
  /** How often secondaries get new signatures. */
  readonly renewSeconds: number;
}

export interface Signing {
  readonly keyring: Keyring;
  readonly copies: SignedCopies;
  /** Takes due steps, and hands on what they changed. */
  advance(): void;
  followed(diffs: readonly ZoneDiff[], renewed: boolean): void;
  transferable(zone: DnsName): Transfer | 'later' | undefined;
  serves(zone: DnsName): boolean;
  /** A zone with signatures, as records. @throws AppError NOT_FOUND */
  signedZone(zone: DnsName): Promise<Transfer['zone']>;
  start(): void;
  close(): Promise<void>;
}

export interface SigningParts {
  readonly log: Log;
  /** Whether anybody may transfer zones. */
  readonly transfers: boolean;
  keeper(): Keeper;
  nowSeconds(): number;
  onKeys(keyring: Keyring): void;
  onCopy(zone: DnsName): void;
}

export function openSigning(options: DnssecOptions, parts: SigningParts): Signing {
  const { log, nowSeconds, transfers } = parts;
  const keyring = new Keyring({ ...options, nowSeconds });
  const copies = openSignedCopies({
    ...{ signing: keyring, log, nowSeconds, onReady: parts.onCopy },
    keys: () => keyring.keys(),
    zones: () => parts.keeper().shown(),
  });
  let timer: NodeJS.Timeout | undefined;
  let renewedAt = nowSeconds();
  const renew = (why: string): void => {
    renewedAt = nowSeconds();
    parts.keeper().renew(why);
  };
  const advance = (): void => {
    try {
      const why = keyring.advance();
      if (why === undefined) {
        const due = nowSeconds() - renewedAt >= options.renewSeconds;
        if (transfers && due) renew('signatures renewed');
        return;
      }
      log.info({ why }, 'the keys of signed zones changed');
      parts.onKeys(keyring);
      renew(why);
    } catch (err) {
      log.error({ err }, 'the keys of signed zones could not take a step');
    }
  };
  return {
    keyring,
    copies,
    advance,
    followed(diffs, renewed) {
      if (transfers) copies.follow(diffs, renewed);
    },
    transferable(zone) {
      if (!parts.keeper().zones().has(zone)) return undefined;
      const copy = copies.of(zone);
      return copy ? { zone: copy, steps: (from) => copies.steps(zone, from) } : 'later';
    },
    serves: (zone) => parts.keeper().zones().has(zone),
    async signedZone(zone) {
      if (!transfers || !copies.of(zone)) {
        copies.follow([{ zone, from: 0, to: 0, removed: [], added: [] }], true);
      }
      await copies.settled();
      const copy = copies.of(zone);
      if (!copy) throw new AppError('NOT_FOUND', { detail: `${formatName(zone)} is not signed.` });
      return copy;
    },
    start() {
      if (transfers) renew('signatures are made anew at a start');
      timer = setInterval(advance, limit('dnsKeyTickMs'));
      timer.unref();
    },
    async close() {
      clearInterval(timer);
      await copies.close();
    },
  };
}

/** What is transferred of a zone that is not signed. */
export function plainTransfer(
  keeper: Keeper,
  name: DnsName,
  chain: (zone: DnsName, from: number, to: number) => ZoneSteps | undefined,
): Transfer | undefined {
  const zone = keeper.zones().get(name);
  if (!zone) return undefined;
  return {
    zone: { ...zone, all: () => zoneRecords(zone) },
    steps: (from) => chain(name, from, zone.serial),
  };
}

/** @throws AppError CONFIG_INVALID */
export function zoneNames(texts: readonly string[], domain: DnsName): ReadonlySet<DnsName> {
  return new Set(
    texts.map((text) => {
      const name = parseName(text, domain);
      if (name !== undefined) return name;
      throw new AppError('CONFIG_INVALID', { detail: `dns.dnssec: '${text}' is no name` });
    }),
  );
}
