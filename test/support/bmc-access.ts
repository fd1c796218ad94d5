/** The one way to BMCs over an inventory in memory: beside a simulated BMC without sockets, or whatever ports are handed in. */
import {
  type BmcAccessParts,
  type BmcTarget,
  createBmcAccess,
  targetOf,
} from '../../src/bmc/access.ts';
import { type ClaimDesk, createClaimDesk } from '../../src/bmc/claims.ts';
import { type BmcRegistry, createBmcRegistry } from '../../src/bmc/registry.ts';
import { bmcProfileSchema } from '../../src/inventory/record-kinds.ts';
import type { IpmiPorts } from '../../src/ipmi/ports.ts';
import type { Hardwarename } from '../../src/wire/ids.ts';
import { createWorld, type World } from './world.ts';

export interface AccessWorld {
  readonly world: World;
  readonly access: ReturnType<typeof createBmcAccess>;
  readonly registry: BmcRegistry;
  readonly claims: ClaimDesk;
  /** A stored credential, made or changed. */
  credential(name: string, username: string, password: string): void;
  /** A machine with a BMC at this address. */
  machine(serial: string, fields?: Record<string, unknown>): BmcTarget;
  profile(name: string, doc: Record<string, unknown>): void;
}

const CAUSE = { who: 'test', why: 'test' };

export function createAccessWorld(
  ports: IpmiPorts,
  options: Partial<BmcAccessParts> = {},
): AccessWorld {
  const world = createWorld();
  const { inventory, clock } = world;
  const { serverdb, transaction, machines } = inventory;
  const access = createBmcAccess({
    ...{ ...serverdb, ports, clock, soon: inventory.soon, siteCredentials: ['site'] },
    transaction,
    ...options,
  });
  const { events } = inventory;
  return {
    world,
    access,
    registry: createBmcRegistry({ ...serverdb, events, machines, clock }),
    claims: createClaimDesk({ ...serverdb, events, machines, clock }, []),
    credential(name, username, password) {
      const entry = { name, squad: '', username, notes: '', password };
      transaction(() => serverdb.credentials.put(entry, CAUSE));
    },
    machine(serial, fields = {}) {
      const entry = {
        ...{ serial, manufacturer: 'LabCorp', product: 'X', state: 'held', nics: [] },
        ...{ bmcAddress: '127.0.0.1', ...fields },
      };
      transaction(() => serverdb.editor.enter(entry as never, CAUSE));
      const record = machines.record(serial as Hardwarename);
      if (!record) throw new Error(`${serial} was not entered`);
      return targetOf(record);
    },
    profile(name, doc) {
      transaction(() => serverdb.records.put('bmc', { name, doc: bmcDoc(doc) }, CAUSE));
    },
  };
}

function bmcDoc(doc: Record<string, unknown>) {
  return bmcProfileSchema.parse(doc);
}
