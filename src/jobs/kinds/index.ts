/** Every kind of job that this program has. docs/jobs.md describes them; docs/add-a-job-step.md says how to add to them. */
import { createKinds, type JobKinds } from '../definition.ts';
import { type BmcPolicy, bmcSetupJob } from './bmc-setup.ts';
import { burnIn } from './burn-in.ts';
import { type InstallPolicy, installJob, reinstallJob } from './install.ts';
import { netboot, recon } from './netboot.ts';
import { identify, powerCycle, powerOffJob, powerOnJob, reset } from './power.ts';
import { recycleJob } from './recycle.ts';
import type { RecyclePolicy } from './recycle-params.ts';

/** What the site's configuration says about jobs that leave room for it. */
export interface KindPolicies {
  readonly bmcSetup: BmcPolicy;
  readonly recycle?: RecyclePolicy;
  readonly install?: InstallPolicy;
}

const RECYCLE: RecyclePolicy = { level: 'clear' };
const INSTALL: InstallPolicy = { bmcPatienceMs: 300_000 };

export function jobKinds({
  bmcSetup,
  recycle = RECYCLE,
  install = INSTALL,
}: KindPolicies): JobKinds {
  // A job that was begun before the key was turned ends as what it was.
  const policy = { ...recycle, site: bmcSetup.site };
  const other = recycleJob({ ...policy, burnIn: recycle.burnIn !== true });
  return createKinds(
    [
      ...[powerOnJob, powerOffJob, powerCycle, reset, identify],
      ...[netboot, recon, bmcSetupJob(bmcSetup), burnIn],
      ...[installJob(install), reinstallJob(install), recycleJob(policy)],
    ],
    [other],
  );
}
