/** BMCs as a service, put together: one UDP socket for IPMI, HTTPS for Redfish, and the one way to both. */
import { type BmcAccess, createBmcAccess } from '../bmc/access.ts';
import type { SecureHttp } from '../bmc/dial.ts';
import type { Config } from '../config.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { limit } from '../limits.ts';
import { createBmcHttps, readBmcCertificate } from '../platform/bmc-https.ts';
import { openBmcPorts } from '../platform/bmc-udp.ts';
import type { Clock } from '../wire/time.ts';

export interface BmcServiceParts {
  readonly inventory: Inventory;
  readonly config: Config;
  readonly clock: Clock;
  readonly closers: (() => unknown)[];
}

export interface BmcService {
  readonly access: BmcAccess;
}

export async function openBmcService(parts: BmcServiceParts): Promise<BmcService> {
  const { inventory, config, clock, closers } = parts;
  const { credential, factory } = config.jobs.bmcSetup;
  const ports = await openBmcPorts();
  closers.push(() => ports.close());
  const access = createBmcAccess({
    ...{ ...inventory.serverdb, ports, clock, soon: inventory.soon },
    siteCredentials: [credential, ...factory].filter((name) => name !== ''),
    secure: secureHttp,
  });
  closers.push(() => access.close());
  return { access };
}

const timeoutMs = limit('bmcHttpsMs');

const secureHttp: SecureHttp = {
  certificateOf: (at) => readBmcCertificate({ ...at, timeoutMs }),
  connect: (at) => createBmcHttps({ ...at, timeoutMs, bodyBytesMax: limit('bmcHttpsBytesMax') }),
};
