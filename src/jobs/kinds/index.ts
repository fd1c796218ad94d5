/** Every kind of job that this program has. docs/jobs.md describes them; docs/add-a-job-step.md says how to add to them. */
import { createKinds, type JobKinds } from '../definition.ts';
import { type BmcPolicy, bmcSetupJob } from './bmc-setup.ts';
import { burnIn } from './burn-in.ts';
import { install, reinstall } from './install.ts';
import { netboot, recon } from './netboot.ts';
import { identify, powerCycle, powerOffJob, powerOnJob, reset } from './power.ts';
import { type RecyclePolicy, recycleJob } from './recycle.ts';

export function jobKinds(policy: BmcPolicy, recycle: RecyclePolicy = { level: 'clear' }): JobKinds {
  return createKinds([
    ...[powerOnJob, powerOffJob, powerCycle, reset, identify],
    ...[netboot, recon, bmcSetupJob(policy), install, reinstall, recycleJob(recycle), burnIn],
  ]);
}
