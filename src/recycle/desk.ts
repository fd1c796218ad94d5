/**
 * What is kept of a recycle: each disk as its agent tells of it, and in the end, with the agent's last word and in the same
 * transaction, the certificate. Told twice is told once.
 */

import type { KeyObject } from 'node:crypto';
import { randomUUID } from 'node:crypto';
import type { StoredCertificate } from '../inventory/certificates.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { WorkToken } from '../inventory/work.ts';
import type { AgentResult } from '../inventory/work-report.ts';
import type { Clock } from '../wire/time.ts';
import { issue, publicPem } from './certificate.ts';
import { isMethod, METHODS } from './methods.ts';
import { parseRecycleDetail } from './plan.ts';
import { type Erased, erasedSchema } from './seen.ts';

export interface RecycleDesk {
  /** In the caller's transaction. */
  erased(token: WorkToken, disk: Erased): void;
  /** In the transaction of the agent's last word. */
  concluded(token: WorkToken, result: AgentResult): StoredCertificate;
  /** PEM, for whoever checks certificates. */
  readonly publicKey: string;
}

export interface RecycleDeskParts {
  readonly inventory: Pick<Inventory, 'certificates' | 'events' | 'machines'>;
  readonly clock: Clock;
  readonly key: KeyObject;
  readonly site: string;
}

export function openRecycleDesk({ inventory, clock, key, site }: RecycleDeskParts): RecycleDesk {
  const { certificates, events, machines } = inventory;
  return {
    publicKey: publicPem(key),
    erased({ order, boot, mac }, disk) {
      const { job, round, hardwarename } = order;
      const { name, serial, method, ok, detail, seconds } = disk;
      if (!certificates.addErased({ job, round, name, serial, doc: disk })) return;
      const level = isMethod(method) ? METHODS[method].level : '';
      const data = { job, disk: name, serial, method, level, ok, detail, seconds };
      events.append({ name: 'disk.erased', boot, mac, hardwarename, data });
    },
    concluded({ order, boot, mac }, result) {
      const { job, round, hardwarename } = order;
      const before = certificates.ofRound(job, round);
      if (before) return before;
      const detail = parseRecycleDetail(order.detail);
      const machine = machines.byHardwarename(hardwarename);
      const disks = certificates.erased(job, round).map(({ doc, at }) => ({
        ...erasedSchema.parse(doc),
        finishedAt: at,
      }));
      const id = randomUUID();
      const made = issue(
        {
          ...{ id, job, hardwarename, issuedAt: clock(), disks },
          manufacturer: machine?.manufacturer ?? '',
          product: machine?.product ?? '',
          serial: machine?.serial ?? '',
          site: machine?.site || site,
          requester: detail.requester ?? '',
          level: detail.level,
          expected: detail.expected,
          failure: result.ok ? '' : (result.detail ?? '').slice(0, 1000) || 'the agent has failed',
        },
        key,
      );
      const { text, signature, level } = made;
      const stored = certificates.add({
        ...{ id, job, round, hardwarename, result: made.result, level },
        ...{ disks: disks.length, text, signature },
      });
      const data = { certificate: id, job, result: made.result, level, disks: disks.length };
      events.append({ name: 'certificate.issued', boot, mac, hardwarename, data });
      return stored;
    },
  };
}
