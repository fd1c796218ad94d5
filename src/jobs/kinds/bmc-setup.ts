/**
 * Makes a new BMC the site's own: finds a login that opens it, makes the site's account, proves that account, closes the
 * factory's at once, and only then notes the site's as the way in.
 *
 * Whatever step it is cut off at, the login on record or the site's opens the BMC, and asking again ends what was begun: the
 * site's account is given anew, and every account of the policy's list is closed, not only the one that was the way in this
 * time. A job that ends with one of them still open says so.
 *
 * Logins are names of stored credentials, tried in the order of the policy and each at most once: BMCs lock an account after
 * a few wrong passwords. What is noted, logged or kept is which credential, never what is in it.
 */
import { z } from 'zod';
import { AppError } from '../../errors.ts';
import { MACHINE_STATES } from '../../inventory/states.ts';
import { assertAccountFits } from '../../ipmi/accounts.ts';
import type { RestoreWish } from '../../ipmi/bmc.ts';
import {
  defineJob,
  type JobDefinition,
  type JobParams,
  type Output,
  type StepContext,
  step,
} from '../definition.ts';
import type { Login } from '../ports.ts';
import { accountOf, managed } from './bmc-accounts.ts';
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

/** Not with this login, or not with it here. */
const WRONG_LOGIN = ['BMC_USER', 'BMC_PASSWORD', 'BMC_PRIVILEGE', 'BMC_UNTRUSTED'];

export function bmcSetupJob(policy: BmcPolicy): JobDefinition {
  const times = { timeoutMs: ATTEMPT_MS, withinMs: BMC_WITHIN_MS };
  return defineJob<JobParams>('bmc-setup', 2, {
    says: "Makes the site's account on the BMC, proves it, disables the factory's, and sets it as policy says.",
    params: z.strictObject({}),
    allowedFrom: MACHINE_STATES,
    interrupts: false,
    destructive: false,
    steps: [
      step('way-in', { ...times, run: (context) => findWayIn(policy, context) }),
      step('site-account', { ...times, run: (context) => makeAccount(policy, context) }),
      step('prove', {
        ...times,
        run: (context) => prove(policy, context),
        undo: async (context) => tellWhatIsOpen(policy, context),
      }),
      step('close-factory', { ...times, run: (context) => closeFactory(policy, context) }),
      step('adopt', { ...times, run: (context) => adopt(policy, context) }),
      step('settings', { ...times, run: (context) => applySettings(policy, context) }),
    ],
  });
}

async function findWayIn({ site, factory }: BmcPolicy, context: StepContext): Promise<Output> {
  if (site === '')
    throw new AppError('BMC_MISSING', { detail: 'jobs.bmcSetup.credential is not set.' });
  // Before a BMC is touched: an account that it cannot have.
  assertAccountFits(nameAndPassword(context.login(site)));
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

const nameAndPassword = ({ username, password }: Login) => ({ name: username, password });

async function makeAccount({ site }: BmcPolicy, context: StepContext): Promise<Output> {
  const wayIn = wayInOf(context);
  if (wayIn === site) return { account: 'there' };
  const login = context.login(site);
  try {
    const outcome = await context.withBmc(
      async (bmc) => managed(bmc.accounts).put(nameAndPassword(login)),
      wayIn,
    );
    return { account: outcome };
  } catch (error) {
    if (!(error instanceof AppError) || !WRONG_LOGIN.includes(error.code)) throw error;
    // Cut off after the password was set: where both have one name, the way in is the site's already.
    await context.withBmc((bmc) => bmc.powerOn(), site);
    return { account: 'there' };
  }
}

const wayInOf = ({ outputs }: StepContext): string => String(outputs['way-in']?.credential);

async function prove({ site }: BmcPolicy, context: StepContext): Promise<Output> {
  await context.withBmc((bmc) => bmc.powerOn(), site);
  return { credential: site };
}

/** Every account that is not to stay, by name: that of the way in, and all that BMCs come with. */
function closing(policy: BmcPolicy, context: StepContext): string[] {
  if (!policy.disableFactory) return [];
  const own = context.login(policy.site).username;
  const names = [wayInOf(context), ...policy.factory].filter((name) => name !== policy.site);
  const accounts = names.flatMap((name) => accountOf(context, name));
  // The same name with another password: the site's account has taken its place.
  return [...new Set(accounts)].filter((account) => account !== own);
}

/** The account that opened the BMC is there: where it is not found by its name, it is open under another. */
async function closeFactory(policy: BmcPolicy, context: StepContext): Promise<Output> {
  const accounts = closing(policy, context);
  if (accounts.length === 0) return { disabled: false };
  const wayIn = accountOf(context, wayInOf(context));
  let left = accounts;
  try {
    const disabled = await context.withBmc(async (bmc) => {
      let any = false;
      for (const account of accounts) {
        const came = await managed(bmc.accounts).disable(account);
        any ||= came === 'closed';
        if (came === 'not-found' && wayIn.includes(account)) continue;
        left = left.filter((each) => each !== account);
      }
      return any;
    }, policy.site);
    if (left.length === 0) return { disabled };
    throw new AppError('BMC_REFUSED', { detail: 'It lists no such account.' });
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const detail = `The site's account opens it, but ${called(left)} may still be open: ${error.message}`;
    throw new AppError(error.code, { detail, cause: error });
  }
}

function called(accounts: readonly string[]): string {
  return accounts.map((account) => account || 'the anonymous user').join(', ');
}

async function adopt({ site }: BmcPolicy, context: StepContext): Promise<Output> {
  if (context.machine.bmcCredential !== site)
    context.adopt(site, "The site's account is on its BMC.");
  return {};
}

/** What people have to know of a job that ends in the middle. */
function tellWhatIsOpen(policy: BmcPolicy, context: StepContext): void {
  const { outputs } = context;
  if (outputs['close-factory']) return;
  const accounts = called(closing(policy, context));
  if (!outputs.prove) context.note("the site's account is not proven; the old way in is as it was");
  else if (accounts !== '')
    context.note(
      `the site's account opens it; ${accounts} may still be open: ask for bmc-setup again`,
    );
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
