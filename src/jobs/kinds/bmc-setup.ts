/**
 * Makes a new BMC the site's own: finds a login that opens it, makes the site's account, proves that account, and only then
 * closes the factory's.
 *
 * Logins are names of stored credentials, tried in the order of the policy and each at most once: BMCs lock an account after
 * a few wrong passwords. The site account is given anew on each run, so a run that was cut off is simply repeated. What is
 * noted, logged or kept is which credential, never what is in it.
 */
import { z } from 'zod';
import { AppError } from '../../errors.ts';
import { MACHINE_STATES } from '../../inventory/states.ts';
import type { RestoreWish } from '../../ipmi/bmc.ts';
import {
  defineJob,
  type JobDefinition,
  type JobParams,
  type Output,
  type StepContext,
  step,
} from '../definition.ts';
import { ATTEMPT_MS, BMC_WITHIN_MS } from './steps.ts';

export interface BmcPolicy {
  /** The credential that every BMC of the site is to have; '' for no policy. */
  readonly site: string;
  /** Credentials that a new BMC may have, in order. */
  readonly factory: readonly string[];
  /** Whether the account that was the way in is disabled afterwards. */
  readonly disableFactory: boolean;
  readonly restorePolicy: 'keep' | RestoreWish;
  readonly setClock: boolean;
  readonly useDhcp: boolean;
}

/** Nothing is asked of a BMC. */
export const NO_BMC_POLICY: BmcPolicy = {
  ...{ site: '', factory: [], disableFactory: false },
  ...{ restorePolicy: 'keep', setClock: false, useDhcp: false },
};

const WRONG_LOGIN = ['BMC_USER', 'BMC_PASSWORD', 'BMC_PRIVILEGE'];

export function bmcSetupJob(policy: BmcPolicy): JobDefinition {
  const times = { timeoutMs: ATTEMPT_MS, withinMs: BMC_WITHIN_MS };
  return defineJob<JobParams>('bmc-setup', 1, {
    says: "Makes the site's account on the BMC, proves it, disables the factory's, and sets it as policy says.",
    params: z.strictObject({}),
    allowedFrom: MACHINE_STATES,
    interrupts: false,
    destructive: false,
    steps: [
      step('way-in', { ...times, run: (context) => findWayIn(policy, context) }),
      step('site-account', { ...times, run: (context) => makeAccount(policy, context) }),
      step('prove', { ...times, run: (context) => prove(policy, context) }),
      step('close-factory', { ...times, run: (context) => closeFactory(policy, context) }),
      step('settings', { ...times, run: (context) => applySettings(policy, context) }),
    ],
  });
}

async function findWayIn({ site, factory }: BmcPolicy, context: StepContext): Promise<Output> {
  if (site === '')
    throw new AppError('BMC_MISSING', { detail: 'jobs.bmcSetup.credential is not set.' });
  const own = context.machine.bmcCredential;
  const order = [...new Set([own, site, ...factory])].filter((name) => name !== '');
  let refused: unknown;
  for (const credential of order) {
    try {
      await context.withBmc((bmc) => bmc.powerOn(), credential);
      return { credential };
    } catch (error) {
      // A BMC that is silent or full has said nothing about the login: the whole step is tried again.
      if (!(error instanceof AppError) || !WRONG_LOGIN.includes(error.code)) throw error;
      context.note(`${credential} does not open it: ${error.code}`);
      refused = error;
    }
  }
  throw refused;
}

async function makeAccount({ site }: BmcPolicy, context: StepContext): Promise<Output> {
  const wayIn = String(context.outputs['way-in']?.credential);
  if (wayIn === site) return { account: 'there' };
  const { username, password } = context.login(site);
  const outcome = await context.withBmc(
    async (bmc) => managed(bmc.accounts).put({ name: username, password }),
    wayIn,
  );
  return { account: outcome };
}

async function prove({ site }: BmcPolicy, context: StepContext): Promise<Output> {
  await context.withBmc((bmc) => bmc.powerOn(), site);
  if (context.machine.bmcCredential !== site)
    context.adopt(site, "The site's account is on its BMC.");
  return { credential: site };
}

async function closeFactory(policy: BmcPolicy, context: StepContext): Promise<Output> {
  const wayIn = String(context.outputs['way-in']?.credential);
  if (!policy.disableFactory || wayIn === policy.site) return { disabled: false };
  const factory = context.login(wayIn).username;
  // The same name with another password: the site's account has taken its place.
  if (factory === context.login(policy.site).username) return { disabled: false };
  const disabled = await context.withBmc(
    async (bmc) => managed(bmc.accounts).disable(factory),
    policy.site,
  );
  return { disabled };
}

/** The address comes last: the session may not survive it, and the next attempt finds it as it is wanted. */
async function applySettings(policy: BmcPolicy, context: StepContext): Promise<Output> {
  const { site, restorePolicy, setClock, useDhcp } = policy;
  if (restorePolicy === 'keep' && !setClock && !useDhcp) return {};
  return context.withBmc(async ({ upkeep }): Promise<Output> => {
    const had = <T>(what: string, value: T | undefined): T | undefined => {
      if (value === undefined) context.note(`it has no ${what} that can be set`);
      return value;
    };
    const seconds = Math.floor(context.now() / 1000);
    const restore =
      restorePolicy !== 'keep' &&
      had('power restore policy', await upkeep?.restorePolicy(restorePolicy));
    const clock = setClock ? had('clock', await upkeep?.setClock(seconds)) : undefined;
    const dhcp = useDhcp && had('address by DHCP', await upkeep?.useDhcp());
    return {
      ...(restore ? { restorePolicy } : {}),
      ...(clock ? { clockWasAheadSeconds: clock.skewSeconds } : {}),
      ...(dhcp ? { address: 'dhcp' } : {}),
    };
  }, site);
}

function managed<Accounts>(accounts: Accounts | undefined): Accounts {
  if (accounts) return accounts;
  throw new AppError('BMC_REFUSED', { detail: 'Its accounts cannot be managed from here.' });
}
