/** Every scenario, in the order in which `npm run lab -- scenarios` lists them. */
import type { Scenario } from '../scenario.ts';
import { architectures } from './architectures.ts';
import { BOOTS } from './boots.ts';
import { burnIn } from './burn-in.ts';
import { clients } from './clients.ts';
import { failures } from './failures.ts';
import { federation } from './federation.ts';
import { federationFaults } from './federation-faults.ts';
import { https } from './https.ts';
import { ingest } from './ingest.ts';
import { ingestHostile } from './ingest-hostile.ts';
import { ingestKilled } from './ingest-killed.ts';
import { install } from './install.ts';
import { installer } from './installer.ts';
import { layouts } from './layouts.ts';
import { override } from './override.ts';
import { pool } from './pool.ts';
import { power } from './power.ts';
import { proxy } from './proxy.ts';
import { quirk } from './quirk.ts';
import { recycle } from './recycle.ts';
import { replace } from './replace.ts';
import { secureBoot } from './secure-boot.ts';
import { secureBootInstall } from './secure-boot-install.ts';
import { standby, standbyKilled } from './standby.ts';
import { vlans } from './vlans.ts';
import { wake } from './wake.ts';

export const SCENARIOS: readonly Scenario[] = [
  ingest,
  ingestHostile,
  ingestKilled,
  clients,
  ...BOOTS,
  proxy,
  power,
  install,
  failures,
  quirk,
  override,
  wake,
  recycle,
  replace,
  pool,
  layouts,
  installer,
  burnIn,
  https,
  architectures,
  vlans,
  secureBoot,
  secureBootInstall,
  federation,
  federationFaults,
  standbyKilled,
  standby,
];
