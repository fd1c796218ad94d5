/** BMCs as a service, put together: one UDP socket for IPMI, HTTPS for Redfish, the one way to both, and discovery. */
import { Gauge, type Registry } from 'prom-client';
import { type BmcAccess, createBmcAccess } from '../bmc/access.ts';
import { type ClaimDesk, createClaimDesk } from '../bmc/claims.ts';
import type { SecureHttp } from '../bmc/dial.ts';
import { createDiscovery } from '../bmc/discovery.ts';
import { type BmcRegistry, createBmcRegistry } from '../bmc/registry.ts';
import type { Config } from '../config.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { JobDesk } from '../jobs/desk.ts';
import { limit } from '../limits.ts';
import { createBmcHttps, readBmcCertificate } from '../platform/bmc-https.ts';
import { type BmcPorts, openBmcPorts } from '../platform/bmc-udp.ts';
import type { Log } from '../platform/log.ts';
import type { Clock } from '../wire/time.ts';

export interface BmcServiceParts {
  readonly inventory: Inventory;
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: { readonly registry: Registry };
  readonly closers: (() => unknown)[];
}

export interface BmcService {
  readonly access: BmcAccess;
  readonly registry: BmcRegistry;
  readonly claims: ClaimDesk;
  /** The socket that all IPMI sessions share. */
  readonly ports: BmcPorts;
}

export async function openBmcService(parts: BmcServiceParts): Promise<BmcService> {
  const { inventory, config, clock, closers } = parts;
  const { serverdb, events, machines, soon, transaction } = inventory;
  const { credential, factory } = config.jobs.bmcSetup;
  const ports = await openBmcPorts();
  closers.push(() => ports.close());
  const access = createBmcAccess({
    ...{ ...serverdb, ports, clock, soon, transaction },
    siteCredentials: credential === '' ? [] : [credential],
    factoryCredentials: factory,
    secure: secureHttp,
  });
  closers.push(() => access.close());
  registerMetrics(parts, access);
  const stores = { ...serverdb, events, machines, clock };
  const outOfBand = config.dhcp.segments.filter(({ kind }) => kind === 'out-of-band');
  const networks = [...outOfBand.map(({ cidr }) => cidr), ...config.bmc.networks];
  return {
    ...{ access, ports, registry: createBmcRegistry(stores) },
    claims: createClaimDesk(stores, networks),
  };
}

function registerMetrics({ metrics, inventory }: BmcServiceParts, access: BmcAccess): void {
  const registers = [metrics.registry];
  new Gauge({
    name: 'reveille_bmc_sessions',
    help: 'Sessions with BMCs: in use, and kept open for the next caller',
    labelNames: ['state'],
    registers,
    collect() {
      const { used, kept } = access.sessions();
      this.set({ state: 'used' }, used);
      this.set({ state: 'kept' }, kept);
    },
  });
  new Gauge({
    name: 'reveille_bmcs',
    help: 'BMCs that were seen, and whether their machine is known',
    labelNames: ['matched'],
    registers,
    collect() {
      const { matched, unmatched } = inventory.serverdb.bmcs.counts();
      this.set({ matched: 'yes' }, matched);
      this.set({ matched: 'no' }, unmatched);
    },
  });
}

const timeoutMs = limit('bmcHttpsMs');

const secureHttp: SecureHttp = {
  certificateOf: (at) => readBmcCertificate({ ...at, timeoutMs }),
  connect: (at) => createBmcHttps({ ...at, timeoutMs, bodyBytesMax: limit('bmcHttpsBytesMax') }),
};

/** Finds out whose BMCs are seen; `desk` is asked for the job that sets one up. */
export function startDiscovery(
  { inventory, config, clock, log, closers }: BmcServiceParts,
  { access, registry, claims, desk }: BmcService & { readonly desk: JobDesk },
): void {
  const { serverdb, events, machines, transaction } = inventory;
  const { credential } = config.jobs.bmcSetup;
  const discovery = createDiscovery({
    ...{ ...serverdb, registry, claims, access, events, machines, transaction, clock },
    settings: config.bmc,
    setUp({ hardwarename, bmcCredential }) {
      if (credential === '' || bmcCredential === credential) return;
      desk.create({ action: 'bmc-setup', target: hardwarename, requester: 'discovery' });
    },
    after(ms, callback) {
      const timer = setTimeout(callback, ms);
      return () => clearTimeout(timer);
    },
    onError: (err, bmc) => log.error({ err, bmc }, 'a BMC could not be looked at'),
  });
  discovery.start();
  closers.push(() => discovery.stop());
}
