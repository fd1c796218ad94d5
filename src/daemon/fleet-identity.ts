/** The appliance's key and certificate for central, written to its folder, and renewed while a line is open. */
import { X509Certificate } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { limit } from '../limits.ts';
import type { Log } from '../platform/log.ts';
import type { Clock } from '../wire/time.ts';
import { FLEET_FILES as FILES } from './membership.ts';

/** Whole or not at all, for good once it returns, and readable by us alone. */
export function writeFleetFile(folder: string, name: string, text: string): void {
  const file = join(folder, name);
  writeFileSync(`${file}.new`, text, { mode: 0o600, flush: true });
  renameSync(`${file}.new`, file);
  const fd = openSync(folder, 'r');
  fsyncSync(fd);
  closeSync(fd);
}

export interface RenewalParts {
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** A new certificate for a new key, asked for once on a line. */
export function createRenewal(
  { folder, clock, log }: RenewalParts,
  identity: string,
  onRenewed: () => void,
) {
  const dueAt = Date.parse(new X509Certificate(identity).validFrom) + limit('applianceRenewMs');
  let nextKey: string | undefined;
  let isAsked = false;
  return {
    begin(ask: (request: string) => void): void {
      if (isAsked || clock() < dueAt) return;
      isAsked = true;
      import('../federation/certificates.ts')
        .then(({ makeRequest }) => makeRequest('appliance'))
        .then(({ key, request }) => {
          nextKey = key;
          ask(request);
        })
        .catch((err) => log.error({ err }, 'the certificate for central could not be renewed'));
    },
    finish(certificate: string): void {
      if (nextKey === undefined) return;
      writeFleetFile(folder, FILES.identity, nextKey + certificate);
      nextKey = undefined;
      log.info('the certificate for central has been renewed');
      onRenewed();
    },
  };
}
