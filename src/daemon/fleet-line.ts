/**
 * How the line to central stands, for the people of this site: an appliance works on without central, so nothing else here would tell
 * them that the fleet has not heard of it for days, or that it is shut out.
 */
import { X509Certificate } from 'node:crypto';
import { Gauge, type Registry } from 'prom-client';
import type { FromCentral } from '../federation/protocol.ts';
import type { FleetLine } from '../http/people/context.ts';
import type { Clock } from '../wire/time.ts';
import type { Membership } from './membership.ts';

export interface LineWatch {
  /** A new line is dialled, with this key and certificate. */
  dialled(identity: string): void;
  heard(message: FromCentral): void;
  /** A sign of life. */
  touched(): void;
  closed(why: string): void;
  refused(code: string, why: string): void;
  status(): FleetLine;
}

/** @param lastId of the newest event here */
export function watchLine(
  { site, url }: Pick<Membership, 'site' | 'url'>,
  { clock, lastId }: { readonly clock: Clock; readonly lastId: () => number },
): LineWatch {
  let now: Pick<FleetLine, 'line' | 'code' | 'why'> = {
    ...{ line: 'closed', code: '', why: 'not open yet since the start' },
  };
  let since: number = clock();
  let heardAt = 0;
  let kept: number | null = null;
  let certificateEndsAt = 0;
  const turn = (next: typeof now): void => {
    if (next.line !== now.line || next.code !== now.code) since = clock();
    now = next;
  };
  return {
    dialled(identity) {
      certificateEndsAt = Date.parse(new X509Certificate(identity).validTo);
    },
    heard(message) {
      heardAt = clock();
      if (message.kind === 'welcome') turn({ line: 'open', code: '', why: '' });
      if (message.kind === 'welcome' || message.kind === 'ack') kept = message.cursor;
    },
    touched() {
      heardAt = clock();
    },
    closed(why) {
      // What a refusal has said is known better than that the line was closed with it.
      if (now.line !== 'refused') turn({ line: 'closed', code: '', why });
    },
    refused: (code, why) => turn({ line: 'refused', code, why }),
    status: () => ({
      ...{ ...now, site, central: url, since, heardAt, certificateEndsAt },
      behind: kept === null ? null : Math.max(0, lastId() - kept),
    }),
  };
}

/** Of an appliance that has joined a fleet. */
export function addLineMetrics(registry: Registry, status: () => FleetLine): void {
  const gauge = (name: string, help: string, of: (now: FleetLine) => number) =>
    new Gauge({
      ...{ name: `reveille_federation_${name}`, help, registers: [registry] },
      collect() {
        this.set(of(status()));
      },
    });
  gauge('connected', 'Whether the line to central is open', ({ line }) => Number(line === 'open'));
  gauge('refused', 'Whether central shuts this appliance out', ({ line }) =>
    Number(line === 'refused'),
  );
  gauge(
    'behind_events',
    'Events that central has not said to have kept; -1: not known since the start',
    ({ behind }) => behind ?? -1,
  );
  gauge(
    'heard_timestamp_seconds',
    'When central was last heard; 0: not since the start',
    ({ heardAt }) => heardAt / 1000,
  );
  gauge(
    'certificate_end_timestamp_seconds',
    'When the certificate for central ends; it is renewed each month while the line is open',
    ({ certificateEndsAt }) => certificateEndsAt / 1000,
  );
}
