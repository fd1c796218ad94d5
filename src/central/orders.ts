/** What orders for machines have in common: who asks, who may, and what is shown of one that is not answered yet. */
import type { FastifyRequest } from 'fastify';
import { AppError } from '../errors.ts';
import { needEdit, needMove } from '../http/people/access-rules.ts';
import type { MachineChanges, MachineRecord } from '../inventory/machine-fields.ts';
import { text } from '../inventory/record-kinds.ts';
import { needsRelease } from '../inventory/states.ts';
import { asPrincipal, type FleetPrincipal, principalOf } from './access.ts';
import type { Asker, Told } from './asking.ts';
import type { FleetMachine } from './fleet-view.ts';

/** It stands in the site's history. */
export const why = text.min(1);

/** What is shown of an order that its site has not answered. */
export const askedOf = ({ id, site, status }: Told) => ({ id, site, status });

/** As the rules look at it: what a site has told is a machine's record. */
export const recordOf = (machine: FleetMachine): MachineRecord =>
  machine as unknown as MachineRecord;

/** By what it is decided who may: its site compares it with what the machine is then. */
export const seenOf = (machine: FleetMachine) => {
  const { squad = '', state } = recordOf(machine);
  return { seen: { squad, inUse: needsRelease(state) } };
};

export const askerOf = (request: FastifyRequest): Asker => {
  const key = request.headers['idempotency-key'];
  if (key !== undefined && (typeof key !== 'string' || !/^[\x21-\x7e]{1,128}$/.test(key)))
    throw new AppError('REQUEST_INVALID', { detail: 'An Idempotency-Key is 1 to 128 characters.' });
  return { who: principalOf(request).who, key };
};

/** @throws AppError FORBIDDEN */
export function needFleetEdit(
  principal: FleetPrincipal,
  machine: FleetMachine,
  changes: MachineChanges,
): void {
  const { squad = '' } = changes;
  const record = recordOf(machine);
  needEdit(asPrincipal(principal, record.squad, squad), record, changes);
}

/** @throws AppError FORBIDDEN */
export function needFleetMove(
  principal: FleetPrincipal,
  machine: FleetMachine,
  to: MachineRecord['state'],
): void {
  const record = recordOf(machine);
  needMove(asPrincipal(principal, record.squad), record, to);
}
